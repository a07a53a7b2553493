"""An application for worker processes of their own, by the name `APPLICATION`."""

import os
from pathlib import Path

from ringback import BlockingOperation, Operation, Ringback
from tests.worker import jobs

rb = Ringback("workers", open_topics=True, grace=float(os.environ.get("TEST_GRACE", "0.5")))
APPLICATION = "tests.worker.application:rb"
LEASE = 1.5

rb.task(name="loop", lease=LEASE)(jobs.linger_async)
rb.task(name="thread", lease=LEASE)(jobs.linger)
rb.task(name="process", lease=LEASE, run_in="process")(jobs.linger)
rb.task(name="ignore_loop", lease=LEASE)(jobs.ignore_async)
rb.task(name="ignore_thread", lease=LEASE)(jobs.ignore)
rb.task(name="ignore_process", lease=LEASE, run_in="process")(jobs.ignore)
rb.task(lease=LEASE, run_in="process")(jobs.hold_the_lock)


@rb.task(lease=LEASE, retries=1, backoff=0)
async def poison(op: Operation, log: Path) -> None:
    """Takes its whole worker with it, every time."""
    jobs.note(log, op.attempt)
    os._exit(1)


@rb.task(lease=LEASE)
def work(op: BlockingOperation, n: int) -> int:
    """Something to be done."""
    return n
