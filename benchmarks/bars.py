"""What the benchmark promises, and whether it was kept."""

from __future__ import annotations

# (layer, batch, pass): at least this many times as fast as the peer, and at
# most this share of its memory.
ADDITIVE = {
    (8, "forward"): (4.0, 1 / 8),
    (8, "training"): (2.5, 1 / 8),
    (64, "forward"): (1.5, 1.0),
    (64, "training"): (1.5, 1.0),
}
# "No slower, no more memory", but for what two runs of one side differ by.
LUONG = (0.95, 1.05)
DIFFERENCE = 1e-5
# Shares of less than this are shares of the measuring's own noise, in bytes.
TOO_LITTLE = 32 * 2**20


class Bars:
    """Collects claims with what was measured; prints them."""

    def __init__(self):
        self.claims = []

    @property
    def missed(self):
        return [claim for claim in self.claims if not claim[-1]]

    def at_least(self, what, value, bar):
        self.claims.append((what, f"{value:.2f}", f">= {bar:g}", value >= bar))

    def at_most(self, what, value, bar):
        self.claims.append(
            (what, f"{value:.3g}", f"<= {bar:.3g}", value <= bar)
        )

    def of_cases(self, section, rows, differences):
        for row in rows:
            bar = LUONG
            if section == "additive":
                bar = ADDITIVE[row["shape"][0], row["kind"]]
            what = f"{row['name']} {row['shape']} {row['kind']}"
            self.at_least(f"{what}: speed", row["ratio"].median, bar[0])
            if row["share"] is not None and row["memory"][1] > TOO_LITTLE:
                self.at_most(f"{what}: memory", row["share"], bar[1])
        for name, shape, difference in differences:
            what = f"{name} {tuple(shape)}: difference of the contexts"
            self.at_most(what, difference, DIFFERENCE)

    def of_steps(self, ratios, per_step):
        for source_len, ratio in ratios.items():
            what = f"one step, source {source_len}: keys passed in"
            self.at_least(what, ratio.median, 1.0)
        longest, shortest = max(per_step), min(per_step)
        self.at_most(
            f"a step of {longest} beside a step of {shortest}",
            per_step[longest] / per_step[shortest],
            1.25,
        )

    def of_growth(self, rows):
        for row in rows:
            if row["name"] == "additive" and row["shape"][2] >= 512:
                what = f"additive, source {row['shape'][2]}, {row['kind']}"
                self.at_least(f"{what}: speed", row["ratio"].median, 2.5)

    def show(self):
        print("## bars\n\n| claim | measured | bar | kept |\n|---|---|---|---|")
        for what, value, bar, kept in self.claims:
            print(f"| {what} | {value} | {bar} | {'yes' if kept else 'NO'} |")
