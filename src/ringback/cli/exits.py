"""Exit statuses, which scripts rely on, and errors in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringback.cli.terminal import clean
from ringback.errors import (
    AccessError,
    CapacityError,
    ConfigurationError,
    RequestError,
    RingbackError,
    TransitionError,
)

SUCCEEDED = 0
FAILED = 1
"""The operation failed; or something did that no other status is for."""
USAGE = 2
"""The command, the input, a setting or the rights are wrong: the caller can mend it."""
CANCELLED = 3
UNAVAILABLE = 4
"""The server or the store cannot be reached, or takes nothing now: try again later."""
INTERRUPTED = 130
"""Ctrl-C: 128 and the number of SIGINT, as shells have it."""
BROKEN_PIPE = 141
"""Whoever read our output went away: 128 and the number of SIGPIPE."""

OUTCOMES = {"succeeded": SUCCEEDED, "failed": FAILED, "cancelled": CANCELLED}


def outcome(status: object) -> int:
    """The exit status for an operation's end."""
    return OUTCOMES.get(str(status), FAILED)


def status_of(error: RingbackError) -> int:
    """The exit status for an error."""
    if isinstance(error, RequestError | AccessError | ConfigurationError | TransitionError):
        return USAGE
    found = error.fields.get("status", error.status)
    http_status = found if isinstance(found, int) else error.status
    if isinstance(error, CapacityError) or error.retryable or http_status >= 500:
        return UNAVAILABLE
    return USAGE if 400 <= http_status < 500 else FAILED


def explain(error: RingbackError) -> str:
    """What is wrong and what to do, for a person."""
    return explain_problem(error.problem())


def explain_problem(problem: Mapping[str, Any]) -> str:
    """The same of a problem (RFC 9457)."""
    lines = [clean(str(problem.get("detail") or problem.get("title") or "No reason was given."))]
    faults = problem.get("errors")
    if isinstance(faults, list):
        lines += [f"  {_fault(fault)}" for fault in faults if isinstance(fault, dict)]
    near = problem.get("near")
    if isinstance(near, list) and near:
        lines.append(f"  Did you mean {' or '.join(clean(str(name)) for name in near)}?")
    return "\n".join(lines)


def _fault(fault: Mapping[str, Any]) -> str:
    where = str(fault.get("pointer", "")).removeprefix("/").replace("/", ".") or "input"
    return clean(f"{where}: {fault.get('detail', '')}")
