"""Costs on a terminal: bars, tables, and from where on another way is the cheapest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import cached_property
from textwrap import wrap
from typing import Any

from ringback.awscost import (
    COLUMNS,
    DIMENSIONS,
    WAYS,
    Bill,
    Cost,
    Group,
    Prices,
    Scale,
    Span,
    Waiting,
    Way,
    Workload,
    bills,
    changes,
    cheapest,
    money,
    svg,
)
from ringback.cli.terminal import clean, out, styled, width
from ringback.errors import ConfigurationError

WIDEST = 100
"""Columns of a chart; wider ones are harder to read."""
EIGHTHS = " ▏▎▍▌▋▊▉█"
NARROW: Mapping[str, tuple[str, ...]] = {
    "traffic": COLUMNS["requests"] + COLUMNS["messages"],
    "minutes": COLUMNS["minutes"],
    "Lambda": COLUMNS["Lambda calls"] + COLUMNS["GB-seconds"],
    "DynamoDB": COLUMNS["reads"] + COLUMNS["writes"],
    "events": COLUMNS["events"],
}
"""The columns of a terminal that has no room for all."""
TITLES = {
    Waiting.IDLE: "Waiting all the time",
    Waiting.IN_FLIGHT: "Waiting only while a job runs",
}
WORDS = {
    "users": "users",
    "messages": "messages a month",
    "fanout": "users a message goes to",
    "hours": "hours a day",
    "size": "bytes of a message",
    "poll": "seconds between polls",
    "job_seconds": "seconds of a job",
}
FUNCTIONS = 1000
"""Functions that an account may run at once, unless it asked for more."""


def way(name: str) -> Way:
    """By its name. Raises ``ConfigurationError``."""
    names = {each.name: each for each in WAYS}
    if name in names:
        return names[name]
    near = get_close_matches(name, names, n=1)
    raise ConfigurationError(
        f"There is no way {clean(name)!r}: give --way one of {', '.join(names)}."
        + (f" Did you mean {near[0]}?" if near else "")
    )


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a workload costs."""

    workload: Workload
    prices: Prices
    free_tier: bool

    @cached_property
    def bills(self) -> dict[Waiting, dict[Way, Bill]]:
        return {
            waiting: bills(self.workload, self.prices, waiting, free_tier=self.free_tier)
            for waiting in Waiting
        }

    @cached_property
    def changes(self) -> dict[Waiting, dict[str, tuple[Span, ...]]]:
        return {
            waiting: {
                each.name: changes(
                    each, self.workload, self.prices, waiting, free_tier=self.free_tier
                )
                for each in DIMENSIONS[waiting]
            }
            for waiting in Waiting
        }

    @property
    def about(self) -> str:
        work = self.workload
        return (
            f"{work.users:,.0f} users, {work.hours:g} h a day, {work.days:g} days; "
            f"{work.messages:,.0f} messages of {_size(work.size)}, each to {work.fanout:,.0f}"
        )

    @property
    def about_prices(self) -> str:
        remembered = sum(
            each.mark == "memory"
            for each in self.prices.by_name.values()
            if any(each.name in names for names in COLUMNS.values())
        )
        told = f"{remembered} of them from memory" if remembered else "all of them looked up"
        tier = "free tier taken off" if self.free_tier else "no free tier"
        return f"Prices of {self.prices.region} of {self.prices.date}, {told}; {tier}."

    def title(self, waiting: Waiting) -> str:
        if waiting is Waiting.IN_FLIGHT:
            return f"{TITLES[waiting]}, {self.workload.job_seconds:g} s each"
        return TITLES[waiting]

    def svg(self) -> str:
        """The chart."""
        return svg(
            "What telling the user costs on AWS, $ a month",
            self.about,
            [
                Group(
                    title=self.title(waiting),
                    bars=[(each.title, found.total) for each, found in _ordered(of)],
                )
                for waiting, of in self.bills.items()
            ],
        )

    def plain(self, only: Way | None = None) -> dict[str, Any]:
        """For JSON."""
        ways = [each for each in WAYS if only in (None, each)]
        return {
            "workload": asdict(self.workload),
            "prices": {
                "region": self.prices.region,
                "date": self.prices.date,
                "currency": "USD",
                "free_tier": self.free_tier,
                "from_memory": self.prices.remembered,
            },
            "ways": [
                {
                    "way": each.name,
                    "title": each.title,
                    **{waiting: _plain(of[each]) for waiting, of in self.bills.items()},
                }
                for each in ways
            ],
            "cheapest": {
                waiting: [each.name for each in cheapest(of)] for waiting, of in self.bills.items()
            },
            "changes": {
                waiting: {
                    name: [
                        {
                            "from": span.low,
                            "to": span.high,
                            "cheapest": [each.name for each in span.ways],
                        }
                        for span in spans
                    ]
                    for name, spans in found.items()
                }
                for waiting, found in self.changes.items()
            },
        }

    # On a terminal

    def show(self) -> None:
        """All of it."""
        _paragraph(f"{self.about}.")
        _paragraph(self.about_prices, "dim")
        scale = Scale.of(each.total for of in self.bills.values() for each in of.values())
        for waiting, of in self.bills.items():
            out()
            out(styled(f"{self.title(waiting)}, $ a month", "bold"))
            self._bars(of, scale)
        if scale.logarithmic:
            _paragraph("The bars are on a logarithmic scale.", "dim")
        for waiting, of in self.bills.items():
            out()
            out(styled(f"{self.title(waiting)}: made of", "bold"))
            _items(of)
        out()
        out(styled("The cheapest, if one number changes and all others stay", "bold"))
        for waiting, found in self.changes.items():
            out(f"  {self.title(waiting)}")
            for name, spans in found.items():
                _spans(WORDS[name], spans)
        if self.workload.users > FUNCTIONS / 2:
            out()
            _paragraph(
                f"Long polling and SSE run a function for each user who waits, up to "
                f"{self.workload.users:,.0f} at once: an account may run {FUNCTIONS:,} in all, "
                "unless it asks for more."
            )

    def show_way(self, only: Way) -> None:
        """The items of one."""
        _paragraph(f"{only.title}. {self.about}.")
        _paragraph(self.about_prices, "dim")
        for waiting, of in self.bills.items():
            out()
            out(styled(self.title(waiting), "bold"))
            head = ("", "units", "$ a month")
            rows = [
                (
                    f"{each.what}{'' if each.mark == 'documented' else ' *'}",
                    f"{each.quantity:,.0f}",
                    f"{each.dollars:,.4f}",
                )
                for each in of[only].items
            ]
            _table([head, *rows, ("together", "", f"{of[only].total:,.4f}")])
        out()
        _paragraph("* a price from memory: look it up before you rely on it.", "dim")

    def _bars(self, of: Mapping[Way, Bill], scale: Scale) -> None:
        ordered = _ordered(of)
        names = max(len(each.title) for each in of)
        amounts = max(len(money(each.total)) for each in of.values())
        best = cheapest(dict(of))
        room = max(min(width(), WIDEST) - names - amounts - 2 - 2 - 2 - len("  cheapest"), 8)
        for each, found in ordered:
            line = f"  {each.title:<{names}}  {money(found.total):>{amounts}}  "
            bar = _bar(scale.share(found.total), room)
            told = styled("  cheapest", "green") if each in best else ""
            out(line + styled(bar, "green" if each in best else "cyan") + told)


