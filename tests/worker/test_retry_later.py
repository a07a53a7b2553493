"""`RetryLater`, with what is no delay."""

import math
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ringback import Operation, RetryLater, Ringback
from tests.worker.following import LIMIT, becomes

HUGE = 10**400


@pytest.mark.parametrize(
    "delay",
    [math.nan, math.inf, 1e12, pytest.param(HUGE, id="huge"), timedelta(seconds=1)],
    ids=str,
)
async def test_a_delay_that_is_none(data: Path, delay: Any) -> None:
    """It is settled, whatever it says: else it would wait until its lease is over, each time."""
    rb = Ringback(data=data)

    @rb.task(backoff=0)
    async def later(op: Operation) -> int:
        if op.attempt == 1:
            raise RetryLater("not yet", delay=delay)
        return op.attempt

    async with rb.running():
        accepted = await rb.submit("later")
        if delay in (1e12, HUGE):
            state = await becomes(rb, accepted.id, failures=1)
            assert state.ready_at < time.time() + 400 * 86400
        else:
            assert (await rb.wait(accepted.id, LIMIT / 4)).result == b"2"
