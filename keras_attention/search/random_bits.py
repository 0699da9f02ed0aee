"""Random numbers that depend on nothing but their key and their place.

`keras.random` makes a whole tensor of a seed: one row of it depends on how
many there are. Here every number is a function of its own.
"""

from __future__ import annotations

from keras import ops

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def threefry(key, counter):
    """Threefry-2x32 with 20 rounds: 64 random bits of a key and a counter.

    Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
    section 4.2. In int32, whose sums wrap around.

    Args:
        key: two int32 tensors.
        counter: two int32 tensors, broadcastable to the key.

    Returns:
        Two int32 tensors.
    """
    third = ops.bitwise_xor(ops.bitwise_xor(*key), PARITY)
    keys = (*key, third)
    left, right = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            left = left + right
            right = ops.bitwise_xor(_rotate(right, rotation), left)
        left = left + keys[(group + 1) % 3]
        right = right + keys[(group + 2) % 3] + (group + 1)
    return left, right


def uniform(key, counter):
    """Returns float32 in [0, 1), for each key and counter; see `threefry`.

    Example:

    >>> zero = ops.zeros((1,), dtype="int32")
    >>> bool(0 <= uniform((zero, zero), (zero, zero + 7))[0] < 1)
    True
    """
    bits, _ = threefry(key, counter)
    # 24 bits: as many as a float32 holds exactly.
    return ops.cast(_shift_right(bits, 8), "float32") * 2.0**-24


def signed(number):
    """Returns an integer's last 32 bits as the integer that int32 reads."""
    return (int(number) + 2**31) % 2**32 - 2**31


# LiteRT knows of bits no more than a shift to the right and XOR.


def _rotate(bits, places):
    return bits * (1 << places) + _shift_right(bits, 32 - places)


def _shift_right(bits, places):
    """Shifts zeros in from the left, where int32 would repeat its sign."""
    sign = ops.where(ops.less(bits, 0), 1 << (32 - places), 0)
    return ops.bitwise_right_shift(bits, places) + sign
