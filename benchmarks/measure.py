"""Time and memory, measured so that two sides can be compared."""

from __future__ import annotations

import os
import platform
import statistics
import time
from typing import NamedTuple


class Ratio(NamedTuple):
    """How many times as long the peer takes, round by round.

    Attributes:
        median: of the rounds' ratios.
        low, high: the quartiles of the rounds' ratios.
        ours, peer: medians, seconds.
    """

    median: float
    low: float
    high: float
    ours: float
    peer: float


def seconds(function):
    """How long one call takes, until its result is there."""
    start = time.perf_counter()
    wait(function())
    return time.perf_counter() - start


def wait(result):
    """Returns when the tensors of a result have been computed."""
    import keras

    for tensor in keras.tree.flatten(result):
        tensor.numpy()


def interleaved(ours, peer, budget, least=5):
    """Calls two functions in turn, for `budget` seconds, both warm.

    Which of them comes first changes from round to round.

    Returns:
        A `Ratio`.
    """
    return in_turn(lambda: seconds(ours), lambda: seconds(peer), budget, least)


def in_turn(ours, peer, budget, least=5):
    """As `interleaved`, of functions that return what they took, in seconds."""
    times = {ours: [], peer: []}
    end = time.perf_counter() + budget
    order = [ours, peer]
    while time.perf_counter() < end or len(times[ours]) < least:
        for side in order:
            times[side].append(side())
        order.reverse()
    ratios = [b / a for a, b in zip(times[ours], times[peer], strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    return Ratio(
        statistics.median(ratios),
        low,
        high,
        statistics.median(times[ours]),
        statistics.median(times[peer]),
    )


def fastest(functions, budget):
    """Returns the name of the fastest of a dictionary of functions, warmed.

    They are called in turn for `budget` seconds, twice at least, after a call
    that compiles; the smallest time of each counts.
    """
    for function in functions.values():
        wait(function())
    times = {name: [] for name in functions}
    end = time.perf_counter() + budget
    while time.perf_counter() < end or len(min(times.values(), key=len)) < 2:
        for name, function in functions.items():
            times[name].append(seconds(function))
    return min(times, key=lambda name: min(times[name]))


def peak_memory(function, jit_compile):
    """How far the first call of a `tf.function` makes the process grow.

    The function is traced and compiled beforehand, so that what the compiler
    needs does not count. Only the first call tells: TensorFlow keeps what it
    has allocated. Only Linux tells.

    Returns:
        Bytes: the peak of the resident set, above what it was before.
    """
    function.get_concrete_function()
    if jit_compile:
        function.experimental_get_compiler_ir()(stage="optimized_hlo")
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")  # The peak starts again from here.
    before = _status("VmHWM")
    wait(function())
    return _status("VmHWM") - before


def _status(field):
    """A field of `/proc/self/status`, in bytes."""
    with open("/proc/self/status", encoding="utf-8") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status does not say {field}.")


def circumstances(threads):
    """One line: what ran, on what."""
    import keras
    import tensorflow as tf

    processor = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line for line in file if line.startswith("model name")]
        processor = names[0].split(":")[1].strip() if names else processor
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"Python {platform.python_version()}, TensorFlow {tf.__version__}, "
        f"Keras {keras.__version__} ({keras.backend.backend()}), "
        f"{threads} threads of {os.cpu_count()} x {processor}; "
        f"load averages before: {load}"
    )
