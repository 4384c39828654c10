"""The picture of the table: bars of seconds on a logarithmic scale, with the figures as text.

An SVG that needs nothing else: no script, no font, colours for light and dark backgrounds.
"""

import html
import math

from tables import in_seconds, median

WIDTH = 860
LEFT = 250
# Seconds at the two ends of the scale.
LOWEST, HIGHEST = 0.05, 100
BAR, LINE, GAP, TOP = 11, 30, 26, 58
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #3d444d; }
.group { font-weight: 600; }
.axis { fill: #7d8590; }
line { stroke: #7d8590; stroke-opacity: .35; }
.ours { fill: #1f6feb; }
.theirs { fill: #9a6700; fill-opacity: .6; }
@media (prefers-color-scheme: dark) {
  text { fill: #d1d7e0; }
  .axis { fill: #9198a1; }
  .ours { fill: #4493f8; }
  .theirs { fill: #d29922; fill-opacity: .6; }
}
"""


def place(seconds):
    """Where on the scale."""
    bounded = min(max(seconds, LOWEST), HIGHEST)
    share = math.log(bounded / LOWEST) / math.log(HIGHEST / LOWEST)
    return LEFT + share * (WIDTH - LEFT - 70)


def text(x, y, words, kind="", anchor="start"):
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{kind} text-anchor="{anchor}">{html.escape(words)}</text>'


def bar(y, seconds, kind):
    end = place(seconds)
    return [
        f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" rx="2" class="{kind}"/>',
        text(end + 6, y + BAR - 1, in_seconds(seconds)),
    ]


def draw(rows):
    """The rows that are for the picture, in groups."""
    groups = {}
    for row in rows:
        if row.picture:
            group, name = row.picture
            groups.setdefault(group, []).append((name, row))
    body = []
    y = TOP
    for group, members in groups.items():
        y += GAP
        others = sorted({row.other for _, row in members if row.theirs})
        title = f"{group}, beside {' and '.join(others)}" if others else group
        body.append(text(8, y - 8, title, "group"))
        for name, row in members:
            body.append(text(LEFT - 10, y + 16, name, anchor="end"))
            body += bar(y + 2, median(row.ours), "ours")
            if row.theirs:
                body += bar(y + 2 + BAR + 1, median(row.theirs), "theirs")
            y += LINE
    height = y + 12
    head = [
        f'<rect x="8" y="10" width="12" height="{BAR}" rx="2" class="ours"/>',
        text(26, 20, "melange2"),
        f'<rect x="110" y="10" width="12" height="{BAR}" rx="2" class="theirs"/>',
        text(128, 20, "what is beside it"),
        text(WIDTH - 8, 20, "seconds, logarithmic scale; shorter is better", "axis", "end"),
    ]
    for seconds in (0.1, 1, 10, 100):
        x = place(seconds)
        head.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" y2="{height - 8}"/>')
        head.append(text(x, TOP - 10, f"{seconds:g} s", "axis", "middle"))
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">',
        "<title>How long builds take with melange2, and with what is beside it</title>",
        f"<style>{STYLE}</style>", *head, *body, "</svg>\n",
    ])
