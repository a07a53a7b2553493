"""An HTTP API's events (payload format 2.0) to an ASGI application, and its answers back.

A function gives its answer whole: so a stream of events is cut once it has something in it, or
after as many seconds as ``Prefer: wait`` says, and EventSource asks for the rest by itself, with
the id of the last.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote, unquote

from ringback.edges.http.fields import preferences
from ringback.edges.http.message import Headers, problem_response
from ringback.errors import CapacityError, PayloadTooLarge, RingbackError
from ringback.lambdas.triggers import FUNCTION_URL, Event

MAX_ANSWER = 6 * 1024 * 1024
"""Bytes that a function may give back, in the JSON it gives it in."""
MAX_WAIT = 25.0
"""Seconds a request may wait, at most."""
RESERVE = 3.0
"""Seconds that are left for the answer when a request has waited."""
LAST = 2.5
"""Seconds that are left when one that is still not answered is cancelled."""
CUT = 0.05
"""Seconds that a stream's first event waits for others to go with it."""
PARTING = 1.0
"""Seconds that an application has to see that its client is gone, or that it is cancelled."""

App = Callable[..., Awaitable[None]]
_AS_IT_IS = "/:;=@!$&'()*+,~-._"
"""What a path has beside letters and digits, and is not encoded."""
_WAIT = re.compile(rb"(wait\s*=\s*)(\d+)")
_EVENT = re.compile(rb"(?:^|\n)data:")

_left: set[asyncio.Future[None]] = set()
"""Applications that go on though they were cancelled, as functions in threads do."""

log = logging.getLogger("ringback.lambda")


def scope_of(event: Event, context: Any, wait: float) -> MutableMapping[str, Any]:
    """The ASGI scope. ``wait``: seconds that it may ask to be waited for.

    An HTTP API's ``rawPath`` is decoded already, whatever its name says; a function URL's is not.
    (AWS documents neither. Seen at AWS: fastify/aws-lambda-fastify#169, where ``/a%2Fb`` comes as
    ``/a/b``, honojs/hono#2156, and the captures of hotsock/voker#8.)
    """
    request = event["requestContext"]
    asked = request["http"]
    raw: str = event.get("rawPath") or "/"
    encoded = FUNCTION_URL in request.get("domainName", "")
    stage = request.get("stage", "$default")
    root = ""
    if stage != "$default" and (raw + "/").startswith(f"/{stage}/"):
        root = f"/{stage}"
    headers: Headers = []
    for name, value in (event.get("headers") or {}).items():
        told = name.lower().encode("latin-1"), str(value).encode("latin-1", "replace")
        if told[0] == b"prefer":
            told = told[0], _WAIT.sub(lambda m: m[1] + _at_most(m[2], wait), told[1])
        headers.append(told)
    if event.get("cookies"):
        headers.append((b"cookie", "; ".join(event["cookies"]).encode("latin-1", "replace")))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": asked["method"],
        "scheme": "https",
        "path": unquote(raw) if encoded else raw,
        "raw_path": quote(raw, safe="%" + _AS_IT_IS if encoded else _AS_IT_IS).encode(),
        "root_path": root,
        "query_string": (event.get("rawQueryString") or "").encode("latin-1", "replace"),
        "headers": headers,
        "client": (asked.get("sourceIp", ""), 0),
        "server": (request.get("domainName", "localhost"), 443),
        "state": {},
        "aws.event": event,
        "aws.context": context,
    }


def _at_most(asked: bytes, wait: float) -> bytes:
    return b"%d" % min(int(asked[:6]), int(wait))


def body_of(event: Event) -> bytes:
    """The body as it was sent."""
    body: str = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


