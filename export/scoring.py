"""Log-probabilities of given targets, token by token."""

from typing import Any

import tensorflow as tf

START = 1  # token id


def token_scores(
    model: Any, source: tf.Tensor, targets: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Scores every token of given targets.

    The same as `keras_attention.search.score`, which adds them up.

    Args:
        model: An encoder-decoder with `encode` and `decode_step`.
        source: `(batch, source_len)` int32 ids, 0 where padded.
        targets: `(batch, target_len)` int32 ids without the start token, 0
            where padded.

    Returns:
        A dictionary of `token_scores` `(batch, target_len)`, in nats, 0 where
        padded, and, for a model with attention, `alignments` `(batch,
        target_len, source_len)`, likewise.
    """
    memory, states = model.encode(source)
    batch, target_len = tf.unstack(tf.shape(targets))
    start = tf.fill((batch,), START)
    # Whether there are alignments is known from one step; a graph does not
    # compute what is not used.
    attends = model.decode_step(start, states, memory)[2] is not None
    count = 2 if attends else 1
    kept = [tf.TensorArray(tf.float32, target_len) for _ in range(count)]

    def step(time: Any, token: Any, states: Any, kept: Any) -> Any:
        logits, states, alignments = model.decode_step(token, states, memory)
        token = targets[:, time]
        counts = token != 0
        scores = tf.nn.log_softmax(tf.cast(logits, tf.float32))
        score = tf.gather(scores, token, batch_dims=1)
        found = [tf.where(counts, score, 0.0)]
        if attends:
            shown = tf.cast(alignments, tf.float32)
            found.append(tf.where(counts[:, tf.newaxis], shown, 0.0))
        kept = [
            array.write(time, one)
            for array, one in zip(kept, found, strict=True)
        ]
        return time + 1, token, states, kept

    *_, kept = tf.while_loop(
        lambda time, *_: time < target_len,
        step,
        (tf.constant(0), start, states, kept),
        maximum_iterations=target_len,
    )
    scores = tf.transpose(kept[0].stack())
    outputs = {"token_scores": tf.reshape(scores, tf.shape(targets))}
    if attends:
        outputs["alignments"] = tf.transpose(kept[1].stack(), (1, 0, 2))
    return outputs
