"""What a handler gets, wherever it runs; and what a follower sees."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ringback import Operation, Ringback, Upload
from ringback.errors import ConfigurationError
from tests.serving import ServerProcess, serve
from tests.uploads.client import declared, sha256
from tests.uploads.conftest import client_of

MB = 1024 * 1024


@pytest.mark.parametrize("where", ["loop", "thread", "process"])
async def test_a_handler_reads_the_file(client: httpx.AsyncClient, where: str) -> None:
    content = os.urandom(3 * MB)
    upload = await declared(client, f"{where}/über uns.bin", content, kind="image/png")
    assert (await upload.put(content)).status_code == 202
    result = await upload.result()
    assert result.pop("pid") > 0
    assert result == {
        "how": where,
        "name": f"{where}/über uns.bin",
        "type": "image/png",
        "declared": sha256(content),
        "size": len(content),
        "sha256": sha256(content),
    }


async def test_a_process_is_another_one(client: httpx.AsyncClient) -> None:
    upload = await declared(client, "process/a", b"x")
    await upload.put(b"x")
    assert (await upload.result())["pid"] != os.getpid()


async def test_a_follower_sees_bytes_then_work_then_the_end(client: httpx.AsyncClient) -> None:
    content = os.urandom(3 * MB)
    upload = await declared(client, "photos/slow/a", content)
    events = upload.follow()
    kind, first = await anext(events)
    assert (kind, first["status"], first["progress"]) == ("snapshot", "queued", None)
    for start in range(0, len(content), MB):
        await upload.put(content[start : start + MB], start)
    seen = [(kind, data) async for kind, data in events]

    bytes_ = [data for kind, data in seen if kind == "progress" and data["attempt"] == 0]
    shares = [data["fraction"] for data in bytes_]
    assert shares == sorted(shares)
    assert any(0 < share < 1 for share in shares)
    assert shares[-1] == 1.0
    assert "of 3.1 MB" in bytes_[0]["message"]

    work = [data["fraction"] for kind, data in seen if kind == "progress" and data["attempt"] == 1]
    assert work == [0.5, 1.0]
    kinds = [kind for kind, _ in seen]
    running = next(data for _, data in seen if data.get("status") == "running")
    assert running["progress"] is None, "the handler begins at none, though it is resumable"
    assert (seen[-1][0], seen[-1][1]["status"]) == ("status", "succeeded")
    order = [(data.get("attempt"), data.get("fraction")) for _, data in seen]
    assert order.index((0, 1.0)) < order.index((1, 0.5))
    assert "part" in kinds[kinds.index("status") :]


async def test_a_large_file_takes_little_memory(data: Path) -> None:
    size = 160 * MB
    block = os.urandom(MB)

    async def content() -> AsyncIterator[bytes]:
        for _ in range(size // MB):
            yield block

    def peak(pid: int) -> int:
        """Bytes of memory the process had at most."""
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    with ServerProcess("tests.uploads.app:rb", data=data) as server:
        async with client_of(server.url) as client:
            warm = await declared(client, "large/a", MB)
            await warm.put(block)
            await warm.result()
            before = peak(server.pid)
            upload = await declared(client, "large/b", size)
            assert (await upload.put(content())).status_code == 202
            assert (await upload.result())["size"] == size
            grown = peak(server.pid) - before
    assert grown < 80 * MB, f"{grown / MB:.0f} MiB"


async def test_an_object_store_elsewhere(data: Path) -> None:
    """Not a folder: the same by the store's own means. It has no paths."""
    rb = Ringback("elsewhere", data=data, uploads="memory:///")
    content = os.urandom(2 * MB)

    @rb.on_upload("a/")
    async def handle(op: Operation, upload: Upload) -> dict[str, Any]:
        with pytest.raises(ConfigurationError, match="no path"):
            _ = upload.path
        with upload.open() as file:
            file.seek(-5, 2)
            tail = file.read()
            file.seek(10)
            middle = file.read(20)
        return {
            "read": sha256(await upload.read()),
            "bytes": sha256(upload.read_bytes()),
            "tail": tail.hex(),
            "middle": middle.hex(),
            "whole": sha256(upload.open().read()),
        }

    async with serve(rb) as url, client_of(url) as client:
        upload = await declared(client, "a/b", content, sha256=sha256(content))
        wrong = await upload.put(content[:-1] + bytes([content[-1] ^ 1]))
        assert wrong.status_code == 422
        await upload.put(content[:MB])
        assert (await upload.put(content[MB:], MB)).status_code == 202
        whole = sha256(content)
        assert await upload.result() == {
            "read": whole,
            "bytes": whole,
            "tail": content[-5:].hex(),
            "middle": content[10:30].hex(),
            "whole": whole,
        }


@pytest.mark.parametrize("kind", ["path", "url"])
async def test_a_folder_of_ones_own(data: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "a folder"
    rb = Ringback("own", data=data, uploads=str(folder) if kind == "path" else folder.as_uri())

    @rb.on_upload("")
    async def handle(upload: Upload) -> str:
        return str(upload.path)

    async with serve(rb) as url, client_of(url) as client:
        upload = await declared(client, "anything", b"x")
        await upload.put(b"x")
        (file,) = (folder / upload.id).glob("file-*")
        assert await upload.result() == str(file)


def test_handlers_that_cannot_be() -> None:
    rb = Ringback("wrong")

    with pytest.raises(ConfigurationError, match="annotated Upload"):

        @rb.on_upload("a/")
        async def unannotated(upload) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(ConfigurationError, match="annotated Upload"):

        @rb.on_upload("b/")
        async def two(upload: Upload, more: int) -> None: ...

    with pytest.raises(ConfigurationError, match="takes no key"):

        @rb.on_upload("c/", key=lambda upload: "x")  # type: ignore[call-arg]
        async def with_key(upload: Upload) -> None: ...

    @rb.on_upload("d e/")
    async def first(upload: Upload) -> None: ...

    with pytest.raises(ConfigurationError, match="Two handlers"):

        @rb.on_upload("d e/")
        async def second(upload: Upload) -> None: ...


async def test_a_store_that_cannot_be(data: Path) -> None:
    for setting in ("nonsense://x", "/proc/nowhere"):
        rb = Ringback("wrong", data=data, uploads=setting)

        @rb.on_upload("a/")
        async def handle(upload: Upload) -> None: ...

        with pytest.raises(ConfigurationError, match="RINGBACK_UPLOADS"):
            async with rb.running():
                pass