class Exchange:
    """One request and its answer."""

    def __init__(self, app: App, event: Event, context: Any, remaining: float) -> None:
        """``remaining``: seconds until the answer is of no use."""
        self._app = app
        self._remaining = remaining
        self._wait = max(0.0, min(MAX_WAIT, remaining - RESERVE))
        self._scope = scope_of(event, context, self._wait)
        prefer = dict(self._scope["headers"]).get(b"prefer", b"").decode("latin-1")
        _, asked = preferences(prefer)
        self._patience = self._wait if asked is None else min(self._wait, asked)
        self._body: bytes | None = body_of(event)
        self._status = 0
        self._headers: Headers = []
        self._parts: list[bytes] = []
        self._streams = self._whole = False
        self._told = asyncio.Event()
        """Whether a stream has something in it, or was waited for as long as it was asked for."""
        self._enough = False
        self._gone = asyncio.Event()

    async def run(self) -> dict[str, Any]:
        """The answer, as an HTTP API takes it."""
        begun = time.monotonic()
        end = begun + max(self._remaining - LAST, self._remaining / 2)
        serving = asyncio.ensure_future(self._app(self._scope, self._receive, self._send))
        telling = asyncio.ensure_future(self._told.wait())
        waiting = asyncio.get_running_loop().call_later(self._patience, self._waited)
        either = {serving, telling}
        late = False
        try:
            await asyncio.wait(either, timeout=self._wait, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done() and not self._streams:
                left = max(0.0, end - time.monotonic())
                await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                await serving
            elif self._streams:
                await asyncio.wait({serving}, timeout=CUT)
                parts = list(self._parts)
                self._gone.set()
                await asyncio.wait({serving}, timeout=PARTING)
                self._parts = parts  # what came since, the next request gets
            else:
                late = not self._whole  # of an answer that was begun, nobody has anything
        except Exception as error:
            log.error("%s %s failed.", self._scope["method"], self._scope["path"], exc_info=error)
            if not self._status:
                return self._refused(RingbackError())
        finally:
            waiting.cancel()
            telling.cancel()
            await self._end(serving, telling)
        if late:
            return self._refused(
                CapacityError(
                    f"No answer came in {end - begun:.0f} seconds, and API Gateway waits no "
                    "longer. The request was cancelled; some of it may be done. Let a task do "
                    "what takes so long: POST /tasks/… with Prefer: respond-async answers at "
                    "once, with where to follow it."
                )
            )
        if not self._status:
            return self._refused(CapacityError("The application gave no answer."))
        return self._answer()

    async def _end(self, serving: asyncio.Future[None], telling: asyncio.Future[Any]) -> None:
        """Cancel what still runs. A thread is not stopped by that, and not waited for."""
        _left.add(serving)
        serving.add_done_callback(_seen)
        if not serving.done() and not self._streams:
            asked = self._scope["method"], self._scope["path"]
            log.error("%s %s takes too long, and is cancelled.", *asked)
        serving.cancel()
        await asyncio.wait({serving, telling}, timeout=PARTING)

    async def _receive(self) -> MutableMapping[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(bytes(k).lower(), bytes(v)) for k, v in message.get("headers", ())]
            self._streams = any(
                name == b"content-type" and value.startswith(b"text/event-stream")
                for name, value in self._headers
            )
        elif message["type"] == "http.response.body":
            part = bytes(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if part:
                self._parts.append(part)
            if self._streams and (self._enough or _EVENT.search(part)):
                self._told.set()

    def _waited(self) -> None:
        """An event stream is to be answered, with whatever there is of it."""
        self._enough = True
        if self._streams and self._parts:
            self._told.set()

    def _refused(self, error: RingbackError) -> dict[str, Any]:
        response = problem_response(error)
        self._status, self._headers, self._parts = (
            response.status,
            response.headers,
            [response.body],
        )
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        headers: dict[str, str] = {}
        cookies: list[str] = []
        for key, value in self._headers:
            name, text = key.decode("latin-1"), value.decode("latin-1")
            if name == "set-cookie":
                cookies.append(text)
            elif name not in ("connection", "transfer-encoding"):
                headers[name] = f"{headers[name]}, {text}" if name in headers else text
        body = b"".join(self._parts)
        text, encoded, size = _encoded(body, headers)
        if size > MAX_ANSWER - 64 * 1024:  # the rest is for the headers
            return self._refused(
                PayloadTooLarge(
                    f"The answer has {len(body)} bytes; a function's may have {MAX_ANSWER}, as it "
                    "is encoded. Ask for a smaller part, or have it kept in S3 and give a link.",
                    limit=MAX_ANSWER,
                )
            )
        answer: dict[str, Any] = {
            "statusCode": self._status,
            "headers": headers,
            "body": text,
            "isBase64Encoded": encoded,
        }
        if cookies:
            answer["cookies"] = cookies
        return answer


def _seen(serving: asyncio.Future[None]) -> None:
    """An application has ended, and with what is of no interest any more."""
    _left.discard(serving)
    if not serving.cancelled():
        serving.exception()


def _encoded(body: bytes, headers: dict[str, str]) -> tuple[str, bool, int]:
    """A body as a function gives it, whether that is base64, and its size in the answer's JSON:
    as text where it is some, and then no longer than base64.
    """
    if "content-encoding" not in headers:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            pass
        else:
            # Of six bytes at most for each, only what is near the limit is worth counting.
            size = len(body) if len(body) < MAX_ANSWER // 8 else len(json.dumps(text))
            if size <= max(len(body) * 4 // 3, 1024):
                return text, False, size
    text = base64.b64encode(body).decode()
    return text, True, len(text)
