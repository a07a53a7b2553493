"""What is done for uploads that nobody asks for: expire, finish, delete."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from ringback import Status
from ringback.core.access import ANONYMOUS
from ringback.core.model import Accepted, Change, IdempotencyRecord, Query
from ringback.engines.sqlite import SqliteEngine
from ringback.errors import StoreUnavailable
from ringback.ids import new_id
from ringback.uploads import Arriving, sweep
from ringback.uploads.finish import complete
from ringback.uploads.pieces import Pieces
from ringback.uploads.store import address, open_store
from tests.serving import ServerProcess, until
from tests.uploads.app import application
from tests.uploads.client import Declared, declared, file_of
from tests.uploads.conftest import Served, client_of


def gone(data: Path, upload: Declared) -> Callable[[], bool]:
    return lambda: not (data / "uploads" / upload.id).exists()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "LOOK_EVERY", 0.2)


async def test_an_upload_that_does_not_come(served: Served, data: Path) -> None:
    async with served(upload_lifetime=1.0) as client:
        upload = await declared(client, "loop/a", b"0123456789")
        await upload.put(b"01234")
        events = [(kind, data) async for kind, data in upload.follow()]
        seen = await upload.ended()
        assert seen["status"] == "failed"
        assert seen["attempt"] == 0
        assert "dead_letter" not in seen
        assert seen["error"]["type"] == "urn:ringback:problem:upload-expired"
        assert events[-1][1]["status"] == "failed"
        result = await client.get(upload.body["links"]["result"], headers=upload.headers)
        assert result.status_code == 424
        await until(gone(data, upload))
        refused = await upload.put(b"56789", 5)
        assert refused.status_code == 410


async def test_an_upload_that_is_overdue_takes_no_bytes(served: Served) -> None:
    """Before any sweep has seen it: this process does not work."""
    async with served(upload_lifetime=0.5, workers=0) as client:
        upload = await declared(client, "loop/a", b"0123456789")

        async def refused() -> httpx.Response | None:
            answer = await upload.put(b"", 0)
            return None if answer.is_success else answer

        answer = await until(refused)
        assert answer.status_code == 410
        assert answer.json()["type"] == "urn:ringback:problem:upload-expired"
        assert (await upload.operation())["status"] == "queued"


async def test_bytes_still_arriving_when_it_expires(served: Served, data: Path) -> None:
    async with served(upload_lifetime=1.0) as client:
        upload = await declared(client, "loop/a", 10)
        async with await upload.wire(0, 10) as wire:
            await wire.send(b"01234")
            assert await wire.status() == 410
        assert (await upload.ended())["status"] == "failed"
        await until(gone(data, upload))


async def test_it_expires_over_a_restart(data: Path) -> None:
    with ServerProcess("tests.uploads.app:rb", data=data, upload_lifetime=3) as server:
        async with client_of(server.url) as client:
            upload = await declared(client, "loop/a", b"0123456789")
            await upload.put(b"01234")
            server.kill()
            server.start()
            assert (await upload.ended())["error"]["type"].endswith("upload-expired")
            await until(gone(data, upload))


async def test_what_is_complete_does_not_expire(served: Served, data: Path) -> None:
    async with served(upload_lifetime=1.0) as client:
        late = await declared(client, "loop/b", b"x")
        upload = await declared(client, "loop/a", b"x")
        await upload.put(b"x")
        await upload.result()
        assert (await late.ended())["status"] == "failed"  # so the sweep has looked
        assert (await upload.operation())["status"] == "succeeded"
        assert file_of(data, upload).exists()


async def test_cancelled_elsewhere(client: httpx.AsyncClient, data: Path) -> None:
    upload = await declared(client, "loop/a", b"0123456789")
    await upload.put(b"01234")
    await client.post(upload.body["links"]["cancel"], headers=upload.headers)
    await until(gone(data, upload))


async def test_what_has_all_its_bytes_does_not_expire(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They came in time; the server that had the last of them died, or is still joining them."""
    monkeypatch.setattr(sweep, "FINISH_AFTER", 0.0)
    rb = application(data=data, upload_lifetime=0.5)
    async with rb.running(worker=False) as running:
        uploads, engine = running.uploads, running.service.engine
        parsed = uploads.parse(b'{"name": "loop/a", "size": 5}')
        _, upload = await uploads.declare(*parsed, ANONYMOUS)
        pieces = Pieces(open_store(address(rb.settings)))
        await pieces.add(upload.id, await pieces.stored(upload.id), b"01234", 9)
        await asyncio.sleep(0.6)
        await uploads.look()
        state = await engine.load(upload.id)
        assert (state.status, complete(state)) == (Status.QUEUED, True)


async def test_a_file_lives_as_long_as_its_operation(client: httpx.AsyncClient, data: Path) -> None:
    upload = await declared(client, "loop/a", b"x")
    await upload.put(b"x")
    await upload.result()
    assert file_of(data, upload).exists()
    forgotten = await client.delete(upload.body["links"]["self"], headers=upload.headers)
    assert forgotten.status_code == 204
    await until(gone(data, upload))


