"""A connection that is begun while its token is revoked, or while the process stops, is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringback import Ringback
from ringback.core.model import Page, Position
from tests.edges.mercure.hub import BOOK, hub
from tests.edges.mercure.hub import bearer as mercure_bearer
from tests.edges.topics.application import PATHS, Source
from tests.edges.topics.application import served as topics_served
from tests.edges.websocket.talking import WAYS, token
from tests.edges.websocket.talking import served as websocket_served
from tests.security.keys import SECRET, bearer
from tests.serving import until

LIMIT = 60.0
"""Seconds until a connection is ended that is to be."""
ENDS = ("revoked", "stopping")


class Disk:
    """The engine of an application, slow to say where the journal ends: what a process asks when
    its first follower comes, whose token has been looked at by then.
    """

    def __init__(self, rb: Ringback, monkeypatch: pytest.MonkeyPatch) -> None:
        self._rb = rb
        self.asked = False
        self._free = asyncio.Event()
        kind: Any = type(rb.started.service.engine)
        follow: Callable[..., Any] = kind.follow

        async def slow(engine: Any, after: Position | None, limit: int) -> Page:
            page: Page = await follow(engine, after, limit)
            self.asked = True
            await self._free.wait()
            return page

        monkeypatch.setattr(kind, "follow", slow)

    async def go_on_after(self, end: str) -> None:
        """Have the subject ``ann`` revoked, or the process stop, before the disk answers."""
        await until(lambda: self.asked)
        if end == "revoked":
            await self._rb.revoke(subject="ann")
        else:
            self._rb.started.hub.close()
        self._free.set()


def nothing_is_held(rb: Ringback) -> bool:
    http = rb.started.http
    return not (rb.started.hub.followers or len(http.keeper) or http.places._open)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("path", PATHS)
async def test_a_stream(data: Path, path: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with topics_served(data, path, jwt_secret=SECRET) as (rb, http):
        disk = Disk(rb, monkeypatch)
        ann = {"Authorization": bearer("ann", topics={"subscribe": ["#"]})}
        source = Source(http.base_url, "log/a", headers=ann)
        await disk.go_on_after(end)
        async with asyncio.timeout(LIMIT):
            await source.ended()
        assert source.data == []
        await until(lambda: nothing_is_held(rb), LIMIT)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("path", PATHS)
async def test_a_stream_of_mercure(
    data: Path, path: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hub(data, path) as served:
        disk = Disk(served.rb, monkeypatch)
        ann = mercure_bearer(None, ["*"], subject="ann")
        subscriber = served.follow(BOOK, headers=ann)
        opening = asyncio.ensure_future(subscriber.__aenter__())
        await disk.go_on_after(end)
        await until(lambda: subscriber.ended, LIMIT)
        await opening
        await until(lambda: nothing_is_held(served.rb), LIMIT)


@pytest.mark.parametrize(("end", "code"), list(zip(ENDS, (4409, 4500), strict=True)))
@pytest.mark.parametrize("way", WAYS)
async def test_a_websocket(
    data: Path, way: str, end: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with websocket_served(data, way) as server:
        rb = server.application
        disk = Disk(rb, monkeypatch)
        ending = asyncio.ensure_future(disk.go_on_after(end))
        async with server.talk(token=token("ann")) as talk:
            assert await talk.closed() == code
        await ending
        await until(lambda: nothing_is_held(rb), LIMIT)
