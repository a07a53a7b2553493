"""The demo's application: what a user's own would look like.

Leases are short, so that a killed worker is missed within seconds; yours may well be longer.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import BaseModel, Field

from ringback.app import Ringback
from ringback.demo.pace import MAX_PACE, pace_of, pause
from ringback.demo.photos import Photo, develop
from ringback.demo.tables import Table, summarize
from ringback.errors import RetryLater
from ringback.tasks.operation import BlockingOperation, Operation
from ringback.uploads import Upload

LEASE = 2.5
"""Seconds after which a silent worker's operations are given to another."""
KILLS = 12
"""Attempts an operation survives: people like that button."""
RETRY_AFTER = 3.0
"""Seconds between the two attempts of what fails once: time to read what happened."""
SEGMENTS = 24
"""Partial results of a count of primes."""
MAX_LIMIT = 20_000_000

rb = Ringback("ringback-demo")

Pace = Annotated[float, Field(ge=0, le=MAX_PACE, description="Seconds that each step waits.")]


class Segment(BaseModel):
    """A partial result: the primes from one number up to, and without, another."""

    step: str = "segment"
    start: int
    stop: int
    primes: int


class Primes(BaseModel):
    """The result."""

    kind: str = "primes"
    limit: int
    primes: int
    segments: list[Segment]


@rb.task(run_in="process", retries=KILLS, lease=LEASE, resumable=True, public=True)
def count_primes(
    op: BlockingOperation,
    limit: Annotated[int, Field(ge=1000, le=MAX_LIMIT)] = 2_000_000,
    pace: Pace = 0.0,
) -> Primes:
    """Count the primes below a number, a segment at a time."""
    segments = [Segment(**part) for part in op.earlier_parts]
    small = _primes_below(int(limit**0.5) + 1)
    width = -(-limit // SEGMENTS)
    while (start := segments[-1].stop if segments else 0) < limit:
        stop = min(start + width, limit)
        op.progress(start / limit, f"from {start:,} to {stop:,}")
        pause(op, pace)
        segment = Segment(start=start, stop=stop, primes=_count(start, stop, small))
        op.send(segment)
        segments.append(segment)
    return Primes(limit=limit, primes=sum(s.primes for s in segments), segments=segments)


def _primes_below(limit: int) -> list[int]:
    sieve = bytearray([1]) * limit
    sieve[:2] = bytes(len(sieve[:2]))
    for number in range(2, int(limit**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, limit, number)))
    return [number for number, prime in enumerate(sieve) if prime]


def _count(start: int, stop: int, small: list[int]) -> int:
    sieve = bytearray([1]) * (stop - start)
    for number in range(start, min(2, stop)):
        sieve[number - start] = 0
    for prime in small:
        first = max(prime * prime, -(-start // prime) * prime)
        if first < stop:
            sieve[first - start :: prime] = bytes(len(range(first, stop, prime)))
    return sum(sieve)


class Note(BaseModel):
    """The result of what has nothing to show but that it was done."""

    kind: str = "note"
    text: str


@rb.task(retries=KILLS, lease=LEASE, public=True)
async def stumble(op: Operation, pace: Pace = 0.0) -> Note:
    """Fail in the first attempt, on purpose, and succeed in the next."""
    for step in range(1, 6):
        await op.progress(step / 6, f"step {step} of 5")
        await asyncio.sleep(pace)
        if step == 3 and op.attempt == 1:
            raise RetryLater("The other side hung up, as other sides do.", delay=RETRY_AFTER)
    return Note(text=f"Done, in attempt {op.attempt}.")


@rb.task(retries=1, backoff=1.0, lease=LEASE, public=True)
async def doomed(op: Operation, pace: Pace = 0.0) -> Note:
    """Fail in every attempt, on purpose: it ends as a dead letter, kept to be run again."""
    await op.progress(0.4, "looking for what is not there")
    await asyncio.sleep(pace)
    raise FileNotFoundError("it was never there")


@rb.task(retries=KILLS, lease=LEASE, public=True)
async def nap(op: Operation, seconds: Annotated[float, Field(ge=0, le=60)] = 1.0) -> Note:
    """Sleep a little: what a burst is made of."""
    steps = 10
    for step in range(steps):
        await op.progress(step / steps, "asleep")
        await asyncio.sleep(seconds / steps)
    return Note(text=f"Slept for {seconds:g} s.")


@rb.on_upload(
    "photos/",
    types=("image/*",),
    max_size=40 * 1024 * 1024,
    run_in="thread",
    retries=KILLS,
    lease=LEASE,
    resumable=True,
)
def photo(op: BlockingOperation, upload: Upload) -> Photo:
    """Make thumbnails, a palette and a histogram of a photo."""
    pace, name = pace_of(upload.name)
    with upload.open() as file:
        return develop(op, file, name, upload.size, pace)


@rb.on_upload(
    "tables/",
    types=("text/csv", "text/tab-separated-values"),
    max_size=1024 * 1024 * 1024,
    run_in="process",
    retries=KILLS,
    lease=LEASE,
    resumable=True,
)
def table(op: BlockingOperation, upload: Upload) -> Table:
    """Sum up the columns of a CSV file."""
    pace, name = pace_of(upload.name)
    with upload.open() as file:
        return summarize(op, file, name, upload.size, pace)
