"""A store that cannot commit: `503` with the cure, never `202`; no loss; recovery by itself."""

# ruff: noqa: ASYNC240 - a test that touches files has nothing else to do meanwhile

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest

from ringback import Operation, Ringback
from ringback.core.model import Query, Status
from ringback.engines.sqlite import SqliteEngine, writer
from ringback.errors import ConfigurationError
from tests.contract.acts import submit
from tests.durability.processes import check_end
from tests.durability.troubles import (
    TROUBLES,
    Locked,
    Trouble,
    failing_disk,
    mounted,
    needs_root,
    remount_read_only,
)
from tests.serving import serve, until

LIMIT = 60.0
"""Seconds for what takes a few on an idle machine."""


class Shop:
    """A served application, and what it was asked."""

    def __init__(self, data: Path) -> None:
        self.rb = Ringback("store", data=data)
        self.gate = asyncio.Event()
        self.accepted: dict[int, str] = {}
        self.refused: set[int] = set()
        self._number = 0

        @self.rb.task(lease=30.0)
        async def double(number: int) -> int:
            return 2 * number

        @self.rb.task(lease=30.0)
        async def gated(op: Operation, number: int) -> int:
            await op.progress(0.5)
            await self.gate.wait()
            return 2 * number

    async def post(self, client: httpx.AsyncClient, task: str = "double") -> httpx.Response:
        self._number += 1
        number = self._number
        answer = await client.post(f"/tasks/{task}", json={"number": number})
        if answer.status_code == 202:
            self.accepted[number] = answer.json()["id"]
        else:
            self.refused.add(number)
        return answer

    async def check(self) -> None:
        """Every 202 is there and was done; nothing that was refused is there."""
        engine = self.rb.started.service.engine

        async def idle() -> bool:
            counts = [
                len(await engine.list(Query(status=status, limit=1)))
                for status in (Status.QUEUED, Status.RUNNING)
            ]
            return not any(counts)

        await until(idle, LIMIT)
        stored = {
            msgspec.json.decode(state.input)["number"]: state
            for state in await engine.list(Query(limit=1000))
        }
        assert {number: state.id for number, state in stored.items()} == self.accepted
        for number, state in stored.items():
            assert (state.status, state.result) == (Status.SUCCEEDED, b"%d" % (2 * number))
            assert (state.attempt, state.failures) == (1, 0), "nobody was robbed of it"
            check_end(state, list((await engine.read(state.topic, None, 1000)).messages))


@pytest.mark.parametrize("make", TROUBLES)
async def test_a_store_in_trouble(data: Path, make: Callable[[], Trouble]) -> None:
    trouble = make()
    with trouble.prepare(data):
        shop = Shop(data)
        async with serve(shop.rb) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
            for _ in range(5):
                assert (await shop.post(client)).status_code == 202
            running = (await shop.post(client, "gated")).json()
            path = f"/operations/{running['id']}?token={running['token']}"
            await until(lambda: began(client, path), LIMIT)

            trouble.strike(data)
            answers = await asyncio.gather(*[shop.post(client) for _ in range(10)])
            for answer in answers:
                refused(answer, trouble.says)
            assert await began(client, path), "what is there can be read"
            shop.gate.set()  # it ends now, and cannot be settled yet
            refused(await shop.post(client), trouble.says)

            trouble.mend(data)
            await until(lambda: accepts(shop, client), LIMIT)
            for _ in range(5):
                assert (await shop.post(client)).status_code == 202
            await shop.check()


def refused(answer: httpx.Response, cause: str) -> None:
    """A problem (RFC 9457) that says what is wrong, that nothing was taken, and when to retry."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    problem = answer.json()
    assert problem["type"] == "urn:ringback:problem:store-unavailable"
    assert cause in problem["detail"]
    assert "nothing was accepted" in problem["detail"]


async def began(client: httpx.AsyncClient, path: str) -> bool:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    return shown["status"] == "running" and shown["progress"] is not None


async def accepts(shop: Shop, client: httpx.AsyncClient) -> bool:
    return (await shop.post(client)).status_code == 202


async def test_a_commit_is_synced_before_it_is_acknowledged(data: Path) -> None:
    """What a power cut would take is never what somebody was told."""
    with failing_disk() as disk:
        async with SqliteEngine(data) as engine:
            for _ in range(20):
                await submit(engine)
                assert disk.unsynced == 0
            await asyncio.gather(*[submit(engine) for _ in range(200)])
            assert disk.unsynced == 0


async def starts(data: Path) -> None:
    async with SqliteEngine(data):
        pass


@needs_root
async def test_a_read_only_folder_is_named_with_the_cure(data: Path) -> None:
    data.mkdir()
    with mounted("--bind", str(data), str(data)):
        remount_read_only(data)
        with pytest.raises(ConfigurationError, match="--data or RINGBACK_DATA") as wrong:
            await starts(data)
    assert str(data) in wrong.value.detail


@pytest.mark.skipif(os.geteuid() == 0, reason="NOT TESTED: permissions do not bind root")
@pytest.mark.parametrize("mode", [0o500, 0o000])
async def test_a_folder_without_permission_is_named_with_the_cure(data: Path, mode: int) -> None:
    data.mkdir(mode=mode)
    with pytest.raises(ConfigurationError, match="--data or RINGBACK_DATA"):
        await starts(data)


@needs_root
async def test_a_full_disk_is_named_with_the_cure(data: Path) -> None:
    data.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=64k", "none", str(data)):
        with contextlib.suppress(OSError):
            (data / "ballast").write_bytes(b"x" * 64 * 1024)
        with pytest.raises(ConfigurationError, match="full"):
            await starts(data)


@pytest.mark.parametrize("there", ["a file", "a file above"])
async def test_a_folder_that_cannot_be_made_is_named_with_the_cure(data: Path, there: str) -> None:
    data.write_text("not a folder")
    with pytest.raises(ConfigurationError, match="--data or RINGBACK_DATA"):
        await starts(data if there == "a file" else data / "below")


async def test_several_open_a_new_store_at_once(tmp_path: Path) -> None:
    for n in range(30):  # rounds: most runs meet the moment in which SQLite refuses to wait
        await asyncio.gather(*(starts(tmp_path / str(n)) for _ in range(8)))


async def test_a_store_that_is_locked_at_the_start(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "OPENING_TIMEOUT", 0.3)
    await starts(data)
    trouble = Locked()
    with trouble.prepare(data):
        trouble.strike(data)
        with pytest.raises(ConfigurationError, match="Another process keeps the database"):
            await starts(data)
        trouble.mend(data)
        await starts(data)
