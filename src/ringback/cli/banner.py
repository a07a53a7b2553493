"""What a server or a worker says when it has started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ringback import __version__
from ringback.app import Ringback
from ringback.cli.terminal import one_line, out, out_json_line, styled
from ringback.serve import Started

SHOWN_TASKS = 8
"""Names of tasks in the block; more would hide the rest of it."""

DEVELOPMENT = (
    "development: without keys anybody on this machine may submit.",
    "To serve others, set RINGBACK_JWT_SECRET, RINGBACK_JWT_PUBLIC_KEY or RINGBACK_JWKS_URL.",
)


def server_started(rb: Ringback, started: Started, *, json: bool) -> None:
    """One block, or one line of JSON."""
    settings = rb.settings
    pids = started.supervisor.pids if started.supervisor is not None else []
    if json:
        out_json_line(
            {
                "event": "started",
                "url": started.url,
                "mode": "development" if rb.development else "production",
                "workers": settings.workers,
                "worker_pids": pids,
                **_common(rb),
            }
        )
        return
    mode = [styled(DEVELOPMENT[0], "yellow"), DEVELOPMENT[1]] if rb.development else ["production"]
    if pids:
        work = f"{len(pids)} processes ({', '.join(map(str, pids))}), each {_capacity(rb)}"
        work = work.replace("1 processes", "1 process").replace(", each", ":", len(pids) == 1)
    elif settings.workers == 0:
        work = "none here: start `ringback worker` on the same store"
    else:
        work = f"this process: {_capacity(rb)}"
    _block(
        rb,
        [
            ("address", [styled(started.url, "bold")]),
            ("mode", mode),
            ("workers", [work]),
        ],
    )


def demo_started(
    rb: Ringback,
    started: Started,
    title: str,
    tries: Sequence[str],
    other: str,
    *,
    kept: bool,
    json: bool,
) -> None:
    """What to open and what to try, for somebody who has not seen it; as JSON, like a server."""
    if json:
        server_started(rb, started, json=True)
        return
    name, _, rest = title.partition(":")
    out()
    out(f"  {styled(name, 'bold')}{styled(f':{rest}', 'dim')}")
    out()
    pids = started.supervisor.pids if started.supervisor is not None else []
    store = _store(rb) if kept else f"{_store(rb)}, deleted at the end"
    rows = (
        ("open", [styled(started.url, "bold cyan")]),
        ("try", tries),
        ("worker", [f"process {', '.join(map(str, pids))}, apart from this one"]),
        ("store", [store]),
        ("or", [other]),
    )
    _rows([row for row in rows if row[0] != "worker" or pids])
    out()
    out(styled("  Stop with Ctrl-C.", "dim"))


def worker_started(rb: Ringback, *, json: bool) -> None:
    """The same, of a process that only works."""
    if json:
        out_json_line({"event": "started", **_common(rb)})
        return
    _block(rb, [("worker", [f"process {os.getpid()}: {_capacity(rb)}"])])


def _common(rb: Ringback) -> dict[str, Any]:
    return {
        "name": rb.name,
        "version": __version__,
        "pid": os.getpid(),
        "store": _store(rb),
        "tasks": [task.name for task in rb.registry.submittable()],
    }


def _store(rb: Ringback) -> str:
    return rb.settings.engine or str(rb.settings.data.resolve())


def _capacity(rb: Ringback) -> str:
    settings = rb.settings
    return f"{settings.concurrency} async, {settings.threads} threads, {settings.processes} CPU"


def _tasks(rb: Ringback) -> str:
    names = [task.name for task in rb.registry.submittable()]
    more = len(names) - SHOWN_TASKS
    shown = ", ".join(names[:SHOWN_TASKS]) + (f" and {more} more" if more > 0 else "")
    handlers = len(rb.registry.tasks) - len(names)
    rest = f"{handlers} handler{'s' if handlers > 1 else ''}" if handlers else ""
    return "; ".join(filter(None, (shown, rest))) or "none"


def _block(rb: Ringback, rows: Sequence[tuple[str, Sequence[str]]]) -> None:
    out(f"{styled('ringback', 'bold')} {__version__}  {one_line(rb.name)}")
    _rows((*rows, ("store", [_store(rb)]), ("tasks", [_tasks(rb)])))
    out(styled("  Stop with Ctrl-C; a second one ends it at once.", "dim"))


def _rows(rows: Sequence[tuple[str, Sequence[str]]]) -> None:
    for name, lines in rows:
        head = styled(f"  {name:<8}", "dim")
        for line in lines:
            out(f"{head} {line}")
            head = " " * 10
