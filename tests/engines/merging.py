"""A process that accepts under new keys, and merges all the time, until it is killed.

`python -m tests.engines.merging FOLDER FIRST` takes the keys from number FIRST on, and prints
each number when it was acknowledged.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

from ringback.core.lifecycle import accept
from ringback.engines.sqlite import SqliteEngine, merger, recent
from tests.contract.acts import key
from tests.core.states import operation

AT_ONCE = 20


def number_as_id(number: int) -> str:
    """The operation's id under the key of this number."""
    return f"00000000-0000-7000-8000-{number:012x}"


def merge_often() -> None:
    """Small steps, so that most moments are in the middle of a merge."""
    recent.MERGE_AT, recent.MERGE_KEYS = 200, 10
    merger.PAUSE = 0.0


async def accept_for_ever(folder: Path, first: int) -> None:
    async with SqliteEngine(folder) as engine:
        for start in itertools.count(first, AT_ONCE):
            numbers = range(start, start + AT_ONCE)
            changes = [accept(operation(id=number_as_id(number))) for number in numbers]
            await asyncio.gather(
                *[
                    engine.accept(change, key(str(number)))
                    for number, change in zip(numbers, changes, strict=True)
                ]
            )
            sys.stdout.write("".join(f"{number}\n" for number in numbers))
            sys.stdout.flush()


if __name__ == "__main__":
    merge_often()
    asyncio.run(accept_for_ever(Path(sys.argv[1]), int(sys.argv[2])))
