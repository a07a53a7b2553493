"""An application that runs elsewhere, over its HTTP contract.

What belongs here: requests, retries that are safe, and following an operation over lost
connections. What does not: how anything is shown (``cli``). A server's problem is raised as
the same class of error that the server raised.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
import msgspec

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
TOLD_AT = 2
"""Tries in vain at which a person is told: the first may be a server changing over."""
PAUSE_FIRST = 0.5
"""Seconds the first pause before a new try takes at most; it doubles with each."""
PAUSE_MAX = 10.0
"""Seconds between two tries at most."""
FROM_THE_START = "earliest"
"""As a position: before the first event there is."""
SOON = frozenset({429, 500, 502, 503, 504})
"""Statuses that say: not now. The middle ones come from proxies, while the server restarts."""

Fields = dict[str, Any]
"""A JSON object of the contract."""
Notice = Callable[[str], None]
"""Told, in a sentence for a person, what goes on while there is nothing else to see."""


class Unreachable(RingbackError):
    """The server cannot be reached. Check its address, and whether it runs."""

    code = "unreachable"
    status = 503
    title = "Unreachable"
    retryable = True


class Refused(RingbackError):
    """The server refused the request."""

    code = "refused"
    title = "Refused"

    def __init__(self, detail: str | None = None, /, **fields: object) -> None:
        """``fields`` are those of the server's problem, its status among them."""
        super().__init__(detail, **fields)
        found = fields.get("status")
        self.http_status = found if isinstance(found, int) else self.status


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
        tries = _Tries(min(self._patience, SUBMIT_PATIENCE))
        headers = {"idempotency-key": f'"{key}"', "content-type": "application/json"}
        while True:
            try:
                return await self._object(
                    "POST", f"/tasks/{quote(task, safe='')}", "id", body, headers
                )
            except RingbackError as error:
                if not _worth_trying(error, tries):
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
        tries = _Tries(self._patience)
        while True:
            try:
                async with aclosing(self._stream(operation, token, after, tries)) as events:
                    async for event in events:
                        tries.count = 0
                        after = event.position or after
                        yield event
                        if ends(event):
                            return
                pause = tries.pause(None)  # a server that is stopping ends its streams in order
            except _NothingMore:
                return
            except RingbackError as error:
                if not _worth_trying(error, tries):
                    raise
                pause = tries.pause(error.retry_after)
                if pause is None:
                    raise
            if tries.count == TOLD_AT:
                self._notice("The connection was lost; trying to get it back.")
            await asyncio.sleep(PAUSE_FIRST if pause is None else pause)

    async def _stream(
        self, operation: str, token: str | None, after: str | None, tries: _Tries
    ) -> AsyncGenerator[ReceivedEvent]:
        headers = {"accept": "text/event-stream", **self._authorization(token)}
        if after is not None:
            headers["last-event-id"] = after
        decoder = Decoder()
        try:
            async with self._http.stream(
                "GET", self.url + _path(operation, "events"), headers=headers
            ) as answer:
                if answer.status_code == 204:
                    raise _NothingMore
                if answer.status_code != 200:
                    await answer.aread()
                    raise problem_of(answer)
                kind = answer.headers.get("content-type", "")
                if not kind.startswith("text/event-stream"):
                    raise _not_ours(answer)
                tries.contact()
                async for chunk in answer.aiter_bytes():
                    for event in decoder.feed(chunk):
                        yield event
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
            raise _not_ours(answer) from None
        if member not in found:
            raise _not_ours(answer)
        return found


class _NothingMore(Exception):
    """The server says that all there is has been read."""


class _Tries:
    """How often something was tried in vain, and for how long."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: float | None = None
        self.reached = False
        """Whether the server ever answered."""
        self.count = 0

    def contact(self) -> None:
        """The server answers."""
        self.reached, self._since = True, None

    def pause(self, retry_after: float | None) -> float | None:
        """Seconds to wait before the next try; None when there is to be none.

        Exponential with full jitter, so that clients that lost one server do not come back as
        one; never before the server asked for.
        """
        ceiling = min(PAUSE_MAX, PAUSE_FIRST * 2 ** min(self.count, 16))
        pause = max(random.uniform(0, ceiling), retry_after or 0.0)  # noqa: S311 - no secret
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if now + pause - self._since > self._patience:
            return None
        self.count += 1
        return pause


def _worth_trying(error: RingbackError, tries: _Tries) -> bool:
    """Whether the same request may succeed in a while."""
    if isinstance(error, Unreachable):
        # Nothing there at the first contact is more likely a wrong address than a restart.
        return tries.reached or tries.count > 0 or bool(error.fields.get("connected"))
    if isinstance(error, Refused):
        return error.http_status in SOON
    return error.retryable


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


def unreachable(url: str, error: httpx.HTTPError) -> Unreachable:
    """What happened to a connection, in words that lead somewhere."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Unreachable(
            f"Nothing answers at {url}. Is the server running (`ringback run`)? "
            "Give its address with --url or RINGBACK_URL, or a data folder with --data.",
            url=url,
        )
    if isinstance(error, httpx.TimeoutException):
        text = f"{url} did not answer in time."
    else:
        text = f"The connection to {url} was lost ({type(error).__name__})."
    return Unreachable(text, url=url, connected=True)


def problem_of(answer: httpx.Response) -> RingbackError:
    """The error in an answer: of the class the server raised, where that is known here."""
    try:
        problem = msgspec.json.decode(answer.content, type=Fields)
    except msgspec.MsgspecError:
        return _not_ours(answer)
    kind = str(problem.get("type", ""))
    detail = problem.pop("detail", None)
    known = _classes().get(kind.rpartition(":")[2])
    retry_after = answer.headers.get("retry-after", "")
    if retry_after.isdigit():
        problem.setdefault("retry_after", int(retry_after))
    if known is None or known.status != answer.status_code:
        return Refused(detail, **{**problem, "status": answer.status_code})
    for name in ("type", "title", "status"):
        problem.pop(name, None)
    return known(detail, **problem)


def _classes() -> dict[str, type[RingbackError]]:
    """The errors that requests can meet, by their code."""
    found: dict[str, type[RingbackError]] = {}
    waiting: list[type[RingbackError]] = [RingbackError]
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        if kind.__init__ is RingbackError.__init__:
            found.setdefault(kind.code, kind)
    return found


def _not_ours(answer: httpx.Response) -> Refused:
    kind = answer.headers.get("content-type", "nothing").partition(";")[0]
    return Refused(
        f"{answer.url.copy_with(query=None)} answered {answer.status_code} with {kind}, not as "
        "Ringback does. Check the address: it may be another server, or lack a path's prefix.",
        status=answer.status_code,
    )


def _path(operation: str, part: str = "") -> str:
    own = f"/operations/{quote(operation, safe='')}"
    return f"{own}/{part}" if part else own


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
