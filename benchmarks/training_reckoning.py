"""Where the time of a token goes, at the limit of the machine.

Counts the operations of matrix products only, forward and backward (three
products for one), and divides by the rates that the machine reached in the
same run: of large products, and of those of one time step.
"""

from __future__ import annotations

import statistics

LARGE = (2048, 2048, 2048)
STEP = (64, 1024, 2048)  # what a decoder's step multiplies
ADAM_BYTES = 4 * 7  # a weight: three are read and written, and a gradient read
BACKWARD = 3  # products of forward and backward, for one of forward


def operations(sizes, score, source_ratio, source_len):
    """Operations for one real target token, by part.

    Args:
        sizes: `training_sides.Sizes`.
        score: `"additive"` or `"general"`.
        source_ratio: real source tokens for one of the target.
        source_len: mean length of the sources, in tokens.

    Returns:
        A dictionary: part to `(operations, "large" or "step")`.
    """
    memory = 2 * sizes.encoder
    decoder, attention = sizes.decoder, sizes.attention
    query = decoder * attention if score == "additive" else 0
    looks = source_len * (attention + memory)  # scores, then the context
    parts = {
        "output layer": (attention * sizes.target_vocabulary, "large"),
        "encoder, inputs": (
            source_ratio * sizes.embedding * 4 * memory,
            "large",
        ),
        "encoder, loop": (
            source_ratio * sizes.encoder * 4 * memory,
            "step",
        ),
        "keys": (source_ratio * memory * attention, "large"),
        "decoder, inputs": (sizes.embedding * 4 * decoder, "large"),
        "decoder, loop": (
            (attention + decoder) * 4 * decoder
            + query
            + looks
            + (decoder + memory) * attention,
            "step",
        ),
    }
    return {
        name: (2 * BACKWARD * count, rate)
        for name, (count, rate) in parts.items()
    }


def show(score, sizes, data, ours, rates):
    """Prints the reckoning beside what ours reached."""
    rate = {
        name: statistics.median(one[name] for one in rates)
        for name in ("large", "step", "bytes")
    }
    numbers = range(len(data.batches))
    tokens = data.tokens(numbers)
    source = data.source_tokens(numbers)
    parts = operations(
        sizes, score, source / tokens, source / data.sentences(numbers)
    )
    seconds = {
        name: count / rate[kind] for name, (count, kind) in parts.items()
    }
    per_batch = tokens / len(data.batches)
    weights = ours["about"]["weights"]
    seconds["Adam"] = ADAM_BYTES * weights / rate["bytes"] / per_batch
    limit = sum(seconds.values())
    reached = 1 / statistics.median(ours["tokens"])
    total = sum(count for count, _ in parts.values())
    print(
        f"\nMatrix products in this run: {rate['large'] / 1e9:.0f} GFLOP/s "
        f"for {'x'.join(map(str, LARGE))}, {rate['step'] / 1e9:.0f} for "
        f"{'x'.join(map(str, STEP))}; memory {rate['bytes'] / 1e9:.0f} GB/s. "
        f"Ours: {total / 1e6:.1f} MFLOP a real token, "
        f"{total / reached / 1e9:.0f} GFLOP/s, "
        f"{total / reached / rate['large']:.0%} of the large products' rate.\n"
    )
    print("| part | MFLOP a token | ms a token at the limit |\n|---|---|---|")
    for name, one in seconds.items():
        count = parts.get(name, (0, ""))[0]
        print(f"| {name} | {count / 1e6:.1f} | {1e3 * one:.3f} |")
    print(
        f"| sum | {total / 1e6:.1f} | {1e3 * limit:.3f} ({1 / limit:,.0f} "
        f"tokens/s; ours reached {limit / reached:.0%}) |",
        flush=True,
    )
