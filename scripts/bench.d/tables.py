"""Figures as text: rows, and tables in Markdown."""

import dataclasses
import statistics

HEADER = ["", "melange2", "beside it", "ratio (lowest–highest)", "goal", "rounds"]
median = statistics.median


@dataclasses.dataclass
class Row:
    """A line of the table: seconds of each round, and of what ran beside it, in the same round or at
    least in the same run."""

    what: str
    ours: list
    theirs: list = dataclasses.field(default_factory=list)
    other: str = ""
    goal: str = ""
    # What the picture calls it, if it is there: group and name.
    picture: tuple = ()

    @classmethod
    def of_pairs(cls, what, pairs, other, goal="", picture=()):
        ours, theirs = zip(*pairs)
        return cls(what, list(ours), list(theirs), other, goal, picture)

    def cells(self):
        ours, rounds = in_seconds(median(self.ours)), str(len(self.ours))
        if not self.theirs:
            return [self.what, ours, "", "", self.goal, rounds]
        beside = f"{in_seconds(median(self.theirs))} ({self.other})"
        return [self.what, ours, beside, ratio(self.ours, self.theirs), self.goal, rounds]


@dataclasses.dataclass
class Found:
    """What a part has measured: rows for the common table, and text of its own."""

    rows: list
    text: str = ""


def in_seconds(value):
    return f"{value:.3f} s" if value < 1 else f"{value:.2f} s"


def ratio(ours, theirs):
    """The median of the rounds' ratios, and their spread."""
    ratios = sorted(mine / other for mine, other in zip(ours, theirs))
    digits = 3 if median(ratios) < 0.1 else 2
    lowest, middle, highest = (
        f"{value:.{digits}f}" for value in (ratios[0], median(ratios), ratios[-1])
    )
    return middle if len(ratios) == 1 else f"{middle} ({lowest}–{highest})"


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def rows_table(rows):
    return table(HEADER, [row.cells() for row in rows])
