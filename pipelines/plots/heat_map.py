"""Pictures of what a model looked at."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.errors import UserError
from pipelines.files import write_whole
from pipelines.plots.layout import arrange, label_cells
from pipelines.plots.words import choose_fonts, readable, replace_missing

LEAST_DARKEST = 0.3
# Inches. Cells shrink, so that a long sentence fits onto a screen, until
# their labels would be too small to read.
LARGEST_CELL, SMALLEST_CELL, USUAL_SIDE = 0.28, 0.2, 10.0
MAX_SIDE = 60.0  # of all cells; then cells shrink all the same
# In TensorBoard a picture of more positions has numbers for labels, and is no
# larger than others: thousands of labels take minutes and gigabytes.
MOST_LABELS = 100
FORMATS = ("png", "svg", "pdf", "jpg")


def alignment_figure(
    translation: Any,
    source_language: str = "source",
    target_language: str = "target",
    most_labels: int | None = None,
) -> Figure:
    """Draws where each target token looked: a heat map.

    Source tokens stand along the top, target tokens down the left side. A
    token that goes on with a word begins with `·`; `⏎` is the end.

    Args:
        translation: A `pipelines.translation.Translation` with alignments.
        source_language: Its name, for the title.
        target_language: Its name, for the title.
        most_labels: As for `heat_map`.

    Returns:
        A matplotlib figure that belongs to no window; its size suits the
        number of tokens.

    Raises:
        UserError: If the model has no attention, or nothing was translated.

    Example:

    ```python
    [translation] = pipelines.load("runs/demo").translate(["Il pleut."])
    alignment_figure(translation, "French", "English").savefig("rain.png")
    ```
    """
    return heat_map(
        _checked(translation),
        readable(translation.source_pieces),
        readable(translation.target_pieces),
        [
            (source_language, " ".join(translation.source.split())),
            (target_language, translation.text),
        ],
        most_labels,
    )


def heat_map(
    alignments: np.ndarray,
    source_labels: Sequence[str],
    target_labels: Sequence[str],
    title: Sequence[tuple[str, str]] = (),
    most_labels: int | None = None,
) -> Figure:
    """Draws alignments with a label for each row and column.

    Args:
        alignments: `(target_len, source_len)`, neither zero.
        source_labels: Along the top.
        target_labels: Down the left side.
        title: Pairs (name, text), a line each.
        most_labels: Where there are more rows or columns, they are numbered,
            and the picture has the usual size; `None`: each has its label.

    Returns:
        As `alignment_figure`.
    """
    weights = np.asarray(alignments, np.float32)
    texts = [*source_labels, *target_labels]
    texts += [text for pair in title for text in pair]
    fonts, missing = choose_fonts(texts)
    texts = [replace_missing(text, missing) for text in texts]
    num_target, num_source = weights.shape
    longest = max(weights.shape)
    cell = min(max(USUAL_SIDE / longest, SMALLEST_CELL), LARGEST_CELL)
    cell = min(cell, MAX_SIDE / longest)
    labelled = most_labels is None or longest <= most_labels
    if not labelled:
        cell = USUAL_SIDE / longest
    style = {"family": fonts, "parse_math": False}
    figure = Figure(figsize=(6, 6))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.3, 0.1, 0.5, 0.5))
    # Soft alignments stay visible: the darkest colour is the largest weight,
    # unless they are so soft that it would mislead.
    most = max(float(weights.max()), LEAST_DARKEST)
    image = axes.imshow(weights, cmap="Blues", vmin=0, vmax=most, aspect="auto")
    labels, names = texts[: num_source + num_target], texts[-2 * len(title) :]
    if labelled:
        label_cells(axes, labels[:num_source], labels[num_source:], cell, style)
    else:
        axes.xaxis.tick_top()
    bar_axes = figure.add_axes((0.9, 0.1, 0.02, 0.5))
    bar = figure.colorbar(
        image, cax=bar_axes, ticks=[0, most / 2, most], format="%.2f"
    )
    bar.outline.set_visible(False)
    bar_axes.tick_params(labelsize=8, length=2)
    arrange(
        figure,
        axes,
        bar_axes,
        (num_source * cell, num_target * cell),
        list(zip(names[::2], names[1::2], strict=True)) if title else [],
        style,
    )
    return figure


def save_alignment(
    translation: Any,
    path: str | Path,
    source_language: str = "source",
    target_language: str = "target",
    dpi: int = 150,
) -> None:
    """Writes the heat map to a file, wholly or not at all.

    Args:
        translation: As for `alignment_figure`.
        path: Ends in .png, .svg, .pdf or .jpg.
        source_language: Its name, for the title.
        target_language: Its name, for the title.
        dpi: Pixels an inch.

    Raises:
        UserError: As `alignment_figure`; for another ending; if the file
            cannot be written.
    """
    kind = picture_format(path)
    figure = alignment_figure(translation, source_language, target_language)
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=dpi)
    write_whole(path, content.getvalue())


def picture_format(path: str | Path) -> str:
    """Tells the format from a path's ending.

    Raises:
        UserError: If it is none of those that can be written.

    Example:

    >>> picture_format("alignment.PNG")
    'png'
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        endings = ", ".join(f".{one}" for one in FORMATS)
        name = Path(path)
        better = name.with_suffix(".png") if name.name else name / "picture.png"
        raise UserError(
            f"A picture's name must end in one of {endings}. Received: {path}.",
            f"Write for instance {better}.",
        )
    return kind


def alignment_pixels(
    translation: Any,
    source_language: str = "source",
    target_language: str = "target",
    dpi: int = 100,
) -> np.ndarray:
    """Draws the heat map as pixels, for TensorBoard.

    Args:
        translation: As for `alignment_figure`.
        source_language: Its name, for the title.
        target_language: Its name, for the title.
        dpi: Pixels an inch.

    Returns:
        uint8 (height, width, 3).
    """
    figure = alignment_figure(
        translation, source_language, target_language, MOST_LABELS
    )
    return pixels(figure, dpi)


def pixels(figure: Figure, dpi: int = 100) -> np.ndarray:
    """Returns a figure as uint8 (height, width, 3)."""
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def _checked(translation: Any) -> np.ndarray:
    """Returns the alignments (target_len, source_len), at least one."""
    if not translation.source.strip() or not translation.target_pieces:
        raise UserError(
            "There is nothing to draw: the sentence or its translation is "
            "empty.",
            "Give a sentence with words.",
        )
    if translation.alignments is None:
        raise UserError(
            "This model has no attention, so there are no alignments to draw.",
            "Train a recipe with another model.attention than none.",
        )
    weights = np.asarray(translation.alignments, np.float32)
    wanted = (len(translation.target_pieces), len(translation.source_pieces))
    if weights.shape != wanted:
        raise ValueError(
            "`alignments` must be (target tokens, source tokens) = "
            f"{wanted}. Received: shape={weights.shape}."
        )
    return weights
