"""What ``ringback aws local`` shows: its start, its logs by function, its summary."""

from __future__ import annotations

import logging
import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ringback.cli.terminal import clean, one_line, out, out_json_line, styled

if TYPE_CHECKING:
    from ringback.awslocal.home import Home

SHADES = ("36", "35", "34", "32", "33", "96", "95", "94", "92", "93")
"""Colours of functions: always the same one for the same name."""
DIM, RED, YELLOW, RESET = "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
QUIET = ("REPORT ", "INIT_START ", "START ", "END ")
"""How the lines begin that the platform says, and not the function."""


class Lines(logging.Formatter):
    """Time and function, then what it said; further lines stand below."""

    def __init__(self, widest: int, *, colour: bool) -> None:
        super().__init__()
        self._widest = widest
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        text = clean(record.getMessage())
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        function = getattr(record, "function", None)
        name = str(function or record.name.removeprefix("ringback.aws.").partition(".")[0])
        moment = f"{self.formatTime(record, '%H:%M:%S')}.{int(record.msecs):03}"
        head = f"{moment} {name:<{self._widest}} "
        if self._colour:
            shade = SHADES[zlib.crc32(name.encode()) % len(SHADES)] if function else "2"
            head = f"{DIM}{moment}{RESET} \x1b[{shade}m{name:<{self._widest}}{RESET} "
        first, *rest = text.replace("\t", "  ").split("\n")
        indent = " " * (len(moment) + self._widest + 2)
        return "\n".join(
            [
                head + self._shaded(first, record),
                *(indent + self._shaded(each, record) for each in rest),
            ]
        )

    def _shaded(self, text: str, record: logging.LogRecord) -> str:
        if not self._colour:
            return text
        if record.levelno >= logging.ERROR or text.startswith("[ERROR]"):
            return f"{RED}{text}{RESET}"
        if record.levelno >= logging.WARNING:
            return f"{YELLOW}{text}{RESET}"
        return f"{DIM}{text}{RESET}" if text.startswith(QUIET) else text


def widen(names: Sequence[str]) -> None:
    """Have the logs' columns fit these names."""
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    widest = min(max([len(name) for name in names] + [9]), 32)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(Lines(widest, colour=colour))


def started(home: Home, *, json: bool) -> None:
    """What runs where."""
    stack = home.stack
    outputs = {
        name: home.around.rewritten(str(value)) for name, value in sorted(stack.outputs.items())
    }
    if json:
        out_json_line(
            {
                "event": "started",
                "apis": home.urls,
                "endpoint": home.endpoint,
                "functions": sorted(stack.functions),
                "outputs": outputs,
                "left_out": dict(stack.left_out),
            }
        )
        return
    out()
    out(f"  {styled(home.template.name, 'bold')} runs on this machine. Ctrl-C stops it.")
    out()
    rows: list[tuple[str, list[str]]] = []
    http = [api.name for api in stack.http_apis]
    for name, url in home.urls.items():
        shown = url if name in http else url.replace("http", "ws", 1) + _stage(home, name)
        rows.append((name, [styled(shown, "bold cyan")]))
    rows.append(("functions", [", ".join(sorted(stack.functions)) or "none"]))
    rows.append(
        (
            "AWS",
            [
                f"AWS_ENDPOINT_URL={home.endpoint} AWS_DEFAULT_REGION={stack.place.region}",
                "AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing",
                styled("kept in memory: all of it is gone at the end", "dim"),
            ],
        )
    )
    rows += [(f"→ {name}", [clean(value)]) for name, value in outputs.items()]
    if stack.left_out:
        rows.append(
            (
                "left out",
                [styled(f"{name}: {kind}", "yellow") for name, kind in sorted(stack.left_out)],
            )
        )
    widest = max(len(name) for name, _ in rows)
    for name, lines in rows:
        for number, line in enumerate(lines):
            out(f"  {styled((name if not number else '').ljust(widest), 'dim')}  {line}")
    out()


def _stage(home: Home, name: str) -> str:
    for api in home.stack.socket_apis:
        if api.name == name and api.stages:
            return f"/{api.stages[0].name}"
    return ""


COLUMNS = (
    ("function", "", str),
    ("calls", "invocations", str),
    ("cold", "cold_starts", str),
    ("errors", "errors", str),
    ("throttles", "throttles", str),
    ("billed", "billed_ms", lambda value: f"{value} ms"),
    ("GB-s", "gb_seconds", lambda value: f"{value:.3f}"),
    ("memory", "memory_used", lambda value: f"{value} MB" if value else "-"),
    ("start", "init_ms", lambda value: f"{value:.0f} ms" if value else "-"),
)
"""Head, figure, and how it is written."""


def stopped(figures: Mapping[str, Any], *, json: bool) -> None:
    """What was done, and what AWS would take for it."""
    from ringback.awscost import Measured, cost_of
    from ringback.cli import costs

    cost = cost_of(Measured.of(figures))
    if json:
        out_json_line({"event": "summary", **figures, "cost": costs.measured_plain(cost)})
        return
    called = {
        name: usage
        for name, usage in figures["functions"].items()
        if usage["invocations"] or usage["throttles"]
    }
    out()
    out(styled(f"  {figures['seconds']:.0f} seconds", "bold"))
    if called:
        out()
        rows = [tuple(head for head, _, _ in COLUMNS)]
        for name, usage in called.items():
            rows.append(tuple(write(usage[key]) if key else name for _, key, write in COLUMNS))
        _table(rows)
    requests = [
        (service, str(sum(actions.values())), _most(actions))
        for service, actions in sorted(figures["requests"].items())
        if actions and service != "units"  # which are among the costs
    ]
    for name, api in figures["apis"].items():
        if api["kind"] == "http":
            requests.append((name, str(api["billed"]), "HTTP API requests as billed"))
        else:
            connects = f"{api['connects']} connections, {api['received']} in, {api['sent']} out"
            requests.append((name, str(api["billed"]), f"WebSocket messages as billed: {connects}"))
    if requests:
        out()
        _table([("requests", "", ""), *requests])
    if cost.total:
        out()
        costs.measured(cost)
    out()


def _most(actions: Mapping[str, int]) -> str:
    ordered = sorted(actions.items(), key=lambda each: -each[1])
    return one_line(", ".join(f"{name} {count}" for name, count in ordered))


def _table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [
            cell.ljust(width)
            if not column or (len(row) == 3 and column == 2)
            else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  " + "  ".join(cells).rstrip()
        out(styled(line, "dim") if number == 0 else line)