async def test_or_as_one_that_was_redriven(client: httpx.AsyncClient, data: Path) -> None:
    upload = await declared(client, "letters/a", b"a letter")
    await upload.put(b"a letter")
    assert (await upload.ended())["dead_letter"] is True
    own = upload.body["links"]["self"]
    again = Declared(client, await client.post(f"{own}/redrive", headers=upload.headers))
    assert again.answer.status_code == 202
    assert await again.result() == "a letter"
    await client.delete(own, headers=upload.headers)
    # Another that is newer is looked at later, in the same look: then this one was seen too.
    other = await declared(client, "loop/a", b"x")
    await other.put(b"x")
    await other.result()
    await client.delete(other.body["links"]["self"], headers=other.headers)
    await until(gone(data, other))
    assert file_of(data, upload).read_bytes() == b"a letter"
    await client.delete(again.body["links"]["self"], headers=again.headers)
    await until(gone(data, upload))


async def test_or_as_one_that_was_redriven_from_that(client: httpx.AsyncClient, data: Path) -> None:
    upload = await declared(client, "letters/twice", b"a letter")
    await upload.put(b"a letter")
    assert (await upload.ended())["dead_letter"] is True
    all_of_them = [upload]
    for _ in range(2):
        own, headers = all_of_them[-1].body["links"]["self"], all_of_them[-1].headers
        again = Declared(client, await client.post(f"{own}/redrive", headers=headers))
        await again.ended()
        noted = data / "uploads" / upload.id / "redriven" / again.id
        await until(noted.exists)
        all_of_them.append(again)
    for each in all_of_them[:2]:
        await client.delete(each.body["links"]["self"], headers=each.headers)
    await asyncio.sleep(1)  # some looks
    assert file_of(data, upload).read_bytes() == b"a letter"
    last = all_of_them[2]
    await client.delete(last.body["links"]["self"], headers=last.headers)
    await until(gone(data, upload))


async def test_or_as_one_that_was_redriven_from_one_that_was_seen_by_nobody(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "LOOK_EVERY", 3600.0)
    rb = application(data=data)
    came = [None, b"x"]

    async def receive() -> bytes | None:
        return came.pop()

    async with rb.running() as running:
        uploads, engine = running.uploads, running.service.engine
        parsed = uploads.parse(b'{"name": "letters/twice", "size": 1}')
        accepted, upload = await uploads.declare(*parsed, ANONYMOUS)
        state, _ = await uploads.receive(
            accepted.operation, upload, Arriving(receive=receive, offset=0)
        )
        for _ in range(2):
            assert (await rb.wait(state.id, timeout=60)).dead_letter
            again = await rb.redrive(state.id)
            if state.id != upload.id:
                await engine.forget(state.id, time.time())
            state = again
        assert await rb.result(state.id, timeout=60) == "x"
        await engine.forget(upload.id, time.time())
        await uploads.look()
        assert (data / "uploads" / upload.id).exists()
        await engine.forget(state.id, time.time())
        await uploads.look()
        assert not (data / "uploads" / upload.id).exists()


async def test_what_was_declared_but_never_accepted(served: Served, data: Path) -> None:
    """A process that dies in between leaves a declaration of no operation."""
    long_ago = 1_000_000_000.0
    uploads = data / "uploads"

    def left_behind(name: str) -> Path:
        folder = uploads / name
        folder.mkdir(parents=True)
        (folder / "declared").write_bytes(b"{}")
        return folder

    async with served(upload_lifetime=3600):
        young, foreign = left_behind(new_id(time.time())), left_behind("not ours")
        for _ in range(2):  # what the second is deleted by has seen all the others before
            old = left_behind(new_id(long_ago))
            await until(lambda old=old: not old.exists())
        # The young one may be about to be accepted.
        assert young.exists()
        assert foreign.exists()


async def test_nothing_is_left_running(served: Served) -> None:
    async with served():
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert "ringback-chore" in names
    assert "ringback-chore" not in {task.get_name() for task in asyncio.all_tasks()}


class Doubtful(SqliteEngine):
    """Stores what it accepts, and cannot say so."""

    async def _doubt(self, stored: asyncio.Future[Accepted]) -> Accepted:
        await stored
        raise StoreUnavailable

    def accept(self, change: Change, key: IdempotencyRecord | None) -> asyncio.Future[Accepted]:
        return asyncio.ensure_future(self._doubt(super().accept(change, key)))


async def test_what_may_be_accepted_all_the_same_is_looked_after(data: Path) -> None:
    """Or it would be held for ever: nobody knows its id."""
    rb = application(data=data, upload_lifetime=0.3)
    async with rb.running(engine=Doubtful(data), worker=False) as running:
        uploads = running.uploads
        with pytest.raises(StoreUnavailable):
            await uploads.declare(*uploads.parse(b'{"name": "loop/a", "size": 5}'), ANONYMOUS)
        engine = running.service.engine
        (held,) = await engine.list(Query())
        await asyncio.sleep(0.3)
        await uploads.look()
        assert (await engine.load(held.id)).status is Status.FAILED
