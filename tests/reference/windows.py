"""Windows: which source positions a query may look at.

A window is a function `(query, allowed, past) -> (allowed, weights)`:
`allowed` is a list of booleans, one for each source position, and comes
back at most as wide; `weights`, `(source_len,)` or `None`, multiply the
alignments after the normaliser. `past.step` counts the steps before.
"""

import numpy as np

from tests.reference.elementwise import sigmoid


def everywhere(query, allowed, past):
    """Luong et al. (2015), section 3.1: global attention."""
    del query, past
    return list(allowed), None


def causal(query, allowed, past):
    """No further than the step itself: source position `<= t`.

    Vaswani et al. (2017), section 3.2.3.
    """
    del query
    return [
        one and position <= past.step for position, one in enumerate(allowed)
    ], None


def inside(allowed, centre, width):
    """Those within `[centre - width, centre + width]`."""
    return [
        bool(one) and centre - width <= position <= centre + width
        for position, one in enumerate(allowed)
    ]


def local_m(width):
    """Luong et al. (2015), section 3.2, "local-m": `p_t = t`.

    Positions and steps count from 0. A window that lies beyond the source
    is empty.

    Args:
        width: `D`: the window is `[p_t - D, p_t + D]`.
    """

    def window(query, allowed, past):
        del query
        return inside(allowed, past.step, width), None

    return window


def source_length(allowed):
    """The source's own length: its last allowed position and one."""
    length = 0
    for position, one in enumerate(allowed):
        if one:
            length = position + 1
    return length


def predicted_position(query, matrix, vector, length):
    """Luong et al. (2015), eq. 9: `p_t = S sigmoid(v_p^T tanh(W_p h_t))`."""
    return length * sigmoid(vector @ np.tanh(matrix @ query))


def local_p(width, matrix, vector):
    """Luong et al. (2015), eqs. 9-10, "local-p".

    The softmax runs over the window `[p_t - D, p_t + D]`; its alignments
    are then multiplied by `exp(-(s - p_t)^2 / (2 sigma^2))` with
    `sigma = D / 2`, and not normalised again. Positions count from 0;
    `p_t` is a real number and is not rounded.

    Args:
        width: `D`.
        matrix: `W_p`, `(units, query_dim)`.
        vector: `v_p`, `(units,)`.
    """

    def window(query, allowed, past):
        del past
        centre = predicted_position(
            query, matrix, vector, source_length(allowed)
        )
        sigma = width / 2
        weights = [
            np.exp(-((position - centre) ** 2) / (2 * sigma**2))
            for position in range(len(allowed))
        ]
        return inside(allowed, centre, width), np.array(weights)

    return window
