"""The page of a study: Markdown, JSON and a plot."""

from __future__ import annotations

import json
import statistics

COLUMNS = {
    "tokens/s": lambda one: _number(one["tokens_per_second"]),
    "tokens per processor second": lambda one: _number(
        one["tokens_per_processor_second"]
    ),
    "peak memory, MiB": lambda one: f"{one['peak_memory'] / 2**20:,.0f}",
    "parameters": lambda one: f"{one['parameters']:,}",
    "epochs": lambda one: f"{one['epochs']:.2g}",
    "validation loss": lambda one: f"{min(one['validation_losses']):.3f}",
    "best epoch": lambda one: str(one["best_epoch"]),
    "tokens seen": lambda one: f"{one['tokens']:,}",
    "minutes": lambda one: f"{one['minutes']:.1f}",
    "sentences/s": lambda one: f"{one['sentences_per_second']:.1f}",
}
SHOWN = (  # by the plot: title, key, divisor
    ("training, tokens per processor second", "tokens_per_processor_second", 1),
    ("training, peak memory (MiB)", "peak_memory", 2**20),
)


def write_study(out, name, study, content):
    """Writes `NAME.md`, `NAME.json` and `NAME.png`.

    Args:
        out: their folder.
        name: the study's.
        study: a `Study`.
        content: `{"command", "settings", "results": {label: measured},
            "by_length" (of a study of lengths), "shown": {label: alignments}}`.
    """
    from pipelines.files import write_whole

    out.mkdir(parents=True, exist_ok=True)
    draws = {name: _draw_lengths if study.joined else _draw_bars}
    if study.words:
        draws[f"{name}-alignments"] = _draw_alignments
    for picture, draw in draws.items():
        partial = out / f".{picture}.png"
        draw(study, content, partial)
        partial.replace(out / f"{picture}.png")
    content = {key: one for key, one in content.items() if key != "shown"}
    text = json.dumps({"study": name, **content}, indent=1) + "\n"
    write_whole(out / f"{name}.json", text.encode())
    write_whole(out / f"{name}.md", page(name, study, content).encode())


def page(name, study, content):
    """Returns a study's page, Markdown."""
    results = content["results"]
    first = next(iter(results.values()))
    lines = [f"# {study.title}", "", study.about, "", f"![plot]({name}.png)"]
    if study.joined:
        lines += ["", *_lengths_table(content["by_length"])]
    lines += ["", *table(study, results), ""]
    if study.words:
        lines += [f"![alignments]({name}-alignments.png)", ""]
    if content["settings"]["quick"]:
        lines += ["**A trial of the command: these numbers mean nothing.**", ""]
    lines += [
        "One seed each, so that small differences may be chance. Training on "
        "the processors of a machine that does other work too: `tokens/s` are "
        "real target tokens of a step's wall-clock time, in the median epoch "
        "after the first; tokens per processor second suffer less from the "
        "other work. Minutes are wall-clock, with compilation and validation. "
        "Peak memory is that of the whole training process, TensorFlow "
        "included. The model of the epoch with the best validation "
        "perplexity translates, "
        f"with a beam of {content['settings']['beam_size']}.",
        "",
        "Written by:",
        "",
        "```sh",
        content["command"],
        "```",
        "",
        "| setting | value |",
        "|---|---|",
        *(
            f"| {key.replace('_', ' ')} | {value} |"
            for key, value in content["settings"].items()
            if key != "quick"
        ),
        f"| processors | {first['processors']} |",
        f"| asked of the test set | {first['sentences']:,} |",
        *_signature(first["signature"]),
        f"| versions | {_versions(first)} |",
        "",
    ]
    return "\n".join(lines)


def table(study, results):
    """Lines of a Markdown table with a row for each variant."""
    titles = [*dict(study.qualities).values(), *COLUMNS]
    return [
        f"| | {' | '.join(titles)} |",
        "|---" + "|---:" * len(titles) + "|",
        *(
            _row(
                label,
                *(f"{one[key]:.2f}" for key in dict(study.qualities)),
                *(cell(one) for cell in COLUMNS.values()),
            )
            for label, one in results.items()
        ),
    ]


def _signature(text):
    escaped = text.replace("|", "\\|")
    return [f"| BLEU | `{escaped}` |"] if text else []


def _lengths_table(rows):
    labels = list(rows[0]["bleu"])
    return [
        f"| words of the source | sentences | {' | '.join(labels)} |",
        "|---|---:" + "|---:" * len(labels) + "|",
        *(
            _row(
                "{} to {}".format(*row["words"]),
                f"{row['sentences']:,}",
                *(f"{row['bleu'][label]:.2f}" for label in labels),
            )
            for row in rows
        ),
    ]


def _row(*cells):
    return f"| {' | '.join(cells)} |"


def _number(value):
    return "" if value is None else f"{value:,.0f}"


def _versions(measured):
    named = {"Python": measured["python"], **measured["versions"]}
    return ", ".join(f"{name} {version}" for name, version in named.items())


def _draw_bars(study, content, path):
    shown = [(title, key, 1) for key, title in study.qualities]
    shown += SHOWN
    figure, axes = _figure(len(shown))
    labels = list(content["results"])
    for axis, (title, key, divisor) in zip(axes, shown, strict=True):
        values = [
            (one[key] or 0) / divisor for one in content["results"].values()
        ]
        bars = axis.barh(labels, values, color="C0")
        axis.bar_label(
            bars,
            fmt="%.1f" if key in dict(study.qualities) else "%.0f",
            padding=2,
        )
        axis.set_title(title, fontsize="medium")
        axis.margins(x=0.2)
    axes[0].invert_yaxis()  # which all share
    _save(figure, path)


def _draw_alignments(study, content, path):
    """A row of heat maps for each variant, a column for each word."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from pipelines.plots.words import readable

    shown = content["shown"]
    figure = Figure(figsize=(4 * len(study.words), 3.2 * len(shown)))
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(shown), len(study.words), squeeze=False)
    for row, (label, maps) in zip(axes, shown.items(), strict=True):
        for axis, one in zip(row, maps, strict=True):
            axis.imshow(
                one["alignments"], cmap="Blues", vmin=0, vmax=1, aspect="auto"
            )
            source, target = readable(one["source"]), readable(one["target"])
            axis.set_xticks(range(len(source)), source, fontsize=8)
            axis.set_yticks(range(len(target)), target, fontsize=8)
            axis.xaxis.tick_top()
        row[0].set_ylabel(label)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def _draw_lengths(study, content, path):
    figure, [axis] = _figure(1)
    rows = content["by_length"]
    middle = [statistics.mean(row["words"]) for row in rows]
    for label in content["results"]:
        axis.plot(
            middle, [row["bleu"][label] for row in rows], "o-", label=label
        )
    axis.set_xlabel("words of the source")
    axis.set_ylabel("BLEU")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    axis.legend()
    _save(figure, path)


def _figure(columns):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1,
        columns,
        figsize=(max(4 * columns, 6), 3.5),
        sharey=True,
        squeeze=False,
    )
    return figure, list(axes[0])


def _save(figure, path):
    import matplotlib.pyplot as plt

    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
