"""One server, over its HTTP contract: bytes in, JSON objects and events out.

What belongs here: requests, what they show to be let in, and when they are sent again. What does
not: what an answer means to whoever asked (``operation``, ``messages``, ``uploads``).
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from ringback.client.answers import Fields, not_ours, problem_of, unreachable
from ringback.client.credentials import Credentials, GetToken
from ringback.client.tries import PAUSE_FIRST, TOLD_AT, Tries, worth_trying
from ringback.core.model import TERMINAL
from ringback.errors import ConfigurationError, InvalidInput, RingbackError
from ringback.wire.sse_client import Decoder, ReceivedEvent

CONNECT_TIMEOUT = 5.0
"""Seconds to reach the server."""
ANSWER_TIMEOUT = 40.0
"""Seconds without a byte after which a connection counts as lost: streams say something every
15 seconds, and an acceptance takes as long as a busy disk."""
PATIENCE = 300.0
"""Seconds a server that was reached before may be away: a deployment takes as long."""
REQUEST_PATIENCE = 30.0
"""Seconds for which a request is tried again: somebody waits for its answer."""
MAX_RENEWALS = 2
"""Other tokens that one request is tried with: the caller's, and a fresh one."""
FROM_THE_START = "earliest"
"""As a position: before the first event there is."""
Notice = Callable[[str], None]
"""Told, in a sentence for a person, what goes on while there is nothing else to see."""
Body = bytes | Callable[[], AsyncIterable[bytes]]
"""What a request carries; a function, where it is read anew for each try."""
JSON = {"content-type": "application/json"}
UNSENDABLE = (
    "This cannot be sent in a header: a token, a key or a position has no line breaks and no "
    "characters beyond ASCII. One that was read from a file may end with a line break: strip it."
)
T = TypeVar("T")


class Place:
    """Where a stream stands, over its connections."""

    def __init__(self, after: str | None) -> None:
        self.after = after
        self.retry: float | None = None
        """Seconds that the server asked to be left alone for."""