def measured(cost: Cost) -> None:
    """What a run cost, beneath what it did."""
    ordered = sorted(cost.items, key=lambda each: -each.dollars)
    rows = [(each.what, f"{each.quantity:,.6g}", money(each.dollars * 1e6)) for each in ordered]
    _table(
        [
            ("", "units", "$ a million times"),
            *rows,
            (f"${cost.total:.6f} on AWS", "", money(cost.total * 1e6)),
        ]
    )
    if cost.unpriced:
        told = ", ".join(
            f"{service} {action} {count}"
            for service, actions in sorted(cost.unpriced.items())
            for action, count in actions.items()
        )
        _paragraph(f"  without a price: {clean(told)}", "dim")


def measured_plain(cost: Cost) -> dict[str, Any]:
    """The same for JSON."""
    return {
        **_plain(cost),
        "functions": dict(cost.functions),
        "unpriced": {service: dict(actions) for service, actions in cost.unpriced.items()},
    }


def _plain(bill: Bill) -> dict[str, Any]:
    return {"total": bill.total, "items": [asdict(item) for item in bill.items]}


def _ordered(of: Mapping[Way, Bill]) -> list[tuple[Way, Bill]]:
    return sorted(of.items(), key=lambda each: each[1].total)


def _bar(share: float, room: int) -> str:
    eighths = max(1, round(share * room * 8))
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _items(of: Mapping[Way, Bill]) -> None:
    """With as many columns as fit."""
    rows = _sums(of, COLUMNS)
    _table(rows if _widest(rows) <= width() else _sums(of, NARROW))


def _sums(of: Mapping[Way, Bill], columns: Mapping[str, tuple[str, ...]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("", "total", *columns)]
    for each, bill in of.items():
        sums = [bill.of(names) for names in columns.values()]
        cells = [money(found) if found else "-" for found in sums]
        rows.append((each.title, money(bill.total), *cells))
    return rows


def _table(rows: Sequence[Sequence[str]]) -> None:
    """The first column from the left, the others from the right; a head, if it has no name."""
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(size) for cell, size in zip(row[1:], widths[1:], strict=True)]
        line = f"  {'  '.join(cells)}".rstrip()[: width()]
        out(styled(line, "dim") if not row[0] else line)


def _widest(rows: Sequence[Sequence[str]]) -> int:
    return sum(max(len(row[number]) for row in rows) + 2 for number in range(len(rows[0])))


def _spans(name: str, spans: Sequence[Span]) -> None:
    """Where each ends."""
    # Where two lines cross there may be one value at which both cost the same.
    shown = [span for span in spans if span.low < span.high or len(spans) == 1] or list(spans)
    told = [" or ".join(each.title for each in span.ways) for span in shown]
    for number, span in enumerate(shown[:-1]):
        told[number] += f" up to {_number(span.high, exact=name == WORDS['size'])}"
    text = ", then ".join(told) if len(told) > 1 else f"{told[0]}, always"
    head = f"    {name:<{max(map(len, WORDS.values()))}}  "
    for line in wrap(text, max(min(width(), WIDEST) - len(head), 24)):
        out(styled(head, "dim") + line)
        head = " " * len(head)


def _number(value: float, *, exact: bool) -> str:
    """Where it is exact the bytes count; else three digits say enough."""
    if exact or value < 1000:
        return f"{value:,.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):,.0f}"


def _size(size: float) -> str:
    return f"{size:,.0f} bytes" if size % 1024 else f"{size / 1024:,.0f} KB"


def _paragraph(text: str, style: str = "") -> None:
    for line in wrap(text, min(width(), WIDEST)):
        out(styled(line, style))
