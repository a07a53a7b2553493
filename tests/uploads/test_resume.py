"""Going on after a break: of the connection, and of the server."""

import os
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from ringback.uploads.pieces import PIECE
from tests.serving import ServerProcess, until
from tests.uploads.client import Declared, declared, file_of, names_of, sha256
from tests.uploads.conftest import Served, client_of

APPLICATION = "tests.uploads.app:rb"
MB = 1024 * 1024


async def shown(upload: Declared) -> float:
    """The share of bytes that the operation's log tells of."""
    progress = (await upload.operation())["progress"]
    return float(progress["fraction"]) if progress else 0.0


async def test_a_cut_in_the_middle_of_a_piece(client: httpx.AsyncClient) -> None:
    content = os.urandom(PIECE - 1)
    upload = await declared(client, "loop/a", content, sha256=sha256(content))
    sent = 0
    async with await upload.wire(0, len(content)) as wire:
        while await shown(upload) < 0.2:  # so many bytes have arrived for certain
            await wire.send(content[sent : sent + 10_000])
            sent += 10_000
        told = await shown(upload)
        assert await upload.offset() == 0, "less than a piece is stored only at the end"
        wire.cut()
    offset = await until(upload.offset)
    assert told * len(content) <= offset <= sent
    answer = await upload.put(content[offset:], offset)
    assert answer.status_code == 202
    assert (await upload.result())["sha256"] == sha256(content)


async def test_many_cuts(client: httpx.AsyncClient) -> None:
    content = os.urandom(12 * MB)
    upload = await declared(client, "loop/a", content, sha256=sha256(content))
    offset = 0
    for cut in range(3):
        async with await upload.wire(offset, None if cut else len(content) - offset) as wire:
            for start in range(offset, offset + 3 * MB, 100_000):
                await wire.send(content[start : start + 100_000])
            wire.cut()
        before = offset

        async def further(before: int = before) -> int:
            now = await upload.offset()
            return now if now > before else 0

        offset = await until(further)
    assert (await upload.put(content[offset:], offset)).status_code == 202
    assert (await upload.result())["sha256"] == sha256(content)


async def test_the_server_is_killed_between_pieces(data: Path) -> None:
    content = os.urandom(2 * PIECE + MB)
    with ServerProcess(APPLICATION, data=data) as server:
        async with client_of(server.url) as client:
            upload = await declared(client, "loop/a", content, sha256=sha256(content))
            async with await upload.wire(0, len(content)) as wire:
                await wire.send(content[: PIECE + MB])
                await until(upload.offset)
                server.kill()
            server.start()
            offset = await upload.offset()
            assert PIECE <= offset <= PIECE + MB
            assert (await upload.put(content[offset:], offset)).status_code == 202
            assert (await upload.result())["sha256"] == sha256(content)
            assert names_of(data, upload) == ["declared", "file"]


@pytest.mark.parametrize("again", [True, False])
async def test_the_server_is_killed_before_the_start(data: Path, again: bool) -> None:
    """All bytes are there, and joined, but the handler's operation is not started."""
    content = os.urandom(PIECE + MB)
    died = data.parent / "died"
    server = ServerProcess(APPLICATION, data=data, environment={"DIE_BEFORE_START": str(died)})
    with server:
        async with client_of(server.url) as client:
            upload = await declared(client, "loop/a", content)
            with pytest.raises(httpx.TransportError):
                await upload.put(content)
            assert died.exists()
            assert file_of(data, upload).stat().st_size == len(content)
            server.kill()
            server.start()
            seen = await upload.show()
            assert (seen["offset"], seen["complete"]) == (len(content), False)
            if again:  # as a client does that got no answer
                assert (await upload.put(content, 0)).status_code == 202
            # Else nobody comes back, and the server finishes what was sent to it by itself.
            result = await upload.result()
            assert result["sha256"] == result["declared"] == sha256(content)
            assert (await upload.operation())["attempt"] == 1
            assert names_of(data, upload) == ["declared", "file"]


async def test_the_server_is_stopped_in_the_middle(served: Served) -> None:
    content = os.urandom(MB)
    async with served() as client:
        upload = await declared(client, "loop/a", content)
        wire = await upload.wire(0, len(content))
        await wire.send(content[:1000])
        await until(lambda: shown(upload))
    async with wire, served() as client:
        upload = replace(upload, client=client)
        assert await upload.offset() == 1000
        assert (await upload.put(content[1000:], 1000)).status_code == 202
        assert (await upload.result())["sha256"] == sha256(content)


async def test_half_written_objects_are_no_bytes(client: httpx.AsyncClient, data: Path) -> None:
    upload = await declared(client, "loop/a", b"0123456789")
    await upload.put(b"01234", 0)
    # What a process leaves that is killed while it puts a piece, or joins them.
    folder = data / "uploads" / upload.id
    (folder / "0" / "000000000000000005#1").write_bytes(b"xx")
    (folder / "file-01#1").write_bytes(b"0123")
    assert await upload.offset() == 5
    assert (await upload.put(b"56789", 5)).status_code == 202
    assert (await upload.result())["sha256"] == sha256(b"0123456789")
    await until(lambda: names_of(data, upload) == ["declared", "file"])
