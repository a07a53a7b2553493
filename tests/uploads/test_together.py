"""Several processes on one store: servers that get the same upload, and workers elsewhere."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from ringback.core.access import ANONYMOUS
from ringback.uploads.finish import finish
from ringback.uploads.pieces import PIECE, Pieces
from ringback.uploads.store import Store, address, open_store
from tests.serving import serve, until
from tests.uploads.app import application
from tests.uploads.client import Declared, declared, sha256
from tests.uploads.conftest import client_of

MB = 1024 * 1024
Two = tuple[httpx.AsyncClient, httpx.AsyncClient]


@pytest.fixture
async def two(data: Path) -> AsyncIterator[Two]:
    """Clients of two servers that share a store."""
    async with (
        serve(application(data=data)) as one,
        serve(application(data=data)) as other,
        client_of(one) as first,
        client_of(other) as second,
    ):
        yield first, second


async def moved(upload: Declared) -> bool:
    return (await upload.operation())["progress"] is not None


async def test_one_goes_on_where_the_other_was(two: Two) -> None:
    content = os.urandom(PIECE + MB)
    upload = await declared(two[0], "loop/a", content)
    there = replace(upload, client=two[1])
    await upload.put(content[:MB])
    assert await there.offset() == MB
    assert (await there.put(content[MB:], MB)).status_code == 202
    assert (await upload.result())["sha256"] == sha256(content)


async def test_the_same_bytes_at_both(two: Two) -> None:
    """The slower is told that it is done, and harms nothing of what the faster has stored."""
    content = os.urandom(PIECE + MB)
    upload = await declared(two[0], "loop/a", content)
    async with await upload.wire(0, len(content)) as slower:
        await slower.send(content[:MB])
        await until(lambda: moved(upload))
        faster = await replace(upload, client=two[1]).put(content)
        assert faster.status_code == 202
        assert (await upload.result())["sha256"] == sha256(content)
        await slower.send(content[MB:])
        assert await slower.status() == 200
    again = await upload.put(b"")
    assert again.json()["result"]["sha256"] == sha256(content)


async def test_other_bytes_at_both(two: Two) -> None:
    content, other = os.urandom(PIECE + MB), os.urandom(PIECE + MB)
    upload = await declared(two[0], "loop/a", content)
    async with await upload.wire(0, len(content)) as slower:
        await slower.send(content[:MB])
        await until(lambda: moved(upload))
        there = replace(upload, client=two[1])
        await there.put(other[:MB])
        await slower.send(content[MB:])
        assert await slower.status() == 409
    assert await upload.offset() == MB
    assert (await there.put(other[MB:], MB)).status_code == 202
    assert (await upload.result())["sha256"] == sha256(other)


async def test_a_worker_elsewhere_has_the_file(data: Path) -> None:
    async with serve(application(data=data, workers=0)) as url, client_of(url) as client:
        upload = await declared(client, "loop/a", b"0123456789")
        assert (await upload.put(b"0123456789")).status_code == 202
        assert (await upload.operation())["status"] == "queued"
        async with application(data=data).running(worker=True):
            assert (await upload.result())["sha256"] == sha256(b"0123456789")


class Pausing(Pieces):
    """Makes the file, and then waits."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.joined = asyncio.Event()
        self.go_on = asyncio.Event()

    async def join(self, *arguments: Any) -> Any:
        found = await super().join(*arguments)
        self.joined.set()
        await self.go_on.wait()
        return found


async def test_who_starts_the_handler_has_its_bytes_read(data: Path) -> None:
    """Of two servers that have all bytes, one has not heard that they start anew."""
    rb = application(data=data)
    async with rb.running(worker=False) as running:
        service, uploads = running.service, running.uploads
        parsed = uploads.parse(b'{"name": "loop/a", "size": 5}')
        accepted, upload = await uploads.declare(*parsed, ANONYMOUS)
        one, other = (Pausing(open_store(address(rb.settings))) for _ in range(2))
        seen = await one.stored(upload.id)
        await other.start_anew(upload.id, await other.add(upload.id, seen, b"xxxxx", 9))
        anew = await other.add(upload.id, await other.stored(upload.id), b"other", 9)
        old = await one.add(upload.id, seen, b"first", 9)
        assert (old.generation, anew.generation) == (0, 1)
        finishing = []
        for pieces, stored in ((one, old), (other, anew)):
            work = finish(service, pieces, accepted.operation, upload, stored)
            finishing.append(asyncio.create_task(work))
            await pieces.joined.wait()
        for pieces, finished in zip((one, other), finishing, strict=True):
            pieces.go_on.set()
            await finished
        files = {path.name for path in (data / "uploads" / upload.id).iterdir() if path.is_file()}
    async with rb.running():
        done = await rb.result(upload.id, timeout=60)
    assert done["sha256"] == done["declared"] == sha256(b"first")
    assert len(files - {"declared"}) == 1, "and the other's are not kept"
