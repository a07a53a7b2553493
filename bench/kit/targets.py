"""What a row is held to beside another: two ratios, and whether they are good enough.

The ratio of the medians is what the table shows. The median of the ratios of each round is the
steadier one on a machine with neighbours: rows of a round ran within the same minutes.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.kit.rounds import Outcome

UNKNOWN = "not measured"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One figure of one row, divided by that of another (or of the same) row."""

    text: str
    row: str
    reference: str
    key: str
    bound: float
    # Where more is worse: a time.
    at_most: bool = False
    # The reference's figure, if it is another one.
    reference_key: str = ""

    @property
    def sign(self) -> str:
        return "≤" if self.at_most else "≥"

    def good(self, ratio: float) -> bool:
        """Whether a ratio meets the target."""
        return ratio <= self.bound if self.at_most else ratio >= self.bound


def lines(targets: Sequence[Target], outcomes: Sequence[Outcome]) -> list[str]:
    """One line for each target."""
    by_name = {outcome.scenario.name: outcome for outcome in outcomes}
    return [_line(target, by_name) for target in targets]


def _line(target: Target, by_name: dict[str, Outcome]) -> str:
    head = f"{target.text} (target {target.sign} {target.bound:.2f})"
    row, reference = by_name.get(target.row), by_name.get(target.reference)
    if row is None or reference is None:
        return f"{head}: {UNKNOWN}"
    mine, theirs = row.median(target.key), reference.median(target.reference_key or target.key)
    paired = _paired(row, reference, target)
    if mine is None or not theirs or paired is None:
        return f"{head}: {UNKNOWN}"
    verdict = "met" if target.good(paired) else "**missed**"
    return f"{head}: {mine / theirs:.2f} of medians, {paired:.2f} paired: {verdict}"


def _paired(row: Outcome, reference: Outcome, target: Target) -> float | None:
    """The median of the ratios of each round in which both were measured."""
    ratios = []
    for mine, theirs in zip(row.runs, reference.runs, strict=False):
        above, below = mine.get(target.key), theirs.get(target.reference_key or target.key)
        if isinstance(above, int | float) and isinstance(below, int | float) and below:
            ratios.append(above / below)
    return statistics.median(ratios) if ratios else None
