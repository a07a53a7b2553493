"""The application that the tests of topics talk to, and an EventSource that comes back.

Imported by tests in this process, and by a server in a process of its own (`rb`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel

from ringback import Operation, Ringback
from tests.edges.eventsource import Connection, Event, Parser
from tests.serving import serve, until

PATHS = ("raw", "queued")
"""How a stream leaves: on a connection that is handed over, or through plain ASGI."""


class Price(BaseModel):
    cents: int


def application(data: Path | None = None, **settings: Any) -> Ringback:
    """An application with a topic of each kind."""
    app = Ringback("topics", data=data, **{"grace": 1, "publish_rate": 0, **settings})
    app.topic("chat/{room}", subscribe="anyone", publish="signed_in")
    app.topic("prices/{item}", model=Price)
    app.topic("gauge/{id}", coalesce=True, retained=True)
    app.topic("now/{id}", durable=False)
    app.topic("short/{id}", count=4)
    app.topic("own/{owner}/news", subscribe=lambda claims, owner: claims.subject == owner)
    app.topic("log/#")

    @app.task
    async def count(op: Operation, to: int) -> int:
        for number in range(to):
            await op.send(number)
            await op.publish("log/count", number)
        return to

    return app


@contextlib.asynccontextmanager
async def served(
    data: Path, path: str = "raw", **settings: Any
) -> AsyncIterator[tuple[Ringback, httpx.AsyncClient]]:
    """It, served from this event loop, and a client of it."""
    app = application(data, **settings)
    options = {"http": "httptools"} if path == "queued" else {}
    async with (
        serve(app, **options) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
    ):
        yield app, client


async def publish(client: httpx.AsyncClient, topic: str, *values: object) -> list[str]:
    """Publish messages, in order; their positions."""
    found = []
    for value in values:
        answer = await client.post(f"/topics/{topic}", json=value)
        assert answer.status_code in (201, 202), answer.text
        found.append(answer.json()["position"])
    return found


class Source:
    """An EventSource on topics, in a task; it comes back after the last id, until it is closed."""

    def __init__(
        self,
        url: object,
        *filters: str,
        path: str = "/topics",
        last_id: str = "",
        headers: dict[str, str] | None = None,
        comes_back: bool = False,
        cuts: Sequence[int] = (),
        **query: str | list[str],
    ) -> None:
        """``cuts``: after how many bytes its first connections are cut."""
        self._url = str(url).rstrip("/")
        self._path = path
        self._query: dict[str, str | list[str]] = {"filter": list(filters), **query}
        self._headers = headers or {}
        self._comes_back = comes_back
        self._cuts = list(cuts)
        self.parser = Parser(last_id=last_id, _id=last_id)
        self.events: list[Event] = []
        self.connection: Connection | None = None
        self.connections = 0
        self.opened = asyncio.Event()
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while True:
            last_id = self.parser.last_id
            self.parser = Parser(last_id=last_id, _id=last_id, retry=self.parser.retry)
            connection = Connection(self._url, self._path, self._query, last_id, **self._headers)
            self.connection = connection
            self.connections += 1
            cut_at = self._cuts.pop(0) if self._cuts else None
            with contextlib.suppress(OSError):
                async with contextlib.aclosing(connection.body(cut_at)) as body:
                    async for data in body:
                        self.opened.set()
                        self.events += self.parser.feed(data)
            self.opened.set()
            if not self._comes_back:
                return
            await asyncio.sleep(0.01)  # its own back-off

    @property
    def data(self) -> list[Any]:
        """What the messages carried."""
        return [event.data["data"] for event in self.events if event.kind == "message"]

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    async def until(self, count: int) -> list[Event]:
        """Its events, once there are so many."""
        await until(lambda: len(self.events) >= count)
        return self.events

    async def ended(self) -> None:
        """Wait until it has ended."""
        async with asyncio.timeout(60):
            await self._task

    async def __aenter__(self) -> Source:
        async with asyncio.timeout(60):
            await self.opened.wait()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


def offset(position: str) -> int:
    """The number in a position."""
    return int(position.partition(",")[0].rpartition("-")[2])


def page(answer: httpx.Response) -> tuple[list[Any], str]:
    """The data of a page's messages, and where to go on."""
    assert answer.status_code == 200, answer.text
    found = json.loads(answer.text)
    assert set(found) == {"messages", "position", "gap", "missed"}
    return [message["data"] for message in found["messages"]], found["position"]


rb = application()
