"""Penalties that hypotheses of different lengths are compared with."""

from keras import ops

NOTHING = 1.0e-6  # attention that counts as none; its logarithm is finite


def length_penalty(lengths, exponent):
    """Returns `lp(y) = ((5 + |y|) / 6) ^ exponent`.

    Wu et al. 2016, eq. 14. Log-probabilities are divided by it.

    Args:
        lengths: integers of any shape.
        exponent: float; 0 for no penalty, larger favours longer outputs.

    Returns:
        float32, shaped like `lengths`.

    Example:

    >>> length_penalty(ops.array([1, 7]), 1.0).numpy()
    array([1., 2.], dtype=float32)
    """
    ratio = (5.0 + ops.cast(lengths, "float32")) / 6.0
    return ops.power(ratio, float(exponent))


def coverage_penalty(attended, source_mask=None):
    """Returns `cp(x, y) = sum_i log(min(sum_j p_ij, 1))`, at most 0.

    Wu et al. 2016, eq. 14, where `p_ij` is how much output token `j` attends
    to source token `i`. It is 0 if all of the source was attended to. A sum
    below 1e-6 counts as 1e-6, so that the penalty stays finite.

    Args:
        attended: `(rows, source_len)`, the sums over `j`.
        source_mask: boolean `(rows, source_len)`, `True` = a token, or
            `None`: all are.

    Returns:
        float32 `(rows,)`.

    Example:

    >>> coverage_penalty(ops.array([[1.0, 0.5, 1.5]])).numpy().round(3)
    array([-0.693], dtype=float32)
    """
    attended = ops.cast(attended, "float32")
    logarithms = ops.log(ops.clip(attended, NOTHING, 1.0))
    if source_mask is not None:
        logarithms = ops.where(source_mask, logarithms, 0.0)
    return ops.sum(logarithms, axis=1)
