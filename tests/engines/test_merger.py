"""What an engine does with recent keys, over real processes. The steps are in test_recent.py."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from ringback.core.lifecycle import accept
from ringback.engines.sqlite import SqliteEngine, merger, recent
from ringback.engines.sqlite.engine import FILE
from ringback.errors import StoreUnavailable
from tests.contract.acts import key
from tests.core.states import NOW, operation
from tests.engines.merging import number_as_id
from tests.serving import ROOT, until

LIMIT = 60.0
"""Seconds for a moment that comes all the time to come on a busy machine."""


def ask(folder: Path, sql: str) -> Any:
    connection = apsw.Connection(str(folder / FILE))
    try:
        connection.set_busy_timeout(1000)
        return connection.execute(sql).get
    finally:
        connection.close()


def unmerged(folder: Path) -> int:
    return int(ask(folder, "SELECT count(*) FROM operations, merges WHERE row > merged"))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "MERGE_AT", 100)
    monkeypatch.setattr(recent, "MERGE_KEYS", 40)
    monkeypatch.setattr(merger, "PAUSE", 0.0)


async def accept_keys(engine: SqliteEngine, first: int, last: int) -> list[bool]:
    """Accept under keys of these numbers; whether each was there already, as it should be."""
    answers = await asyncio.gather(
        *[
            engine.accept(accept(operation(id=number_as_id(number))), key(str(number)))
            for number in range(first, last)
        ]
    )
    found = [answer.operation.id for answer in answers]
    assert found == [number_as_id(number) for number in range(first, last)]
    return [answer.replayed for answer in answers]


@pytest.mark.usefixtures("few")
async def test_recent_keys_stay_few_without_a_worker(data: Path) -> None:
    """Two engines, of which only one accepts: neither holds more than there are."""
    most = 0
    async with SqliteEngine(data) as engine, SqliteEngine(data) as other:
        for start in range(0, 2000, 4):
            assert not any(await accept_keys(engine, start, start + 4))
            most = max(most, unmerged(data), engine._writer.unmerged)
        assert most <= 2 * recent.MERGE_AT, "a merge is faster than what comes meanwhile"
        await until(lambda: unmerged(data) <= recent.MERGE_AT)
        assert ask(data, "SELECT count(*) FROM idempotency_keys") >= 2000 - recent.MERGE_AT
        for each in (other, engine):
            assert all(await accept_keys(each, 0, 2000))
            assert each._writer.unmerged <= recent.MERGE_AT
            assert each._writer._store is not None
            assert len(each._writer._store[1].recent._rows) <= recent.MERGE_AT


@pytest.mark.usefixtures("few")
async def test_two_merge_at_once(data: Path) -> None:
    async with SqliteEngine(data) as one, SqliteEngine(data) as other:
        await asyncio.gather(
            *[accept_keys(each, 0, 2000) for each in (one, other)],
        )
        assert await one.count_queued() == 2000
        await until(lambda: unmerged(data) <= recent.MERGE_AT)
        assert all(await accept_keys(one, 0, 2000))
        assert all(await accept_keys(other, 0, 2000))


@pytest.mark.usefixtures("few")
async def test_a_merge_that_failed_is_done_later(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merger, "AGAIN_AFTER", 0.0)
    async with SqliteEngine(data) as engine:
        await accept_keys(engine, 0, 90)
        ask(data, "CREATE TRIGGER no BEFORE UPDATE ON merges BEGIN SELECT RAISE(FAIL, 'no'); END")
        await accept_keys(engine, 90, 300)
        assert unmerged(data) == 300
        ask(data, "DROP TRIGGER no")
        await accept_keys(engine, 300, 301)
        await until(lambda: unmerged(data) <= recent.MERGE_AT)
        assert all(await accept_keys(engine, 0, 301))


@pytest.mark.usefixtures("few")
async def test_closing_in_the_middle_of_a_merge_is_harmless(data: Path) -> None:
    engine = SqliteEngine(data)
    async with engine:
        await accept_keys(engine, 0, 1000)
    with pytest.raises(StoreUnavailable):
        await engine.accept(accept(operation()), None)
    async with SqliteEngine(data) as engine:
        assert all(await accept_keys(engine, 0, 1000))
        await engine.accept(accept(operation(NOW)), None)
        await until(lambda: unmerged(data) <= recent.MERGE_AT)
        assert all(await accept_keys(engine, 0, 1000))


class Victim:
    """A process that accepts and merges."""

    def __init__(self, folder: Path, first: int) -> None:
        self.acknowledged: list[int] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.engines.merging", str(folder), str(first)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src")))},
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith("\n"):
                self.acknowledged.append(int(line))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


def copying(folder: Path) -> bool:
    return bool(ask(folder, "SELECT upto > merged AND slot FROM merges"))


@pytest.mark.usefixtures("few")
async def test_a_kill_in_the_middle_of_a_merge_loses_no_key(data: Path) -> None:
    acknowledged, deadline, found = 0, time.monotonic() + LIMIT, False
    while not found:
        victim = Victim(data, acknowledged)
        try:
            while len(victim.acknowledged) < 500 or not copying(data):
                assert victim.process.poll() is None
                assert time.monotonic() < deadline
                await asyncio.sleep(0)
        finally:
            victim.kill()
        assert victim.acknowledged[0] == acknowledged
        acknowledged = victim.acknowledged[-1] + 1
        found = copying(data)  # it may have gone on for a moment
    async with SqliteEngine(data) as engine:
        assert all(await accept_keys(engine, 0, acknowledged))
        more = acknowledged + 500  # begins with what was stored and not acknowledged
        answers = await accept_keys(engine, acknowledged, more)
        assert answers == sorted(answers, reverse=True)
        await until(lambda: unmerged(data) <= recent.MERGE_AT)
        assert all(await accept_keys(engine, 0, more))
        assert await engine.count_queued() == more, "each was accepted once"
