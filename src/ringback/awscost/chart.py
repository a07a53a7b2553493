"""Lengths of bars for amounts far apart, and a chart as SVG, for light pages and dark ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

FAR_APART = 30.0
"""Times the least amount that the largest is, from where on bars stand for powers of ten."""

WIDTH, MARGIN, LEFT, RIGHT = 760, 16, 176, 92
BAR, BETWEEN, HEAD = 18, 8, 40


@dataclass(frozen=True, kw_only=True)
class Scale:
    """From dollars to a share of the room there is."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, amounts: Iterable[float]) -> Scale:
        """One on which these can all be seen."""
        found = [each for each in amounts if each > 0]
        if not found:
            return cls(low=0, high=1, logarithmic=False)
        least, most = min(found), max(found)
        if most < least * FAR_APART:
            return cls(low=0, high=most, logarithmic=False)
        return cls(
            low=10.0 ** (ceil(log10(least)) - 1), high=10.0 ** ceil(log10(most)), logarithmic=True
        )

    def share(self, amount: float) -> float:
        """Of 1."""
        if amount <= 0:
            return 0.0
        if not self.logarithmic:
            return amount / self.high
        return max(0.0, log10(amount / self.low) / log10(self.high / self.low))

    @property
    def marks(self) -> tuple[float, ...]:
        """Amounts to draw a line for."""
        if not self.logarithmic:
            step = 10.0 ** floor(log10(self.high))
            step /= 2 if self.high < 2 * step else 1
            return tuple(step * number for number in range(floor(self.high / step) + 1))
        first, last = round(log10(self.low)), round(log10(self.high))
        return tuple(10.0**power for power in range(first, last + 1))


@dataclass(frozen=True, kw_only=True)
class Group:
    """Bars that belong together."""

    title: str
    bars: Sequence[tuple[str, float]]


def money(amount: float) -> str:
    """Dollars, as short as they can be told apart."""
    if 0 < amount < 0.005:
        return "<0.01"
    for least, size, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M")):
        if amount >= least:
            return f"{amount / size:,.2f}{unit}"
    return f"{amount:,.2f}" if round(amount, 2) < 1000 else f"{amount:,.0f}"


def svg(title: str, note: str, groups: Sequence[Group]) -> str:
    """The chart. It takes the page's ground, and its colours by whether that is dark."""
    scale = Scale.of(amount for group in groups for _, amount in group.bars)
    room = WIDTH - LEFT - RIGHT
    marks = [
        (amount, LEFT + (scale.share(amount) * room if amount > scale.low else 0))
        for amount in scale.marks
    ]
    parts: list[str] = []
    top = MARGIN + 2 * HEAD - 8
    lines: list[str] = []
    for number, group in enumerate(groups):
        parts.append(
            f'<text class="group" x="{MARGIN}" y="{top + 14}">{escape(group.title)}</text>'
        )
        top += 26
        first = top
        for name, amount in group.bars:
            long = max(2.0, scale.share(amount) * room)
            middle = top + BAR / 2 + 4.5
            parts += [
                f'<text class="name" x="{LEFT - 10}" y="{middle:g}">{escape(name)}</text>',
                f'<rect class="bar{number}" x="{LEFT}" y="{top}" width="{long:.1f}" '
                f'height="{BAR}" rx="3"/>',
                f'<text class="amount" x="{LEFT + long + 8:.1f}" y="{middle:g}">'
                f"${money(amount)}</text>",
            ]
            top += BAR + BETWEEN
        lines += [
            f'<line x1="{x:.1f}" y1="{first - 4}" x2="{x:.1f}" y2="{top}"/>' for _, x in marks
        ]
        top += 16
    lines += [
        f'<text class="mark" x="{x:.1f}" y="{top + 4}">${amount:,.10g}</text>'
        for amount, x in marks
    ]
    said = f"{note}, bars on a logarithmic scale" if scale.logarithmic else note
    told = "; ".join(
        f"{group.title}: " + ", ".join(f"{name} ${money(amount)}" for name, amount in group.bars)
        for group in groups
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 20}" '
            f'width="{WIDTH}" height="{top + 20}" role="img" aria-labelledby="title about">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="about">{escape(told)}</desc>',
            _STYLE,
            *lines,
            f'<text class="title" x="{MARGIN}" y="{MARGIN + 16}">{escape(title)}</text>',
            f'<text class="note" x="{MARGIN}" y="{MARGIN + 38}">{escape(said)}</text>',
            *parts,
            "</svg>",
            "",
        ]
    )


_STYLE = """<style>
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.group { font-weight: 600 }
.note, .mark { fill: #59636e; font-size: 12px }
.mark { text-anchor: middle }
.name { text-anchor: end }
.amount { font-variant-numeric: tabular-nums }
line { stroke: #d1d9e0; stroke-width: 1 }
.bar0 { fill: #0969da }
.bar1 { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .note, .mark { fill: #9198a1 }
  line { stroke: #3d444d }
  .bar0 { fill: #4493f8 }
  .bar1 { fill: #db6d28 }
}
</style>"""
