"""One server, over its HTTP contract."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Self
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from ringback.client.answers import Fields, not_ours, problem_of, unreachable
from ringback.client.tries import PAUSE_FIRST, TOLD_AT, Tries, worth_trying
from ringback.core.model import TERMINAL
from ringback.errors import ConfigurationError, RingbackError
from ringback.wire.sse_client import Decoder, ReceivedEvent

CONNECT_TIMEOUT = 5.0
"""Seconds to reach the server."""
ANSWER_TIMEOUT = 40.0
"""Seconds without a byte after which a connection counts as lost: streams say something every
15 seconds, and an acceptance takes as long as a busy disk."""
PATIENCE = 300.0
"""Seconds a server that was reached before may be away: a deployment takes as long."""
SUBMIT_PATIENCE = 30.0
"""Seconds for which an acceptance is tried again: somebody waits for the tracking id."""
FROM_THE_START = "earliest"
"""As a position: before the first event there is."""
Notice = Callable[[str], None]
"""Told, in a sentence for a person, what goes on while there is nothing else to see."""


class Client:
    """A connection to one server. ``async with`` it."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        patience: float = PATIENCE,
        notice: Notice = lambda text: None,
    ) -> None:
        """``token`` is a JWT, or one operation's own; that of a single request counts for more.

        Raises ``ConfigurationError`` for the URL.
        """
        self.url = checked_url(url)
        self._token = token
        self._patience = patience
        self._notice = notice
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(ANSWER_TIMEOUT, connect=CONNECT_TIMEOUT),
            headers={"user-agent": "ringback"},
            # Certificates take longer to be read than most commands take.
            verify=self.url.startswith("https:"),
            trust_env=not _is_loopback(self.url),  # a proxy is never the way to this machine
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    # Requests

    async def submit(self, task: str, body: bytes, *, key: str) -> Fields:
        """Submit; returns the acknowledgement.

        After a lost connection it tries again, with the same idempotency key, so that the work
        is accepted once. A server that was not reached at all is not waited for.
        """
        tries = Tries(min(self._patience, SUBMIT_PATIENCE))
        headers = {"idempotency-key": f'"{key}"', "content-type": "application/json"}
        while True:
            try:
                return await self._object(
                    "POST", f"/tasks/{quote(task, safe='')}", "id", body, headers
                )
            except RingbackError as error:
                if not worth_trying(error, tries):
                    raise
                pause = tries.pause(error.retry_after)
                if pause is None:
                    raise
                self._notice(f"{error.title}: trying again in {pause:.1f} s.")
                await asyncio.sleep(pause)

    async def show(self, operation: str, *, token: str | None = None) -> Fields:
        """An operation as it stands."""
        return await self._object("GET", _path(operation), "id", token=token)

    async def result(self, operation: str, *, token: str | None = None) -> bytes:
        """The result of an operation that succeeded, as JSON, whatever its size."""
        return (await self._send("GET", _path(operation, "result"), token=token)).content

    async def find(self, parameters: Mapping[str, str]) -> Fields:
        """The caller's operations: ``{operations, next}``."""
        return await self._object("GET", "/operations", "operations", parameters=parameters)

    async def cancel(self, operation: str, *, token: str | None = None) -> Fields:
        """Ask an operation to stop."""
        return await self._object("POST", _path(operation, "cancel"), "id", token=token)

    async def redrive(self, operation: str, *, token: str | None = None) -> Fields:
        """Do a dead letter's work again; returns the new operation's acknowledgement."""
        return await self._object("POST", _path(operation, "redrive"), "id", token=token)

    async def forget(self, operation: str, *, token: str | None = None) -> None:
        """Delete an operation that has ended."""
        await self._send("DELETE", _path(operation), token=token)

    # Following

    async def follow(
        self, operation: str, *, token: str | None = None, after: str | None = None
    ) -> AsyncGenerator[ReceivedEvent]:
        """Every event of an operation until it ends: a snapshot first, or those after a position.

        Close it (``contextlib.aclosing``) when you leave before its end.

        A lost connection is made again after the last event that came, so nothing is missed and
        nothing comes twice. Raises ``Unreachable`` when the server was away for too long.
        """
        path = _path(operation, "events")
        async with aclosing(self._events(path, (), token, after)) as events:
            async for event in events:
                yield event
                if ends(event):
                    return

    # Topics

    async def publish(self, topic: str, body: bytes) -> Fields:
        """Publish a message, of JSON: ``{topic, position, listeners}``.

        It is tried once: nobody can tell whether a message whose answer was lost is there.
        """
        headers = {"content-type": "application/json"}
        return await self._object("POST", _topic_path(topic), "listeners", body, headers)

    async def subscribe(
        self, filters: Sequence[str], *, after: str | None = None
    ) -> AsyncGenerator[ReceivedEvent]:
        """The messages of all topics that match, as they come or after a position, and ``gap``
        where some are gone; for ever. It comes back as ``follow`` does.
        """
        parameters = [("filter", filter) for filter in filters]
        async with aclosing(self._events("/topics", parameters, None, after)) as events:
            async for event in events:
                yield event

    async def _events(
        self,
        path: str,
        parameters: Sequence[tuple[str, str]],
        token: str | None,
        after: str | None,
    ) -> AsyncGenerator[ReceivedEvent]:
        """The events of a stream, over lost connections, until the server says there is no more."""
        tries = Tries(self._patience)
        place = _Place(after)
        while True:
            try:
                async with aclosing(self._stream(path, parameters, token, place, tries)) as events:
                    async for event in events:
                        tries.count = 0
                        yield event
                pause = tries.pause(place.retry)  # a server that is stopping ends its streams
            except _NothingMore:
                return
            except RingbackError as error:
                if not worth_trying(error, tries):
                    raise
                pause = tries.pause(error.retry_after)
                if pause is None:
                    raise
            if tries.count == TOLD_AT:
                self._notice("The connection was lost; trying to get it back.")
            await asyncio.sleep(PAUSE_FIRST if pause is None else pause)

    async def _stream(
        self,
        path: str,
        parameters: Sequence[tuple[str, str]],
        token: str | None,
        place: _Place,
        tries: Tries,
    ) -> AsyncGenerator[ReceivedEvent]:
        headers = {"accept": "text/event-stream", **self._authorization(token)}
        if place.after is not None:
            headers["last-event-id"] = place.after
        decoder = Decoder()
        try:
            async with self._http.stream(
                "GET", self.url + path, params=httpx.QueryParams(list(parameters)), headers=headers
            ) as answer:
                if answer.status_code == 204:
                    raise _NothingMore
                if answer.status_code != 200:
                    await answer.aread()
                    raise problem_of(answer)
                kind = answer.headers.get("content-type", "")
                if not kind.startswith("text/event-stream"):
                    raise not_ours(answer)
                tries.contact()
                async for chunk in answer.aiter_bytes():
                    for event in decoder.feed(chunk):
                        place.after = event.position or place.after
                        yield event
                    place.after = decoder.position or place.after
                    place.retry = decoder.retry
        except httpx.HTTPError as error:
            raise unreachable(self.url, error) from error

    # The wire

    def _authorization(self, token: str | None) -> dict[str, str]:
        shown = token or self._token
        return {"authorization": f"Bearer {shown}"} if shown else {}

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        token: str | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        try:
            answer = await self._http.request(
                method,
                self.url + path,
                content=body,
                params=parameters,
                headers={**self._authorization(token), **(headers or {})},
            )
        except httpx.HTTPError as error:
            raise unreachable(self.url, error) from error
        if not answer.is_success:
            raise problem_of(answer)
        return answer

    async def _object(
        self,
        method: str,
        path: str,
        member: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        token: str | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> Fields:
        """A JSON object that has this member; else it is no answer of Ringback's."""
        answer = await self._send(method, path, body, headers, token=token, parameters=parameters)
        try:
            found = msgspec.json.decode(answer.content, type=Fields)
        except msgspec.MsgspecError:
            raise not_ours(answer) from None
        if member not in found:
            raise not_ours(answer)
        return found


class _NothingMore(Exception):
    """The server says that all there is has been read."""


class _Place:
    """Where a stream stands, over its connections."""

    def __init__(self, after: str | None) -> None:
        self.after = after
        self.retry: float | None = None
        """Seconds that the server asked to be left alone for."""


def ends(event: ReceivedEvent) -> bool:
    """Whether an event says that the operation has ended."""
    if event.kind not in ("status", "snapshot"):
        return False
    return msgspec.json.decode(event.data, type=Fields).get("status") in TERMINAL


def checked_url(url: str) -> str:
    """A base URL without its last slash. Raises ``ConfigurationError`` for what is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        cure = f"http://{url}" if "://" not in url else "http://127.0.0.1:8000"
        raise ConfigurationError(
            f"{url!r} is no address of a server: it begins with http:// or https://. "
            f"Perhaps you mean {cure}"
        )
    return url.rstrip("/")


def _path(operation: str, part: str = "") -> str:
    own = f"/operations/{quote(operation, safe='')}"
    return f"{own}/{part}" if part else own


def _topic_path(topic: str) -> str:
    return f"/topics/{quote(topic, safe='/')}"


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
