"""The plot of the growth section."""

from __future__ import annotations


def growth(rows, path, kinds, titles):
    """Draws time and peak memory over the length of the source.

    Args:
        rows: what the growth section measured.
        path: of the picture.
        kinds: which passes, one column of plots each.
        titles: what to call them.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(row["name"] for row in rows))
    figure, axes = plt.subplots(
        2, len(kinds), figsize=(9, 7), sharex=True, sharey="row"
    )
    for column, kind in enumerate(kinds):
        for color, name in enumerate(names):
            own = [
                row
                for row in rows
                if (row["name"], row["kind"]) == (name, kind)
            ]
            lengths = [row["shape"][2] for row in own]
            for index, (side, style) in enumerate(
                (("here", "o-"), ("Keras", "x--"))
            ):
                label = f"{name}, {side}"
                draw = {"color": f"C{color}", "label": label}
                times = [
                    1e3 * (row["ratio"].ours, row["ratio"].peer)[index]
                    for row in own
                ]
                axes[0][column].plot(lengths, times, style, **draw)
                memory = [row["memory"][index] for row in own]
                if None not in memory:
                    # A megabyte at least: less drowns in the measuring.
                    memory = [max(1.0, one / 2**20) for one in memory]
                    axes[1][column].plot(lengths, memory, style, **draw)
        axes[0][column].set_title(titles[kind])
        axes[1][column].set_xlabel("source length")
    axes[0][0].set_ylabel("milliseconds")
    axes[1][0].set_ylabel("peak memory, megabytes")
    for axis in axes.flat:
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
