"""What a started application does with each kind of event."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ringback.errors import ConfigurationError
from ringback.lambdas.http import App, Exchange
from ringback.lambdas.outside import Outside
from ringback.lambdas.parts import Parts, Table
from ringback.lambdas.posts import Posts
from ringback.lambdas.pushes import Pushes
from ringback.lambdas.queues import Queues
from ringback.lambdas.sockets import Sockets, authorize
from ringback.lambdas.streams import Bus, Streams, sequence_failures
from ringback.lambdas.triggers import Event
from ringback.lambdas.upkeep import Upkeep
from ringback.lambdas.work import Work
from ringback.ports import Connections, Streamed

if TYPE_CHECKING:
    from ringback.lambdas.handler import Served

LOOK_EVERY = (0.25, 1.0)
"""Seconds between two looks at the store while a request waits: nothing tells of news, and each is
a read. The first is soon, since most work is done soon; then it is less often."""
REFRESH_EVERY = 5.0
"""Seconds after which it is asked which tokens were revoked since."""
FLUSH = 5.0
"""Seconds that what was begun may take before an answer goes out: it is stored, and queues that do
not answer are no reason for its caller not to know. What is left goes on when the process does."""
AT_LAST = 0.5
"""Seconds of what is left for the answer that it takes to go out."""

log = logging.getLogger("ringback.lambda")


class Functions:
    """One application, started."""

    def __init__(self, served: Served, app: App) -> None:
        self._service = served.service
        self._hub = served.hub
        self._uploads = served.uploads
        self._websocket = served.websocket
        self._app = app
        self._refreshed_at = time.time()
        """By the clock on the wall: that of a process may stand while it is frozen."""

    # Their parts, each made when it is first asked for: most functions need one

    @cached_property
    def queues(self) -> Queues:
        return Queues(self._service.settings)

    @cached_property
    def posts(self) -> Posts:
        return Posts(self._service.settings.aws_socket_url)

    @cached_property
    def parts(self) -> Parts:
        return Parts(self._service, self._websocket.context, self.table, self.posts)

    @property
    def table(self) -> Table:
        engine = self._service.engine
        if not isinstance(engine, Connections) or not isinstance(engine, Streamed):
            raise ConfigurationError(
                "WebSockets of API Gateway and streams take a store that functions share. Set "
                "RINGBACK_ENGINE to dynamodb:TABLE."
            )
        table: Any = engine
        return table  # type: ignore[no-any-return]

    @cached_property
    def sockets(self) -> Sockets:
        return Sockets(self.parts)

    @cached_property
    def streams(self) -> Streams:
        return Streams(
            self._service, self.table, Pushes(self.parts), self.queues, Bus(self._service)
        )

    @cached_property
    def work(self) -> Work:
        return Work(self._service, self.queues)

    @cached_property
    def outside(self) -> Outside:
        return Outside(self._service, self._uploads)

    @cached_property
    def upkeep(self) -> Upkeep:
        return Upkeep(self._service, self._uploads, self.queues)

    # Events

    async def woken(self) -> None:
        """The process goes on, perhaps after a long time: what it knew may be old."""
        self._hub.rest()
        if not 0 <= time.time() - self._refreshed_at <= REFRESH_EVERY:
            await self._service.revocations.refresh()
            self._refreshed_at = time.time()

    async def done(self, left: float) -> None:
        """The process may be frozen from here on: send what was begun to be.

        ``left``: seconds until the answer is of no use.
        """
        engine = self._service.engine
        if isinstance(engine, Streamed):
            try:
                await asyncio.wait_for(engine.flush(), max(0.1, min(FLUSH, left - AT_LAST)))
            except TimeoutError:
                log.warning("Queues do not answer; what they are not told, the backstop tells.")

    async def http(self, event: Event, context: Any, remaining: float) -> dict[str, Any]:
        """A request."""
        ringing = asyncio.ensure_future(self._ring())
        try:
            return await Exchange(self._app, event, context, remaining).run()
        finally:
            ringing.cancel()

    async def _ring(self) -> None:
        """Have whoever waits look again: there is no tail of the store to tell of news."""
        pause, longest = LOOK_EVERY
        while True:
            await asyncio.sleep(pause)
            self._hub.ring_all()
            pause = min(pause * 1.5, longest)

    async def authorize(self, event: Event) -> dict[str, Any]:
        """Who may come in."""
        return await authorize(self.parts, event)

    async def queue(self, records: Sequence[Mapping[str, Any]], remaining: float) -> dict[str, Any]:
        """A batch of messages."""
        return sequence_failures(await self.work.handle(records, remaining))

    async def stream(
        self, records: Sequence[Mapping[str, Any]], remaining: float, *, backstop: bool
    ) -> dict[str, Any]:
        """A batch of the table's changes."""
        if backstop:
            return sequence_failures(await self.streams.send_again(records))
        return sequence_failures(await self.streams.push(records, remaining))
