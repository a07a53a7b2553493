"""uvicorn's HTTP protocol, where it costs too much for what is most frequent.

The most frequent request is answered without a task: most of what an acceptance costs beside the
store is an asyncio task, the coroutines and messages of ASGI, a header at a time. A whole request
to submit is offered to the application as it lies there; what it does not take is done as ASGI
says, by the same protocol.

Connections that follow topics are handed over: an edge that finds ``EXTENSION`` in its scope may
take the transport, and whatever HTTP needed for the connection is let go. An edge that does not
find it speaks ASGI.

uvicorn's classes are no public interface: the versions are bounded, and without the methods
overridden here every request goes the long way.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ringback.edges.asgi import AsgiApp
from ringback.edges.handover import EXTENSION, Taker
from ringback.edges.http import Response, Scope

SUBMITTING = "/tasks/"
HEAD_WITHIN = 20.0
"""Seconds in which the head of a request has to be whole, from the connection or its first byte."""
MAX_HEAD = 128 * 1024
"""Bytes of a head that are read before its end, and of what stands between the pieces of a body and
behind them: more than is taken of a head that is whole, which is answered in words."""
BODY_SPELL = 60.0
"""Seconds in each of which a body has to bring so much, or its end: longer than an upload waits for
its next byte, which is answered."""
BODY_LEAST = 4 * 1024
"""Bytes: less than any line that people use, and too many for who wants to hold all connections."""
MAX_EARLY = 64 * 1024
"""Bytes a client may send behind its handshake before that is answered."""


def speaking_for(app: AsgiApp | None) -> Callable[..., asyncio.Protocol]:
    """The protocol for uvicorn's ``http``, serving this application and nothing in front of it; for
    None another, as ASGI says and within the same bounds.
    """
    return partial(Protocol, served=app)


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, served: AsgiApp | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._served = served
        self._offered: tuple[RequestResponseCycle, Any] | None = None
        """A request whose body may follow at once."""
        self._early: bytearray | None = None
        """What came behind a WebSocket's handshake, while that is being answered."""
        self._chunk = b""
        """What is being read just now."""
        self._in_head = False
        """Whether a request has begun, and its head is not whole."""
        self._framing = 0
        """Bytes that came for the same head, or between a body's own, but for the first time."""
        self._went_on = False
        """Whether something began, or went on, in what is being read just now."""
        self._hanging: asyncio.TimerHandle | None = None
        """Ends a connection that brings no whole head."""
        self._in_body = False
        """Whether a head is whole, and its body is not."""
        self._spell: asyncio.TimerHandle | None = None
        """Ends a connection whose body does not come."""
        self._came = 0
        """Bytes that came in this spell."""
        self._offering: RequestResponseCycle | None = None
        """The request that the connection may be taken for."""
        self._declined = False
        """Whether the request asks for another protocol that we do not speak."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._hanging = self.loop.call_later(HEAD_WITHIN, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_whole()
        self._body_is_whole()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._went_on = True

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes behind a body is no header (RFC 9110 §6.5.1), and no proxy looks at it as one.
        if not self._in_body:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._went_on = True
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._in_body = self._went_on = True
        self._head_is_whole()
        self._declined = self.parser.should_upgrade() and not self._should_upgrade()
        if not self._declined:
            super().on_headers_complete()

    def _head_is_whole(self) -> None:
        if self._hanging is not None:
            self._hanging.cancel()
            self._hanging = None

    def _body_is_whole(self) -> None:
        self._in_body = False
        if self._spell is not None:
            self._spell.cancel()
            self._spell = None

    def _look_at_body(self) -> None:
        """End a connection that holds its place for next to nothing."""
        # While we read nothing, for the application is to go on first, nothing can come; and who
        # waits for our 100 need not send anything.
        cycle: RequestResponseCycle | None = self.cycle
        ours = self.flow.read_paused or (cycle is not None and cycle.waiting_for_100_continue)
        if self._came < BODY_LEAST and not ours:
            self.transport.abort()
            return
        self._came = 0
        self._spell = self.loop.call_later(BODY_SPELL, self._look_at_body)

    def data_received(self, data: bytes) -> None:
        if self._early is not None:
            self._early += data
            if len(self._early) > MAX_EARLY:
                self.transport.abort()
            return
        self._chunk = data
        self._went_on = False
        super().data_received(data)
        self._chunk = b""
        if self._offered is not None:  # the body comes later, if it comes
            self._long_way()
        if not self._shaken:
            self._wait_for_more(len(data))

    def _wait_for_more(self, came: int) -> None:
        """Bound how long what has begun may take to come, and how much there may be of it."""
        self._framing = 0 if self._went_on else self._framing + came
        if self._framing > MAX_HEAD and (self._in_head or self._in_body):
            self._refuse_head()
            return
        if self._in_head:
            if self._hanging is None:
                self._hanging = self.loop.call_later(HEAD_WITHIN, self.transport.abort)
        elif self._in_body:
            self._came += came
            if self._spell is None:
                self._spell = self.loop.call_later(BODY_SPELL, self._look_at_body)
        elif self._rests:  # what came was no request, but an empty line, or an answered one's rest
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _refuse_head(self) -> None:
        """End a request whose head, or what frames its body, has no end."""
        if not self._in_head or not self._answered or self.transport.is_closing():
            self.transport.abort()
            return
        self.transport.write(STATUS_LINE[431] + b"connection: close\r\ncontent-length: 0\r\n\r\n")
        self.transport.close()

    @property
    def _shaken(self) -> bool:
        """Whether a WebSocket's handshake has come."""
        return self._early is not None

    @property
    def _answered(self) -> bool:
        """Whether all requests so far are."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    @property
    def _rests(self) -> bool:
        """Whether nothing is under way, and nothing says for how long."""
        timed = self._hanging is not None or self.timeout_keep_alive_task is not None
        return self._answered and not timed and not self.transport.is_closing()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        scope = cast(Scope, cycle.scope)
        if self._served is None:
            super()._start_asgi_task(cycle, app)
            return
        if (
            app is self.app  # and not uvicorn's own answer to too many connections
            and cycle is self.cycle
            and cycle.more_body
            and not cycle.waiting_for_100_continue
            and scope["path"].startswith(SUBMITTING)
        ):
            self._offered = cycle, app
            return
        if scope["method"] == "GET" and cycle is self.cycle:
            scope["extensions"] = {EXTENSION: self}
            self._offering = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        self._body_is_whole()
        if self._declined:
            return
        super().on_message_complete()
        if self._offered is None or self._served is None:
            return
        cycle = self._offered[0]
        pending = self._served.at_once(cast(Scope, cycle.scope), bytes(cycle.body))
        if pending is None:
            self._long_way()
            return
        self._offered = None
        stored, answer = pending
        stored.add_done_callback(lambda _: self._answer(cycle, answer()))

    def _long_way(self) -> None:
        offered, self._offered = self._offered, None
        if offered is not None:
            super()._start_asgi_task(*offered)

    def _answer(self, cycle: RequestResponseCycle, response: Response) -> None:
        """Write an answer in one piece."""
        if cycle.disconnected:
            return
        lines = [STATUS_LINE[response.status]]
        for name, value in (*cycle.default_headers, *response.headers):
            lines += (name, b": ", value, b"\r\n")
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"content-length: %d\r\n\r\n" % len(response.body))
        lines.append(response.body)
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self.transport.write(b"".join(lines))
        if not cycle.keep_alive:
            self.transport.close()
        on_response, cycle.on_response = cycle.on_response, _nothing
        on_response()

    # Handing over

    def take(self, taker: Taker, head: bytes) -> bool:
        """Give the connection to whoever takes it, with the first bytes of the answer written.

        False: the client has gone.
        """
        transport = self.transport
        if transport.is_closing():
            return False
        self._unset_keepalive_if_required()
        self._head_is_whole()  # of another, begun behind this one
        self._body_is_whole()
        self.flow.resume_reading()
        # The answer is none of ASGI's any more. What came behind the request, on a connection that
        # ends with this answer, gets none.
        self.pipeline.clear()
        offering, self._offering = self._offering, None
        if offering is not None:
            offering.disconnected = True
            offering.message_event.set()
            offering.on_response = _nothing
        early, self._early = self._early, None
        self.connections.discard(self)
        transport.set_protocol(taker)
        taker.kept_in(self.connections)
        self.connections.add(cast(Any, taker))
        # What HTTP needed refers to itself in circles, and would be there until it is collected.
        self.parser = self.cycle = self.flow = self.transport = None  # type: ignore[assignment]
        transport.write(head)
        taker.connection_made(transport)
        if early:
            taker.data_received(bytes(early))
        return True

    def refuse(self, answer: bytes) -> None:
        """Answer a handshake with something else, and close."""
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def _should_upgrade_to_ws(self) -> bool:
        return self._served is not None or super()._should_upgrade_to_ws()

    def _unsupported_upgrade_warning(self) -> None:
        """Read a request again as if it asked for no other protocol (RFC 9110 §7.8). The parser has
        given up its body, which it would take for the next request: whoever is behind a proxy that
        passes these fields on could have it answer others with what is in there.
        """
        stopped = sys.exception()
        method, self._declined = self.parser.get_method(), False
        if method == b"CONNECT" or not isinstance(stopped, httptools.HttpParserUpgrade):
            self.send_400_response("This is no proxy.")
            return
        lines = [method, b" ", self.url, b" HTTP/%b\r\n" % self.parser.get_http_version().encode()]
        for name, value in self.headers:
            if name == b"connection":
                kept = [each for each in value.split(b",") if each.strip().lower() != b"upgrade"]
                lines += (name, b": ", b",".join(kept), b"\r\n")
            elif name != b"upgrade":
                lines += (name, b": ", value, b"\r\n")
        rest = self._chunk[stopped.args[0] :]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self.data_received(b"".join((*lines, b"\r\n", rest)))

    def handle_websocket_upgrade(self) -> None:
        # The parser says by how it stops where the head ends, and uvicorn passes over the rest.
        stopped = sys.exception()
        end = stopped.args[0] if isinstance(stopped, httptools.HttpParserUpgrade) else None
        self._early = bytearray(self._chunk[end:] if end is not None else b"")
        if not self._answered:
            # Taken now, the answers before it would come among frames. A client has to wait for
            # them (RFC 9112 §9.3.2): it gets them, and is to come again for this.
            self.cycle.keep_alive = False
            return
        served = self._served
        if served is None:
            super().handle_websocket_upgrade()
            return
        try:
            url = httptools.parse_url(self.url)
        except httptools.HttpParserInvalidURLError:
            self.send_400_response("The address of this request is no URL.")
            return
        raw_path = url.path or b"/"  # RFC 9110 §4.2.3: an empty one is the same
        path = raw_path.decode("ascii")
        scope = cast(Scope, self.scope)
        scope.update(
            type="websocket",
            scheme="wss" if self.scheme == "https" else "ws",
            path=unquote(path) if "%" in path else path,
            raw_path=raw_path,
            query_string=url.query or b"",
            extensions={EXTENSION: self},
        )
        task = self.loop.create_task(served(scope, _no_messages, _no_answer))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)


async def _no_messages() -> Any:
    raise RuntimeError("A WebSocket that can be taken is not spoken to through ASGI.")


async def _no_answer(message: Any) -> None:
    raise RuntimeError("A WebSocket that can be taken is not answered through ASGI.")


def _nothing() -> None:
    """What a cycle whose answer is written has left to do; it holds on to no connection."""
