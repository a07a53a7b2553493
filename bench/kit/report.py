"""Tables out of outcomes: for the terminal, for RESULTS.md, and the raw figures for JSON.

A figure stands with its ratio to Ringback's (or the baseline's) of the same round of runs, since
absolute figures of a shared machine are not comparable from one day to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.kit.environments import versions
from bench.kit.errors import NotRun
from bench.kit.rounds import Outcome
from bench.kit.targets import Target

BLANK = "-"
SATURATED = 0.9  # a core this busy is what limits the figure
STOLEN = 0.1  # a share of the core taken by the hypervisor or by others that spoils a run
OK_STATUS = "202"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A figure of a run and how to print it."""

    key: str
    heading: str
    digits: int
    spread: bool = False


CPU = Column(key="server_cpu_us", heading="CPU µs/request", digits=0, spread=True)
"""Time used on the server's core, by server and store: hardly disturbed by neighbours."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One benchmark: its table's columns and what the ratios are of."""

    name: str
    title: str
    columns: tuple[Column, ...]
    ratio_key: str
    # Rows the ratios are to: scenario name and heading.
    references: tuple[tuple[str, str], ...]
    # Whether the server's core is meant to be idle at times.
    waits: bool = False
    # What is printed below the table.
    targets: tuple[Target, ...] = ()
    # A table of its own form, instead of the columns.
    render: Callable[[Sequence[Outcome]], list[list[str]]] | None = None


def table(part: Part, outcomes: Sequence[Outcome]) -> list[list[str]]:
    """The heading and the rows as text."""
    if part.render:
        return part.render(outcomes)
    by_name = {outcome.scenario.name: outcome for outcome in outcomes}
    heading = ["", "when acknowledged"]
    heading += [column.heading for column in part.columns]
    heading += [text for _, text in part.references] + ["notes"]
    rows = [heading]
    for outcome in outcomes:
        row = [outcome.scenario.title, outcome.scenario.durability]
        if not outcome.runs:
            row += [BLANK] * (len(part.columns) + len(part.references))
            rows.append([*row, f"**not run: {outcome.not_run}**"])
            continue
        row += [_figure(outcome, column) for column in part.columns]
        for name, _ in part.references:
            row.append(_ratio(outcome, by_name.get(name), part.ratio_key))
        rows.append([*row, "; ".join(_notes(part, outcome))])
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in body]
    return "\n".join(lines)


def text(rows: Sequence[Sequence[str]]) -> str:
    """A table for the terminal: first columns to the left, figures to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i < 2 or i == len(row) - 1 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def record(outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    """Everything measured, for the JSON file."""
    return [
        {
            "name": outcome.scenario.name,
            "title": outcome.scenario.title,
            "durability": outcome.scenario.durability,
            "not_run": outcome.not_run or None,
            "runs": outcome.runs,
        }
        for outcome in outcomes
    ]


def installed(outcomes: Sequence[Outcome]) -> dict[str, dict[str, str]]:
    """The versions in every environment that was used."""
    found: dict[str, dict[str, str]] = {}
    for outcome in outcomes:
        if outcome.runs:
            try:
                found[outcome.scenario.environment] = versions(outcome.scenario.environment)
            except NotRun:
                continue
    return found


def _figure(outcome: Outcome, column: Column) -> str:
    median = outcome.median(column.key)
    if median is None:
        return BLANK
    shown = f"{median:,.{column.digits}f}"
    values = outcome.values(column.key)
    if column.spread and len(values) > 1:
        low, high = min(values), max(values)
        shown += f" ({low:,.{column.digits}f} to {high:,.{column.digits}f})"
    return shown


def _ratio(outcome: Outcome, reference: Outcome | None, key: str) -> str:
    mine = outcome.median(key)
    theirs = reference.median(key) if reference else None
    if mine is None or not theirs:
        return BLANK
    return f"{mine / theirs:.2f}"


def _notes(part: Part, outcome: Outcome) -> list[str]:
    """What a reader must know before believing the row."""
    notes = []
    if outcome.not_run:
        notes.append(f"**stopped after {len(outcome.runs)} runs: {outcome.not_run}**")
    load, server = outcome.median("cpu_share"), outcome.median("server_core_busy")
    if load is not None and load >= SATURATED:
        notes.append(f"**the load generator saturated ({load:.0%})**")
    elif server is not None and server < SATURATED and not part.waits:
        notes.append(f"server core only {server:.0%} busy")
    stolen = outcome.median("server_core_steal")
    if stolen is not None and stolen >= STOLEN:
        notes.append(f"{stolen:.0%} of the core stolen by the hypervisor")
    others = outcome.median("server_core_others")
    if others is not None and others >= STOLEN:
        notes.append(f"{others:.0%} of the core used by other programs")
    if errors := sum(outcome.values("errors")):
        notes.append(f"**{errors:.0f} connection errors**")
    if refused := _refused(outcome):
        notes.append(f"**{refused} answers were not 202**")
    unfinished = [run for run in outcome.runs if run.get("done", 0) != run.get("backlog", 0)]
    if unfinished:
        notes.append("**backlog not drained in time**")
    if missed := sum(outcome.values("missed")):
        notes.append(f"**{missed:.0f} events did not arrive**")
    return notes


def _refused(outcome: Outcome) -> int:
    total = 0
    for run in outcome.runs:
        statuses = run.get("statuses", {})
        if isinstance(statuses, dict):
            total += sum(int(n) for status, n in statuses.items() if status != OK_STATUS)
    return total
