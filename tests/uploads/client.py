"""A client of uploads, as a page would be one: it declares, sends, asks, follows."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from tests.serving import until


@dataclass
class Declared:
    """A declared upload."""

    client: httpx.AsyncClient
    answer: httpx.Response

    @property
    def body(self) -> dict[str, Any]:
        return dict(self.answer.json())

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def url(self) -> str:
        return str(self.body["upload"]["url"])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.body['token']}"}

    async def put(
        self,
        data: bytes | AsyncIterable[bytes],
        offset: int | None = None,
        *,
        method: str = "PUT",
        **headers: str,
    ) -> httpx.Response:
        """Send bytes; keywords are headers, with ``_`` for ``-``."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        if offset is not None:
            more["Upload-Offset"] = str(offset)
        return await self.client.request(
            method, self.url, content=data, headers={**self.headers, **more}
        )

    async def show(self) -> dict[str, Any]:
        answer = await self.client.get(self.url, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def offset(self) -> int:
        return int((await self.show())["offset"])

    async def operation(self) -> dict[str, Any]:
        answer = await self.client.get(self.body["links"]["self"], headers=self.headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def ended(self) -> dict[str, Any]:
        """The operation, once it is terminal."""

        async def look() -> dict[str, Any] | None:
            seen = await self.operation()
            return seen if seen["status"] in ("succeeded", "failed", "cancelled") else None

        return dict(await until(look, 40.0))

    async def result(self) -> Any:
        seen = await self.ended()
        assert seen["status"] == "succeeded", seen
        return seen["result"]

    async def follow(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """The events of the operation's stream until it ends: kind and data."""
        kind = ""
        async with self.client.stream(
            "GET", self.body["links"]["events"], headers=self.headers, timeout=30
        ) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield kind, json.loads(line.removeprefix("data: "))

    async def wire(self, offset: int, length: int | None, **headers: str) -> "Wire":
        """A request on a bare connection, whose bytes are sent as the test wants."""
        base = urlsplit(str(self.client.base_url))
        lines = [
            f"PUT {self.url} HTTP/1.1",
            f"Host: {base.netloc}",
            f"Authorization: {self.headers['Authorization']}",
            f"Upload-Offset: {offset}",
            "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        reader, writer = await asyncio.open_connection(base.hostname, base.port)
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        return Wire(reader, writer, chunked=length is None)


class Wire:
    """One connection with a request under way."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, chunked: bool
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._chunked = chunked

    async def send(self, data: bytes) -> None:
        if self._chunked:
            data = b"%x\r\n%s\r\n" % (len(data), data)
        self._writer.write(data)
        await self._writer.drain()

    async def end(self) -> None:
        """The end of a chunked body."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def status(self) -> int:
        """The status of the answer."""
        line = await self._reader.readline()
        return int(line.split()[1])

    def cut(self) -> None:
        """Break the connection off."""
        self._writer.transport.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


def file_of(data: Path, upload: Declared) -> Path:
    """The only file there is of an upload, where they are kept in a folder."""
    (file,) = (data / "uploads" / upload.id).glob("file-*")
    return file


def names_of(data: Path, upload: Declared) -> list[str]:
    """What there is of it; a file by what its name begins with."""
    folder = data / "uploads" / upload.id
    return sorted(path.name.partition("-")[0] for path in folder.iterdir())


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def declare(
    client: httpx.AsyncClient,
    name: str,
    data: bytes | int,
    kind: str = "application/octet-stream",
    *,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Declared:
    """Declare an upload of these bytes, or of so many."""
    size = data if isinstance(data, int) else len(data)
    body = {"name": name, "size": size, "type": kind, **more}
    return Declared(client, await client.post("/uploads", json=body, headers=headers or {}))


async def declared(
    client: httpx.AsyncClient, name: str, data: bytes | int, **more: Any
) -> Declared:
    """The same, which has to be taken."""
    upload = await declare(client, name, data, **more)
    assert upload.answer.status_code == 201, upload.answer.text
    return upload
