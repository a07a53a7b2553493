"""Ringback for the growth benchmark: two tasks, and callers who are known by a header.

A list is of one subject's operations, so there have to be subjects; a header spares the load
generator the making of tokens, and costs the server less than verifying one would.
"""

from __future__ import annotations

from collections.abc import Mapping

from ringback import Ringback
from ringback.core.access import Claims

SUBJECT_HEADER = "x-subject"


def known(headers: Mapping[str, str]) -> Claims | None:
    """Whoever says who he is."""
    subject = headers.get(SUBJECT_HEADER)
    return None if subject is None else Claims(subject=subject)


rb = Ringback("bench-growth", authenticate=known)


@rb.task
async def noop(index: int) -> int:
    """The task that is measured."""
    return index


@rb.task
async def other(index: int) -> int:
    """A task that no worker of the benchmark runs."""
    return index
