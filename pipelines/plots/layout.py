"""Where the parts of a heat map stand, so that nothing is cut off."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipelines.plots.words import wrap

POINTS = 72  # an inch
MIN_WIDTH = 3.0  # inches, of the picture
MARGIN = 0.15  # inches
BAR_WIDTH, BAR_GAP, BAR_LABELS = 0.14, 0.2, 0.4  # inches


def label_cells(
    axes: Axes,
    source: list[str],
    target: list[str],
    cell: float,
    style: dict[str, Any],
) -> None:
    """Names columns and rows, and draws thin lines between the cells."""
    size = min(10.0, 0.62 * cell * POINTS)
    # A label fits above its column if it has few letters.
    upright = max(map(len, source)) * 0.62 * size > 0.9 * cell * POINTS
    axes.set_xticks(
        range(len(source)),
        source,
        rotation=90 if upright else 0,
        fontsize=size,
        **style,
    )
    axes.set_yticks(range(len(target)), target, fontsize=size, **style)
    axes.set_xticks(np.arange(len(source) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(target) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#e4e4e4", linewidth=0.5)
    axes.tick_params(which="both", length=0)
    axes.xaxis.tick_top()
    for label in axes.get_xticklabels():
        if len(label.get_text()) == 1:
            label.set_rotation(0)
    axes.tick_params(axis="x", pad=2)
    axes.spines[:].set_visible(False)


def arrange(
    figure: Figure,
    axes: Axes,
    bar_axes: Axes,
    size: tuple[float, float],
    sentences: list[tuple[str, str]],
    style: dict[str, Any],
) -> None:
    """Measures all parts and makes the figure as large as they need."""
    width, height = size
    figure.set_size_inches(width + 6, height + 6)
    axes.set_position(_share(figure, (3, 3, width, height)))
    figure.draw_without_rendering()
    inner = axes.get_window_extent()
    outer = axes.get_tightbbox() or inner
    left, top = (
        pixels / figure.dpi + MARGIN
        for pixels in (inner.x0 - outer.x0, outer.y1 - inner.y1)
    )
    bar_space = BAR_GAP + BAR_WIDTH + BAR_LABELS + MARGIN
    overhang = (outer.x1 - inner.x1) / figure.dpi + MARGIN
    full_width = max(left + width + max(bar_space, overhang), MIN_WIDTH)
    columns = int((full_width - 2 * MARGIN) * POINTS / 5.6)
    title = figure.text(
        0,
        0,
        "\n".join(
            wrap(f"{language}: {sentence}", columns)
            for language, sentence in sentences
        ),
        fontsize=10,
        va="top",
        linespacing=1.3,
        **style,
    )
    extent = title.get_window_extent()
    full_width = max(full_width, extent.width / figure.dpi + 2 * MARGIN)
    title_height = extent.height / figure.dpi
    bar_height = min(max(height, 1.0), 3.0)
    below = max(height, bar_height) + MARGIN
    full_height = below + top + title_height + MARGIN
    figure.set_size_inches(full_width, full_height)
    axes.set_position(_share(figure, (left, below - height, width, height)))
    bar_left = left + width + BAR_GAP
    bar_axes.set_position(
        _share(figure, (bar_left, below - bar_height, BAR_WIDTH, bar_height))
    )
    title.set_position((MARGIN / full_width, 1 - MARGIN / full_height))


def _share(
    figure: Figure, inches: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """Turns left, bottom, width, height in inches into shares."""
    width, height = figure.get_size_inches()
    left, bottom, wide, high = inches
    return left / width, bottom / height, wide / width, high / height
