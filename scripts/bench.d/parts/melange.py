"""Upstream's melange, whole processes: nothing known, nothing changed, the last step edited.

melange keeps no results of steps: whatever was edited, it runs the whole recipe. What it is compared
with in the last two cases is one build, in the same round.
"""

from harness import note, remove
from parts.recipes import SOURCES, Edited
from tables import Found, Row, median

EDITS = 3


def melange(bench):
    rows = []
    # The smallest one tells whether it works.
    for name in ("zlib",) if bench.quick else SOURCES:
        rows += one(bench, Edited(bench, name))
    return Found(rows)


def one(bench, edited):
    name, recipe = edited.name, edited.recipe
    picture = f"{name}: whole builds"
    seen = {"cold": [], "cached": [], "last": [], "main": []}

    def ours_first():
        bench.forget_daemon()
        bench.forget_caches()
        seen["cold"].append(bench.build(recipe).seconds)

    def peer_first():
        remove(bench.peer_directory)
        theirs_cold.append(bench.peer(recipe))

    def several(kind, edit):
        seconds = []
        for _ in bench.rounds(EDITS):
            edit()
            seconds.append(bench.build(recipe).seconds)
        seen[kind].append(median(seconds))

    def ours_again():
        several("cached", lambda: None)
        several("last", edited.edit_last)
        several("main", edited.edit_main)

    def peer_again():
        theirs_again.append(bench.peer(recipe))

    theirs_cold, theirs_again = [], []
    in_turn(bench.rounds(2), ours_first, peer_first)
    note(f"{name}, nothing known: {seen['cold']}, melange {theirs_cold}")
    in_turn(bench.rounds(3), ours_again, peer_again)
    note(f"{name}, again: {seen}, melange {theirs_again}")

    def row(kind, what, theirs, goal=""):
        shown = () if kind == "main" else (picture, what)
        return Row(
            f"{name}, whole process: {what}", seen[kind], theirs, "melange", goal, shown
        )

    return [
        row("cold", "no caches, no daemon", theirs_cold),
        row("cached", "nothing changed", theirs_again, "≤ 0.4 s"),
        row("last", "last step edited", theirs_again, "≤ 1 s"),
        row("main", "last step of the main package edited", theirs_again),
    ]


def in_turn(rounds, ours, theirs):
    """Both in every round, each first in every second one."""
    for number in rounds:
        for measure in (ours, theirs) if number % 2 == 0 else (theirs, ours):
            measure()
