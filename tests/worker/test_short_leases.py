"""A lease shorter than the pause between an idle worker's heartbeats is renewed all the same."""

import asyncio
from pathlib import Path

from ringback import Operation, Ringback, Status
from ringback.worker.worker import HEARTBEAT_FRACTION, HEARTBEAT_MAX

LEASE = 1.0


async def test_the_first_renewal_comes_before_the_lease_is_over(data: Path) -> None:
    assert HEARTBEAT_MAX / HEARTBEAT_FRACTION > LEASE, "an idle worker would renew in time anyway"
    rb = Ringback(data=data)

    @rb.task(lease=LEASE)
    async def longer_than_its_lease(op: Operation) -> int:
        await asyncio.sleep(2.5 * LEASE)
        return op.attempt

    async with rb.running():
        accepted = await rb.submit("longer_than_its_lease")
        ended = await rb.wait(accepted.id, 20)
    assert (ended.status, ended.attempt) == (Status.SUCCEEDED, 1)
