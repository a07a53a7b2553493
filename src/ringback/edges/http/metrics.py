"""``GET /metrics``: what this process does, for Prometheus and what reads as it does."""

from __future__ import annotations

from collections.abc import Mapping

from ringback.core.access import ADMIN_SCOPE, METRICS_SCOPE
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import NOT_STORED, Request, Response, Send
from ringback.edges.http.waiting import Streams
from ringback.edges.places import Keeper
from ringback.errors import Forbidden, NotFound, StoreUnavailable, Unauthenticated
from ringback.hub import Hub
from ringback.service import Service

NEEDS = f"Metrics take a token with the scope {METRICS_SCOPE} or {ADMIN_SCOPE}."


class MetricsRoutes:
    """The route."""

    def __init__(
        self, service: Service, hub: Hub, gate: Gate, keeper: Keeper, streams: Streams
    ) -> None:
        self._service = service
        self._hub = hub
        self._gate = gate
        self._keeper = keeper
        self._streams = streams

    async def show(self, request: Request, send: Send) -> Response:
        """All of them, as they are now."""
        claims = await self._gate.claims(request)
        may = claims.admin or METRICS_SCOPE in claims.scopes or self._service.development
        if not may:
            raise Unauthenticated(NEEDS) if claims.subject is None else Forbidden(NEEDS)
        try:
            # Of an extra, and as slow to load as much else together.
            from ringback.edges.http.exposition import Measured, text
        except ImportError:
            raise NotFound(
                "Metrics take a package that is not here: pip install 'ringback[metrics]'."
            ) from None
        publisher = self._service.publisher
        body, kind = text(
            Measured(
                connections=self._keeper.count(),
                waiting=self._streams.open,
                followers=self._hub.followers,
                durable=publisher.stored,
                ephemeral=publisher.passed_on,
                delivered=self._hub.delivered,
                cut=self._hub.cut,
                queued=await self._queued(),
            ),
            request.header(b"accept") or "",
        )
        return Response(200, body, [(b"content-type", kind.encode()), NOT_STORED])

    async def _queued(self) -> Mapping[str, int] | None:
        try:
            return await self._service.engine.count_queued_by_task()
        except StoreUnavailable:  # of all times, now is when the others are wanted
            return None
