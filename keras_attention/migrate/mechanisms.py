"""The attention mechanisms of tensorflow-addons as `Attention` layers."""

from __future__ import annotations

from keras_attention import normalizers, scores
from keras_attention.attention import Attention
from keras_attention.migrate.arrays import named_arrays

OWN_LAYER = (
    "A query_layer or memory_layer of one's own has no place here: write a "
    "keras_attention.scores.Score for it."
)
HINTS = {
    "attention_v": "`attention_v` belongs to Bahdanau's attention.",
    "attention_g": "With `attention_g` it was made with normalize=True "
    "(Bahdanau) or scale=True (Luong): say so here too.",
    "attention_score_bias": "With `attention_score_bias` it is monotonic: "
    "there is a function of its own for it.",
    "query_layer/bias": OWN_LAYER,
    "memory_layer/bias": OWN_LAYER,
}


def bahdanau_attention(
    weights, normalize=False, probability_fn="softmax", **kwargs
):
    """Returns `tfa.seq2seq.BahdanauAttention` as a layer.

    Args:
        weights: `attention_v` `(units,)`, with `normalize` also `attention_g`
            `()` and `attention_b` `(units,)`, then `query_layer/kernel`
            `(query_dim, units)` and `memory_layer/kernel` `(memory_dim,
            units)`: a dictionary by these names, or a list in this order,
            that of `get_weights()`.
        normalize: as it was given to tensorflow-addons.
        probability_fn: `"softmax"` or `"hardmax"`, likewise.
        **kwargs: as in `keras_attention.Attention` (`dropout`, `name`, ...).

    Returns:
        An `Attention` with these weights, built.

    Raises:
        ValueError: on weights that are not these, or of other shapes.

    Example:

    >>> import numpy as np
    >>> layer = bahdanau_attention(
    ...     [np.ones(13), np.ones((7, 13)), np.ones((11, 13))]
    ... )
    >>> layer([ops.ones((2, 3, 7)), ops.ones((2, 5, 11))]).shape
    TensorShape([2, 3, 11])
    """
    return _bahdanau(
        "BahdanauAttention",
        weights,
        normalize,
        _probability(probability_fn),
        kwargs,
    )


def luong_attention(weights, scale=False, probability_fn="softmax", **kwargs):
    """Returns `tfa.seq2seq.LuongAttention` as a layer.

    Its `memory_layer` makes keys as wide as the query: the "general" score.

    Args:
        weights: with `scale` `attention_g` `()`, then `memory_layer/kernel`
            `(memory_dim, query_dim)`: a dictionary by these names, or a list
            in this order, that of `get_weights()`.
        scale: as it was given to tensorflow-addons.
        probability_fn: `"softmax"` or `"hardmax"`, likewise.
        **kwargs: as in `keras_attention.Attention` (`dropout`, `name`, ...).

    Returns:
        An `Attention` with these weights, built.

    Raises:
        ValueError: on weights that are not these, or of other shapes.

    Example:

    >>> import numpy as np
    >>> layer = luong_attention([np.ones((11, 7))])
    >>> layer([ops.ones((2, 3, 7)), ops.ones((2, 5, 11))]).shape
    TensorShape([2, 3, 11])
    """
    return _luong(
        "LuongAttention", weights, scale, _probability(probability_fn), kwargs
    )


def bahdanau_monotonic_attention(
    weights,
    normalize=False,
    sigmoid_noise=0.0,
    mode="parallel",
    inference_mode=None,
    **kwargs,
):
    """Returns `tfa.seq2seq.BahdanauMonotonicAttention` as a layer.

    Args:
        weights: `attention_v` `(units,)`, `attention_score_bias` `()`, with
            `normalize` also `attention_g` `()` and `attention_b` `(units,)`,
            then `query_layer/kernel` `(query_dim, units)` and
            `memory_layer/kernel` `(memory_dim, units)`: a dictionary by these
            names, or a list in this order, that of `get_weights()`.
        normalize: as it was given to tensorflow-addons.
        sigmoid_noise: likewise; here there is noise in training only.
        mode: likewise.
        inference_mode: the mode after training; `None`: the same. (With
            tensorflow-addons a second model was made for it.)
        **kwargs: as in `keras_attention.Attention` (`dropout`, `name`, ...).

    Returns:
        An `Attention` with these weights, built.

    Raises:
        ValueError: on weights that are not these, or of other shapes.

    Example:

    >>> import numpy as np
    >>> layer = bahdanau_monotonic_attention(
    ...     [np.ones(13), np.zeros(()), np.ones((7, 13)), np.ones((11, 13))]
    ... )
    >>> layer([ops.ones((2, 3, 7)), ops.ones((2, 5, 11))]).shape
    TensorShape([2, 3, 11])
    """
    return _bahdanau(
        "BahdanauMonotonicAttention",
        weights,
        normalize,
        _monotonic(sigmoid_noise, mode, inference_mode),
        kwargs,
    )


