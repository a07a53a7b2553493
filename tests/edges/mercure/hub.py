"""A hub for tests, and whoever talks to it: publishers, and subscribers that come back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
from joserfc import jwk

from ringback import Ringback
from tests.edges.mercure.events import Event, Stream
from tests.security.keys import SECRET, claims_of, sign
from tests.serving import serve, until

HUB = "/.well-known/mercure"
BOOK = "https://example.com/books/1"
PATHS = ("raw", "queued")
"""How a stream leaves: on a connection that is handed over, or through plain ASGI."""

Query = Mapping[str, str | Sequence[str]]


def token(
    publish: Sequence[str] | None = None,
    subscribe: Sequence[str] | None = None,
    *,
    subject: str | None = None,
    kind: str = "JWT",
    payload: object = None,
    **claims: Any,
) -> str:
    """A token of draft 07; of 08 with `authorization_details` and the `kind` at+jwt."""
    claim = {"publish": publish, "subscribe": subscribe, "payload": payload}
    given = {name: value for name, value in claim.items() if value is not None}
    if given:
        claims["mercure"] = given
    key = jwk.OctKey.import_key(SECRET)
    return sign(claims_of(subject, **claims), key, "HS256", typ=kind)


def bearer(*grants: Any, **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(*grants, **claims)}"}


EVERYTHING = bearer(["*"], ["*"])


class Subscriber:
    """Somebody who follows; as a context manager, who does so until its end."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        query: Query,
        headers: Mapping[str, str] | None = None,
        *,
        last_id: str = "",
        method: str = "GET",
    ) -> None:
        self._client = client
        self._headers = dict(headers or {})
        if last_id:
            self._headers["Last-Event-ID"] = last_id
        self._request: dict[str, Any] = {"method": method, "url": HUB}
        self._request["params" if method == "GET" else "data"] = query
        self.stream = Stream(last_id=last_id, _id=last_id)
        self.events: list[Event] = []
        self.answer: httpx.Response | None = None
        self.ended = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        task = self._task = asyncio.ensure_future(self._run())
        await until(lambda: self.answer is not None or task.done())
        if task.done():
            task.result()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        async with self._client.stream(**self._request, headers=self._headers) as answer:
            if answer.status_code != 200:
                await answer.aread()
                self.answer = answer
                return
            async for data in answer.aiter_raw():
                self.events += self.stream.feed(data)
                self.answer = answer  # with the first bytes it follows
        self.ended = True

    @property
    def data(self) -> list[str]:
        return [event.data for event in self.events]

    async def got(self, *data: str) -> list[Event]:
        """Wait until exactly these came."""
        await until(lambda: len(self.events) >= len(data))
        assert self.data == list(data)
        return self.events

    @property
    def before(self) -> str | None:
        """What the answer says was before the first event, in both drafts' headers."""
        assert self.answer is not None
        said: str | None = self.answer.headers.get("mercure-last-event-id")
        assert said == self.answer.headers.get("last-event-id")
        return said


class Hub:
    """A served application, and a client of it."""

    def __init__(self, rb: Ringback, client: httpx.AsyncClient) -> None:
        self.rb = rb
        self.client = client

    async def publish(
        self,
        topic: str | Sequence[str] = BOOK,
        data: str = "",
        headers: Mapping[str, str] = EVERYTHING,
        **fields: str,
    ) -> str:
        """Publish an update; its id."""
        form: dict[str, Any] = {"topic": topic, "data": data, **fields}
        answer = await self.client.post(HUB, data=form, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        return answer.text

    def follow(
        self, *topics: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Subscriber:
        """A subscriber of draft 07; `headers` are those of one with all grants."""
        given = EVERYTHING if headers is None else headers
        return Subscriber(self.client, {"topic": topics}, given, **more)

    def match(self, query: Query, **more: Any) -> Subscriber:
        """A subscriber of draft 08."""
        return Subscriber(self.client, query, more.pop("headers", EVERYTHING), **more)


@contextlib.asynccontextmanager
async def hub(data: Path, path: str = "raw", **settings: Any) -> AsyncIterator[Hub]:
    """A hub with keys, on which undeclared topics are open."""
    given: dict[str, Any] = {
        "open_topics": True,
        "jwt_secret": SECRET,
        "grace": 1,
        "publish_rate": 0,
    }
    app = Ringback("mercure", data=data, **({"mercure": True} | given | settings))
    app.topic("https://example.com/open/{id}", subscribe="anyone")
    app.topic("https://example.com/declared/{id}")
    app.topic("https://example.com/passing/{id}", durable=False)
    app.topic("https://example.com/short/{id}", count=4)
    app.topic("https://example.com/gauges/{id}", subscribe="anyone", retained=True)
    options = {"http": "httptools"} if path == "queued" else {}
    async with (
        serve(app, **options) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
    ):
        yield Hub(app, client)
