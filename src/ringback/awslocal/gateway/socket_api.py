"""A WebSocket API: handshakes past an authorizer and ``$connect``, messages to their routes."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any

from ringback.awslocal.gateway import answers, guard, management, socket_events
from ringback.awslocal.gateway.authorizers import Authorizers, Failed, Unauthorized, as_strings
from ringback.awslocal.gateway.connection import GOING_AWAY, Connection
from ringback.awslocal.gateway.counts import SocketCounts
from ringback.awslocal.gateway.identity import gather
from ringback.awslocal.gateway.limits import Limits, Throttle
from ringback.awslocal.gateway.messages import (
    Event,
    Request,
    Response,
    short_id,
    told,
    trace_id,
)
from ringback.awslocal.gateway.selection import CONNECT, DISCONNECT, select
from ringback.awslocal.gateway.socket_events import Peer
from ringback.awslocal.model import Integration, Invoker, Place, Route, SocketApi, Stage
from ringback.wire import handshake
from ringback.wire.close_codes import CloseCode

FAREWELL = 15.0
"""Seconds that connections and their ``$disconnect`` have when the gateway stops."""
FORBIDDEN = "Forbidden"
FAILED = "Internal server error"
TIMED_OUT = "Endpoint request timed out"
THROTTLED = "Too Many Requests"
NOT_ALLOWED = "User is not authorized to access this resource"

_MOCK_STATUS = re.compile(r'"statusCode"\s*:\s*(\d+)')

log = logging.getLogger("ringback.aws.gateway")
access = logging.getLogger("ringback.aws.gateway.access")


class Unanswered(Exception):
    """An integration gave nothing that can be used."""

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)


class SocketGateway:
    """Serves one WebSocket API, and ``@connections`` beside it at the same address."""

    sockets = True

    def __init__(
        self,
        api: SocketApi,
        place: Place,
        invoker: Invoker,
        *,
        secrets: Mapping[str, str],
        limits: Limits | None = None,
        domain: str | None = None,
        origins: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`secrets`: by access key, those that may sign calls of ``@connections``. `domain`: what
        events give as ``domainName``; None: the Host header."""
        self.limits = limits or Limits()
        self.clock = clock
        self.counts = SocketCounts()
        self.connections: dict[str, Connection] = {}
        self._api = api
        self._place = place
        self._invoker = invoker
        self._domain = domain
        self._origins = frozenset(origins)
        self._routes = {route.key: route for route in api.routes}
        self._stages = {stage.name: stage for stage in api.stages}
        self._authorizers = Authorizers(invoker, self.limits)
        self._management = management.Management(
            self.connections,
            self.limits,
            counts=self.counts,
            secrets=secrets,
            region=place.region,
            clock=clock,
        )
        self._connects = Throttle(self.limits.connects, self.limits.connects_at_once)
        self._throttles = {
            stage.name: Throttle(stage.rate, stage.burst or stage.rate)
            for stage in api.stages
            if stage.rate is not None
        }
        self._tasks: set[asyncio.Task[None]] = set()

    # Requests

    async def answer(self, request: Request) -> Response:
        if (refusal := guard.refusal(request, self._origins)) is not None:
            return refusal
        named = management.address(request)
        if named is not None:
            return self._management.answer(request, *named)
        if self._stage(request) is not None:
            return told(426, "Upgrade Required", (("upgrade", "websocket"),))
        return told(403, FORBIDDEN)

    def _stage(self, request: Request) -> Stage | None:
        return self._stages.get(request.path.strip("/"))

    # Handshakes

    async def open(self, request: Request) -> Response | asyncio.Protocol:
        opened = await self._open(request)
        if isinstance(opened, Response):
            self.counts.refused += 1
            access.info("$connect %s %d", request.raw_path, opened.status)
        return opened

    async def _open(self, request: Request) -> Response | Connection:
        if (refusal := guard.refusal(request, self._origins)) is not None:
            return refusal
        if len(request.target) > self.limits.url:
            return told(414, "Request-URI Too Long")
        stage = self._stage(request)
        now = self.clock()
        request_id = short_id()
        peer = Peer(
            id=short_id(),
            api_id=self._api.api_id,
            place=self._place,
            stage=stage or Stage(name=""),
            domain=self._domain or request.header("host") or "localhost",
            source=request.peer,
            agent=request.header("user-agent"),
            connected_at=now,
            active_at=now,
        )
        ids = {"connectionId": peer.id, "requestId": request_id}
        if stage is None:
            return told(403, FORBIDDEN, more=ids)
        try:
            asked = handshake.check(
                request.method.encode(),
                request.version,
                [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in request.headers],
            )
        except handshake.Refused as refused:
            headers = tuple((n.decode(), v.decode()) for n, v in refused.headers)
            return told(refused.status, refused.detail, headers)
        if not self._connects.take(time.monotonic()):
            return told(429, THROTTLED, more=ids)
        trace = trace_id(now)
        try:
            await self._authorize(peer, request, trace, request_id)
            event = socket_events.connect(peer, request, trace, self.clock(), request_id)
            protocol = await self._connect(event)
        except Unanswered as refused:
            return told(refused.status, str(refused), more=ids)
        said = None if protocol is None else protocol.encode("latin-1", "replace")
        return Connection(self, peer, handshake.answer(asked.key, protocol=said))

    async def _authorize(self, peer: Peer, request: Request, trace: str, request_id: str) -> None:
        """Raises ``Unanswered`` with what the client is told."""
        route = self._routes.get(CONNECT)
        if route is None or route.authorization == "NONE":
            return
        authorizer = self._api.authorizers.get(route.authorizer or "")
        if authorizer is None:
            log.error("$connect asks for %s, for which nothing stands here", route.authorization)
            raise Unanswered(FORBIDDEN, 403)
        event = socket_events.authorize(peer, request, trace, self.clock(), request_id)
        sources = gather(
            authorizer.identity_sources, request, event["requestContext"], peer.stage.variables
        )
        if sources is None:
            raise Unanswered("Unauthorized", 401)
        began = time.monotonic()
        try:
            decision = await self._authorizers.ask(
                authorizer,
                sources,
                event,
                self.clock(),
                timeout=self.limits.socket_timeout,
                remembers=False,  # only HTTP APIs do
            )
            context = as_strings(decision.context)
        except Unauthorized:
            raise Unanswered("Unauthorized", 401) from None
        except Failed as failed:
            log.error("Authorizer %s failed: %s", authorizer.name, failed)
            raise Unanswered(FAILED, 500) from None
        match decision.verdict(peer.arn):
            case "deny":
                raise Unanswered(f"{NOT_ALLOWED} with an explicit deny", 403)
            case "silent":
                raise Unanswered(NOT_ALLOWED, 403)
            case "allow":
                latency = int((time.monotonic() - began) * 1000)
                peer.authorizer = {
                    "principalId": decision.principal,
                    "integrationLatency": latency,
                    **context,
                }

    async def _connect(self, event: Event) -> str | None:
        """The subprotocol that ``$connect``'s function chose. Raises ``Unanswered``."""
        route = self._routes.get(CONNECT)
        if route is None or route.integration is None:
            return None
        payload = await self._call(route, route.integration, event)
        status = payload.get("statusCode", 200)
        if not 200 <= int(status) <= 299:
            raise Unanswered(str(payload.get("body") or FORBIDDEN), int(status))
        return next(
            (
                value
                for name, value in answers.headers_of(payload, multiple=True)
                if name.lower() == "sec-websocket-protocol"
            ),
            None,
        )

    async def _call(self, route: Route, to: Integration, event: Event) -> Mapping[str, Any]:
        """What a route's function returned, with a good ``statusCode``. Raises ``Unanswered``."""
        if to.type == "MOCK":
            template = next(iter(to.templates.values()), "")
            found = _MOCK_STATUS.search(template)
            return {"statusCode": int(found[1]) if found else 200}
        if to.function is None:
            log.error("Route %s: nothing stands here for %s", route.key, to.type)
            raise Unanswered(FAILED, 500)
        timeout = self.limits.socket_timeout
        if to.timeout is not None:
            timeout = min(timeout, to.timeout * self.limits.scale)
        try:
            async with asyncio.timeout(timeout):
                outcome = await self._invoker.invoke(to.function, event)
        except TimeoutError:
            log.error("Route %s took longer than %g seconds", route.key, timeout)
            raise Unanswered(TIMED_OUT, 504) from None
        if outcome.error is not None:
            rejected = outcome.error.kind in ("throttled", "missing")
            if outcome.error.kind == "missing":  # of which there is no log
                log.error("%s: %s", to.function, outcome.error.message)
            raise Unanswered(FAILED, 500 if rejected else 502)
        try:
            if not isinstance(outcome.payload, Mapping):
                raise answers.Malformed("it has to return an object with statusCode")
            answers.status_of(outcome.payload)
            answers.headers_of(outcome.payload, multiple=True)
            answers.body_of(outcome.payload)
        except answers.Malformed as malformed:
            log.error("%s returned what is no answer: %s", to.function, malformed)
            raise Unanswered(FAILED, 502) from None
        return outcome.payload

    # Connections

    def opened(self, connection: Connection) -> None:
        self.connections[connection.peer.id] = connection
        self.counts.connects += 1
        access.info("$connect %s", connection.peer.id)

    def received(self, connection: Connection, text: str) -> None:
        self._spawn(self._message(connection, text))

    def closed(self, connection: Connection, code: int, reason: str) -> None:
        self.connections.pop(connection.peer.id, None)
        self.counts.seconds += self.clock() - connection.peer.connected_at
        access.info("$disconnect %s %d %s", connection.peer.id, code, reason)
        self._spawn(self._disconnect(connection.peer, code, reason))

    async def _message(self, connection: Connection, text: str) -> None:
        peer, request_id = connection.peer, short_id()
        ids = {"connectionId": peer.id, "requestId": request_id}
        try:
            throttle = self._throttles.get(peer.stage.name)
            if throttle is not None and not throttle.take(time.monotonic()):
                raise Unanswered(THROTTLED, 429)
            route = select(self._api.selection, self._routes, text)
            if route is None:
                raise Unanswered(FORBIDDEN, 403)
            if route.integration is None:
                raise Unanswered(FAILED, 500)
            access.info("%s %s", route.key, peer.id)
            event = socket_events.message(peer, route.key, text, self.clock(), request_id)
            payload = await self._call(route, route.integration, event)
            body = answers.body_of(payload) if route.responds else b""
        except Unanswered as error:
            body = told(error.status, str(error), more=ids).body
        finally:
            connection.handled()
        if body and connection.is_open:
            connection.send(body)

    async def _disconnect(self, peer: Peer, code: int, reason: str) -> None:
        route = self._routes.get(DISCONNECT)
        if route is None or route.integration is None:
            return
        event = socket_events.disconnect(peer, code, reason, self.clock(), short_id())
        try:
            await self._call(route, route.integration, event)
        except Unanswered as error:
            log.warning("$disconnect of %s: %s", peer.id, error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("The gateway failed; this is a mistake of its own", exc_info=error)

    async def close(self) -> None:
        """End all connections, and give their ``$disconnect`` a moment."""
        for connection in list(self.connections.values()):
            connection.end(CloseCode.GOING_AWAY, GOING_AWAY)
        try:
            async with asyncio.timeout(FAREWELL):
                while self.connections or self._tasks:
                    if self._tasks:
                        await asyncio.wait(self._tasks)
                    else:
                        await asyncio.sleep(0.01)
        except TimeoutError:
            pass
        for connection in list(self.connections.values()):
            connection.abort()
        for task in self._tasks:
            task.cancel()