def luong_monotonic_attention(
    weights,
    scale=False,
    sigmoid_noise=0.0,
    mode="parallel",
    inference_mode=None,
    **kwargs,
):
    """Returns `tfa.seq2seq.LuongMonotonicAttention` as a layer.

    Args:
        weights: with `scale` `attention_g` `()`, then `attention_score_bias`
            `()` and `memory_layer/kernel` `(memory_dim, query_dim)`: a
            dictionary by these names, or a list in this order, that of
            `get_weights()`.
        scale: as it was given to tensorflow-addons.
        sigmoid_noise, mode, inference_mode: as in
            `bahdanau_monotonic_attention`.
        **kwargs: as in `keras_attention.Attention` (`dropout`, `name`, ...).

    Returns:
        An `Attention` with these weights, built.

    Raises:
        ValueError: on weights that are not these, or of other shapes.

    Example:

    >>> import numpy as np
    >>> layer = luong_monotonic_attention([np.zeros(()), np.ones((11, 7))])
    >>> layer([ops.ones((2, 3, 7)), ops.ones((2, 5, 11))]).shape
    TensorShape([2, 3, 11])
    """
    return _luong(
        "LuongMonotonicAttention",
        weights,
        scale,
        _monotonic(sigmoid_noise, mode, inference_mode),
        kwargs,
    )


def memory_dim(attention):
    """Returns how wide a memory a layer of this module attends to."""
    return _memory_kernel(attention.score).shape[0]


def query_dim(attention):
    """Returns how wide a query a layer of this module is asked with."""
    score = attention.score
    if isinstance(score, scores.AdditiveScore):
        return score.query_kernel.shape[0]
    return score.kernel.shape[1]


def _memory_kernel(score):
    if isinstance(score, scores.AdditiveScore):
        return score.key_kernel
    return score.kernel


def _probability(name):
    if name not in ("softmax", "hardmax"):
        raise ValueError(
            "`probability_fn` must be 'softmax' or 'hardmax'. Received: "
            f"probability_fn={name!r}. Others go into "
            "keras_attention.Attention(normalizer=...)."
        )
    return normalizers.get(name)


def _monotonic(sigmoid_noise, mode, inference_mode):
    return normalizers.Monotonic(
        mode=mode,
        inference_mode=mode if inference_mode is None else inference_mode,
        sigmoid_noise=sigmoid_noise,
    )


def _bahdanau(owner, weights, normalize, normalizer, kwargs):
    arrays, sizes = named_arrays(
        weights,
        {
            "attention_v": ("units",),
            **_score_bias(normalizer),
            **(
                {"attention_g": (), "attention_b": ("units",)}
                if normalize
                else {}
            ),
            "query_layer/kernel": ("query_dim", "units"),
            "memory_layer/kernel": ("memory_dim", "units"),
        },
        owner,
        HINTS,
    )
    make = scores.NormalizedAdditiveScore if normalize else scores.AdditiveScore
    layer = Attention(
        score=make(sizes["units"]), normalizer=normalizer, **kwargs
    )
    _build(layer, sizes)
    score = layer.score
    score.scale.assign(arrays["attention_v"])
    score.query_kernel.assign(arrays["query_layer/kernel"])
    score.key_kernel.assign(arrays["memory_layer/kernel"])
    if normalize:
        score.gain.assign(arrays["attention_g"])
        score.bias.assign(arrays["attention_b"])
    return _with_score_bias(layer, arrays)


def _luong(owner, weights, scale, normalizer, kwargs):
    arrays, sizes = named_arrays(
        weights,
        {
            **({"attention_g": ()} if scale else {}),
            **_score_bias(normalizer),
            "memory_layer/kernel": ("memory_dim", "query_dim"),
        },
        owner,
        HINTS,
    )
    make = scores.ScaledGeneralScore if scale else scores.GeneralScore
    layer = Attention(score=make(), normalizer=normalizer, **kwargs)
    _build(layer, sizes)
    layer.score.kernel.assign(arrays["memory_layer/kernel"])
    if scale:
        layer.score.gain.assign(arrays["attention_g"])
    return _with_score_bias(layer, arrays)


def _score_bias(normalizer):
    is_monotonic = isinstance(normalizer, normalizers.Monotonic)
    return {"attention_score_bias": ()} if is_monotonic else {}


def _build(layer, sizes):
    query = (None, None, sizes["query_dim"])
    layer.build([query, (None, None, sizes["memory_dim"])])


def _with_score_bias(layer, arrays):
    if "attention_score_bias" in arrays:
        layer.normalizer.score_bias.assign(arrays["attention_score_bias"])
    return layer