class Connection:
    """What there is between this program and one server. ``async with`` it."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        get_token: GetToken | None = None,
        patience: float = PATIENCE,
        notice: Notice = lambda text: None,
    ) -> None:
        """``token`` is a JWT, or one operation's own; that of a single request counts for more.
        ``get_token`` gives one where there is none, or where the server refuses the last.

        Raises ``ConfigurationError`` for the URL.
        """
        self.url = checked_url(url)
        self._credentials = Credentials(token, get_token)
        self._patience = patience
        self._notice = notice
        self._reached = False
        """Whether the server ever answered."""
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(ANSWER_TIMEOUT, connect=CONNECT_TIMEOUT),
            # Each stream takes a connection: how many there are is the caller's to say.
            limits=httpx.Limits(max_connections=None),
            headers={"user-agent": "ringback"},
            # Certificates take longer to be read than most commands take.
            verify=self.url.startswith("https:"),
            trust_env=not is_loopback(self.url),  # a proxy is never the way to this machine
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    # Requests

    async def persist(self, request: Callable[[], Awaitable[T]]) -> T:
        """Send a request that does no harm when it is sent twice, until it is answered.

        A server that was not reached at all is not waited for.
        """
        tries = Tries(min(self._patience, REQUEST_PATIENCE), reached=self._reached)
        while True:
            try:
                return await request()
            except RingbackError as error:
                if not worth_trying(error, tries):
                    raise
                pause = tries.pause(error.retry_after)
                if pause is None:
                    raise
                self._notice(f"{error.title}: trying again in {pause:.1f} s.")
                await asyncio.sleep(pause)

    async def submit(
        self, task: str, body: bytes, *, key: str, parameters: Mapping[str, str] | None = None
    ) -> Fields:
        """Submit; returns the acknowledgement.

        After a lost connection it tries again, with the same idempotency key, so that the work
        is accepted once.
        """
        path = f"/tasks/{quote(task, safe='')}"
        headers = {**JSON, **keyed(key)}
        return await self.persist(
            lambda: self.object("POST", path, "id", body, headers, parameters=parameters)
        )

    async def show(self, operation: str, *, token: str | None = None) -> Fields:
        """An operation as it stands."""
        return await self.object("GET", _path(operation), "id", token=token)

    async def result(self, operation: str, *, token: str | None = None) -> bytes:
        """The result of an operation that succeeded, as JSON, whatever its size."""
        return (await self.send("GET", _path(operation, "result"), token=token)).content

    async def find(self, parameters: Mapping[str, str]) -> Fields:
        """The caller's operations: ``{operations, next}``."""
        return await self.object("GET", "/operations", "operations", parameters=parameters)

    async def cancel(self, operation: str, *, token: str | None = None) -> Fields:
        """Ask an operation to stop."""
        return await self.object("POST", _path(operation, "cancel"), "id", token=token)

    async def redrive(self, operation: str, *, token: str | None = None) -> Fields:
        """Do a dead letter's work again; returns the new operation's acknowledgement."""
        return await self.object("POST", _path(operation, "redrive"), "id", token=token)

    async def forget(self, operation: str, *, token: str | None = None) -> None:
        """Delete an operation that has ended."""
        await self.send("DELETE", _path(operation), token=token)

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
        async with aclosing(self.events(path, Place(after), token=token)) as events:
            async for event in events:
                if event is None:
                    continue
                yield event
                if ends(event):
                    return

    # Topics

    async def publish(self, topic: str, body: bytes) -> Fields:
        """Publish a message, of JSON: ``{topic, position, listeners}``.

        It is tried once: nobody can tell whether a message whose answer was lost is there.
        """
        return await self.object("POST", _topic_path(topic), "listeners", body, JSON)

    async def presence(self, topic: str) -> Fields:
        """Who follows a topic."""
        return await self.object("GET", f"/presence/{quote(topic, safe='/')}", "connections")

    async def subscribe(
        self, filters: Sequence[str], *, after: str | None = None
    ) -> AsyncGenerator[ReceivedEvent]:
        """The messages of all topics that match, as they come or after a position, and ``gap``
        where some are gone; for ever. It comes back as ``follow`` does.
        """
        async with aclosing(self.events("/topics", Place(after), filters=filters)) as events:
            async for event in events:
                if event is not None:
                    yield event

    async def events(
        self, path: str, place: Place, *, token: str | None = None, filters: Sequence[str] = ()
    ) -> AsyncGenerator[ReceivedEvent | None]:
        """The events of a stream, over lost connections, until the server says there is no more;
        None where only its place has moved.
        """
        tries = Tries(self._patience, reached=self._reached)
        while True:
            try:
                opened = self._stream(path, place, token, filters, tries)
                async with aclosing(opened) as events:
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
        self, path: str, place: Place, token: str | None, filters: Sequence[str], tries: Tries
    ) -> AsyncGenerator[ReceivedEvent | None]:
        headers = {"accept": "text/event-stream"}
        if place.after is not None:
            headers["last-event-id"] = place.after
        parameters = httpx.QueryParams([("filter", filter) for filter in filters])
        decoder = Decoder()
        answer = await self._exchange(
            "GET", path, None, headers, token=token, parameters=parameters, stream=True
        )
        try:
            if answer.status_code == 204:
                raise _NothingMore
            if answer.status_code != 200:
                await answer.aread()
                raise problem_of(answer)
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                raise not_ours(answer)
            tries.contact()
            async for chunk in answer.aiter_bytes():
                for event in decoder.feed(chunk):
                    place.after = event.position or place.after
                    yield event
                place.after = decoder.position or place.after
                place.retry = decoder.retry
                yield None
        except httpx.HTTPError as error:
            raise unreachable(self.url, error) from error
        finally:
            await answer.aclose()

    # The wire

    async def _exchange(
        self,
        method: str,
        path: str,
        body: Body | None,
        headers: Mapping[str, str] | None,
        *,
        token: str | None,
        parameters: Mapping[str, str] | httpx.QueryParams | None = None,
        stream: bool = False,
    ) -> httpx.Response:
        """An answer, whatever it says; with another token if the first one is refused."""
        renewals = 0
        while True:
            shown = await self._credentials.shown(token)
            authorization = {"authorization": f"Bearer {shown}"} if shown else {}
            request = self._http.build_request(
                method,
                self.url + path,
                content=body() if callable(body) else body,
                params=parameters,
                headers=_sendable({**authorization, **(headers or {})}),
            )
            try:
                answer = await self._http.send(request, stream=stream)
            except httpx.HTTPError as error:
                raise unreachable(self.url, error) from error
            self._reached = True
            if answer.status_code != 401 or renewals == MAX_RENEWALS:
                return answer
            renewals += 1
            if not await self._credentials.replace(shown, token):
                return answer
            await answer.aclose()

    async def send(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        token: str | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer, if it is a good one; else its problem is raised."""
        answer = await self._exchange(
            method, path, body, headers, token=token, parameters=parameters
        )
        if not answer.is_success:
            raise problem_of(answer)
        return answer

    async def object(
        self,
        method: str,
        path: str,
        member: str | None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        token: str | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> Fields:
        """A JSON object that has this member (None: any), or it is no answer of Ringback's."""
        answer = await self.send(method, path, body, headers, token=token, parameters=parameters)
        try:
            found = msgspec.json.decode(answer.content, type=Fields)
        except msgspec.MsgspecError:
            raise not_ours(answer) from None
        if member is not None and member not in found:
            raise not_ours(answer)
        return found


class _NothingMore(Exception):
    """The server says that all there is has been read."""


def ends(event: ReceivedEvent) -> bool:
    """Whether an event says that the operation has ended."""
    if event.kind not in ("status", "snapshot"):
        return False
    return msgspec.json.decode(event.data, type=Fields).get("status") in TERMINAL


def keyed(key: str) -> dict[str, str]:
    """The header that has a request accepted once, however often it is sent."""
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')  # RFC 9651 §3.3.3
    return {"idempotency-key": f'"{escaped}"'}


def _sendable(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Headers, as they are. Raises ``InvalidInput``, which tells no value: it may be a token."""
    for value in headers.values():
        if not (value.isascii() and value.isprintable()):
            raise InvalidInput(UNSENDABLE)
    return headers


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


def is_loopback(url: str) -> bool:
    """Whether an address is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
