"""uvicorn's HTTP protocol, which has the most frequent request answered without a task.

Most of what an acceptance costs beside the store is not ours: an asyncio task, the coroutines
and messages of ASGI, a header at a time. A whole request to submit is offered to the application
as it lies there; what it does not take is done as ASGI says, by the same protocol.

uvicorn's classes are no public interface: the versions are bounded, and without the method
overridden here every request goes the long way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ringback.edges.asgi import AsgiApp
from ringback.edges.http import Response, Scope

SUBMITTING = "/tasks/"


def speaking_for(app: AsgiApp) -> Callable[..., asyncio.Protocol]:
    """The protocol for uvicorn's ``http``, serving this application and nothing in front of it."""
    return partial(Protocol, served=app)


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, served: AsgiApp, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._served = served
        self._offered: tuple[RequestResponseCycle, Any] | None = None
        """A request whose body may follow at once."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._offered is not None:  # the body comes later, if it comes
            self._long_way()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if (
            app is self.app  # and not uvicorn's own answer to too many connections
            and cycle is self.cycle
            and cycle.more_body
            and not cycle.waiting_for_100_continue
            and cycle.scope["path"].startswith(SUBMITTING)
        ):
            self._offered = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._offered is None:
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


def _nothing() -> None:
    """What a cycle whose answer is written has left to do; it holds on to no connection."""
