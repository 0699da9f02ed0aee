"""Heat maps of alignments over the images that they read."""

from __future__ import annotations

import matplotlib
import numpy as np
from digit_strings import FIRST_DIGIT, HEIGHT, SIDE, WIDTH
from matplotlib import colors, patches, pyplot

COLOUR = "#e4572e"
# From clear to coloured.
HEAT = colors.LinearSegmentedColormap.from_list(
    "heat", [colors.to_rgba(COLOUR, 0.0), colors.to_rgba(COLOUR, 0.8)]
)


def draw(strings, results, path, num_images=2):
    """Saves what each attention looked at when it read each digit.

    Args:
        strings: `Strings`; drawn are the first images with as many digits as
            there is room for.
        results: dictionary of `Result`s; each gets a row of panels an image.
        path: where to save the picture.
        num_images: how many images, one below the other.
    """
    length = strings.corners.shape[1]
    full = (strings.tokens >= FIRST_DIGIT).sum(axis=1) == length
    rows = np.flatnonzero(full)[:num_images]
    with matplotlib.rc_context({"font.size": 10}):
        figure = pyplot.figure(
            figsize=(2.4 * length, 1.25 * num_images * len(results)),
            layout="constrained",
        )
        parts = figure.subfigures(num_images, hspace=0.04, squeeze=False)
        for part, row in zip(parts.flat, rows, strict=True):
            axes = part.subplots(len(results), length, squeeze=False)
            for line, (name, result) in zip(axes, results.items(), strict=True):
                line[0].set_ylabel(name.replace("_", "\n"))
                for step, panel in enumerate(line):
                    draw_step(panel, strings, result, row, step)
        figure.savefig(path, dpi=140)
        pyplot.close(figure)


def draw_step(panel, strings, result, row, step):
    """Draws one image, the alignments of one step and the digit's box."""
    everywhere = {"extent": (0, WIDTH, HEIGHT, 0), "interpolation": "nearest"}
    panel.imshow(
        strings.images[row, :, :, 0], cmap="Greys", vmax=1.4, **everywhere
    )
    # The more it looks at a cell, the more it is tinted.
    panel.imshow(
        result.alignments[row, step], cmap=HEAT, vmin=0, vmax=1, **everywhere
    )
    top, left = strings.corners[row, step]
    panel.add_patch(
        patches.Rectangle(
            (left, top), SIDE, SIDE, fill=False, linewidth=1.2, linestyle=":"
        )
    )
    said = result.tokens[row, step]
    digit = said - FIRST_DIGIT if said >= FIRST_DIGIT else "end"
    right = said == strings.tokens[row, step]
    panel.set_title(
        f"reads {digit}" if right else f"reads {digit}, wrong",
        color="black" if right else COLOUR,
        pad=3,
    )
    panel.set_xticks([])
    panel.set_yticks([])
    for side in panel.spines.values():
        side.set_color("0.8")
