"""Uploads through the Python client."""

import asyncio
import hashlib
import io
import os
from itertools import pairwise
from pathlib import Path

import pytest

from ringback.client import AsyncClient
from ringback.client.uploads import Source
from ringback.errors import ConfigurationError, IdempotencyKeyReused, NotFound
from tests.client.proxy import Proxy
from tests.serving import ServerProcess

DATA = os.urandom(1_000_000)
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize("kind", ["bytes", "path", "text", "file"])
async def test_bytes_paths_and_files(client: AsyncClient, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    opened = io.BytesIO(b"read already" + DATA)
    opened.seek(12)
    sources: dict[str, Source] = {"bytes": DATA, "path": path, "text": str(path), "file": opened}
    told: list[tuple[int, int]] = []
    operation = await client.upload(
        sources[kind], name="files/a", type="text/csv", on_sent=lambda *sent: told.append(sent)
    )
    found = await operation.result()
    assert found == {"size": len(DATA), "sha256": DIGEST, "type": "text/csv"}
    assert told[0] == (0, len(DATA))
    assert told[-1] == (len(DATA), len(DATA))
    assert told == sorted(told)
    assert not opened.closed


async def test_an_empty_file(client: AsyncClient) -> None:
    assert (await (await client.upload(b"", name="files/none")).result())["size"] == 0


async def test_it_goes_on_where_it_broke_off(client: AsyncClient, between: Proxy) -> None:
    told: list[int] = []

    def sent(size: int, whole: int) -> None:
        if not told:  # it is declared; the bytes take another connection
            between.cut()
            between.request_bytes = 600_000
        told.append(size)

    operation = await client.upload(DATA, name="files/a", on_sent=sent)
    assert (await operation.result())["sha256"] == DIGEST
    gone_on_at = [after for before, after in pairwise(told) if after <= before]
    assert gone_on_at[-1] > 0, "not from the beginning"


async def test_a_program_that_starts_again_goes_on(client: AsyncClient, between: Proxy) -> None:
    key = "the report of today"

    class Killed(Exception):
        pass

    def dies(size: int, whole: int) -> None:
        if size > 500_000:
            raise Killed

    with pytest.raises(Killed):
        await client.upload(DATA, name="files/a", key=key, on_sent=dies)
    again: list[int] = []
    operation = await client.upload(
        DATA, name="files/a", key=key, on_sent=lambda sent, _: again.append(sent)
    )
    assert (await operation.result())["sha256"] == DIGEST
    assert again[0] > 0
    done = await client.upload(DATA, name="files/a", key=key)
    assert done.id == operation.id
    with pytest.raises(IdempotencyKeyReused):
        await client.upload(DATA + b"!", name="files/a", key=key)


async def test_what_is_refused(client: AsyncClient) -> None:
    with pytest.raises(ConfigurationError, match="name="):
        await client.upload(DATA)
    with pytest.raises(ConfigurationError, match="'rb'"):
        await client.upload(io.StringIO("text"), name="files/a")  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        await client.upload(DATA, name="elsewhere/a")


async def test_over_a_server_that_is_killed(data: Path) -> None:
    with ServerProcess("tests.client.app:rb", data=data) as server:
        killed: list[asyncio.Task[None]] = []

        def restart() -> None:
            server.kill()
            server.start()

        def sent(size: int, whole: int) -> None:
            if size > 500_000 and not killed:
                killed.append(asyncio.get_running_loop().create_task(asyncio.to_thread(restart)))

        async with AsyncClient(server.url) as client:
            operation = await client.upload(DATA * 8, name="files/a", on_sent=sent)
            assert (await operation.result())["size"] == len(DATA) * 8
            await killed[0]
