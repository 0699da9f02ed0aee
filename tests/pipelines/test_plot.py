import gc

import numpy as np
import pytest

from pipelines.errors import UserError
from pipelines.plots.heat_map import (
    alignment_figure,
    alignment_pixels,
    heat_map,
    picture_format,
    save_alignment,
)
from pipelines.plots.words import choose_fonts, readable, replace_missing, wrap
from pipelines.run import Translation


def make(source_pieces, target_pieces, source="a b", text="c d", one_hot=False):
    """A translation that looks along the diagonal."""
    rows, columns = len(target_pieces), len(source_pieces)
    distance = np.abs(
        np.arange(rows)[:, None] * columns / rows - np.arange(columns)
    )
    weights = np.exp(-distance)
    weights /= weights.sum(1, keepdims=True)
    if one_hot:
        weights = np.eye(columns)[weights.argmax(1)]
    return Translation(
        source, text, -1.0, source_pieces, target_pieces, weights
    )


def inside(figure):
    """Whether all labels, the title and the bar's numbers are on the page."""
    figure.draw_without_rendering()
    page = figure.bbox
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box.x0 >= page.x0 - 1 and box.y0 >= page.y0 - 1
        assert box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1
    for text in figure.texts:
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.x1 <= page.x1 + 1
        assert box.y0 >= -1 and box.y1 <= page.y1 + 1


def test_readable_tokens():
    pieces = ["▁Tier", "park", "'", "s", "▁", "▁(", ".", "<unk>", "</s>"]
    assert readable(pieces) == [
        "Tier",
        "·park",
        "'",
        "·s",
        "␣",
        "(",
        ".",
        "<unk>",
        "⏎",
    ]
    assert readable(["▁我", "喜欢", "\u200b", "▁\u200d"]) == [
        "我",
        "喜欢",
        "␣",
        "␣",
    ]
    assert readable([]) == []


def test_wrapping():
    assert wrap("  a \n b\u0000 ", 20) == "a b"
    assert len(wrap("word " * 5000, 40).split("\n")) == 4
    assert wrap("x" * 10_000, 40).endswith("…")
    assert max(map(len, wrap("好" * 100, 40).split("\n"))) <= 20


def test_fonts_cover_what_is_installed():
    fonts, missing = choose_fonts(["é ß ⏎ ␣ □ · мир"])
    assert (fonts, missing) == (["DejaVu Sans"], "")
    _, missing = choose_fonts(["\U0010fffd a"])
    assert missing == "\U0010fffd"
    assert replace_missing("a\U0010fffdb", missing) == "a□b"


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize(
    ("rows", "columns"), [(1, 1), (2, 3), (1, 40), (37, 1), (11, 13)]
)
def test_nothing_is_cut_off(rows, columns, one_hot):
    long_word = "▁" + "Donaudampfschifffahrt" * 2
    source = ["▁word", "s", long_word, "?"] * columns
    target = ["▁mot", "▁" + "W" * 30, "."] * rows
    translation = make(
        [*source[: columns - 1], "</s>"],
        [*target[: rows - 1], "</s>"],
        "many words " * columns,
        "x" * 50,
        one_hot,
    )
    figure = alignment_figure(translation, "French", "English")
    inside(figure)
    heat_map = figure.axes[0]
    assert [label.get_text() for label in heat_map.get_yticklabels()][-1] == (
        "⏎"
    )
    np.testing.assert_allclose(
        heat_map.images[0].get_array(), translation.alignments, rtol=1e-6
    )


@pytest.mark.slow
def test_long_sentences_stay_readable():
    pieces = ["▁mot", "s", "▁word"] * 22
    figure = alignment_figure(make(pieces, pieces), "French", "English")
    inside(figure)
    size = figure.axes[0].get_yticklabels()[0].get_fontsize()
    assert size >= 8  # points
    assert max(figure.get_size_inches()) < 20


@pytest.mark.parametrize(
    "odd",
    [
        "我喜欢",
        "😀👩‍👩‍👧",
        "مرحبا",
        "$x$ $\\frac{",
        "\ud800",
        "\u0000\t",
        "e\u0301",
    ],
)
def test_odd_characters_neither_fail_nor_warn(odd, tmp_path):
    translation = make(["▁" + odd, odd, "</s>"], [odd, "</s>"], odd, odd)
    save_alignment(translation, tmp_path / "odd.png", odd, odd)
    save_alignment(translation, tmp_path / "odd.svg")


@pytest.mark.parametrize("ending", ["png", "PNG", "svg", "pdf", "jpg"])
def test_saved_pictures(ending, tmp_path):
    path = tmp_path / f"picture.{ending}"
    save_alignment(make(["▁a", "</s>"], ["▁b", "</s>"]), path)
    beginnings = (b"\x89PNG", b"<?xml", b"%PDF", b"\xff\xd8\xff")
    assert path.read_bytes().startswith(beginnings)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_pixels():
    pixels = alignment_pixels(make(["▁a", "</s>"], ["▁b", "</s>"]))
    assert pixels.dtype == np.uint8 and pixels.shape[2] == 3
    assert pixels.max() == 255 and pixels.min() < 120  # white page, dark cell


def test_a_picture_of_many_positions_is_of_the_usual_size():
    def size(length, **options):
        labels = [str(number) for number in range(length)]
        figure = heat_map(np.eye(length), labels, labels, **options)
        drawn = {
            label.get_text()
            for label in figure.axes[0].get_xticklabels()
            if label.get_text()
        }
        return figure.get_size_inches(), len(drawn)

    (inches, drawn), (small, few) = size(101), size(101, most_labels=100)
    assert drawn == 101 and few < 20
    assert small.max() < 13 < inches.max()
    assert size(100, most_labels=100)[1] == 100
    assert size(1500, most_labels=100)[0].max() < 13


def test_no_figure_stays_behind():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    alignment_pixels(make(["▁a", "</s>"], ["</s>"]))
    gc.collect()
    assert pyplot.get_fignums() == before


def test_what_cannot_be_drawn(tmp_path):
    no_attention = Translation("a", "b", 0.0, ["▁a"], ["▁b"], None)
    with pytest.raises(UserError, match="no attention"):
        alignment_figure(no_attention)
    blank = Translation(" ", "", 0.0, [], [], None)
    with pytest.raises(UserError, match="nothing to draw"):
        alignment_figure(blank)
    with pytest.raises(UserError, match=r"end in one of \.png"):
        picture_format("picture.gif")
    with pytest.raises(UserError, match="Write for instance picture.png"):
        picture_format("picture")
    good = make(["▁a"], ["▁b"])
    with pytest.raises(UserError, match="Cannot write"):
        save_alignment(good, tmp_path / "no" / "picture.png")
    wrong = Translation("a", "b", 0.0, ["▁a"], ["▁b"], np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"\(1, 1\)"):
        alignment_figure(wrong)


def test_characters_are_no_parts_of_words():
    assert readable(["d", "o", "g", "</s>"]) == ["d", "o", "g", "⏎"]
