"""``POST /tasks/{task}``: accept at once, or answer when it is done within the wait."""

from __future__ import annotations

import time

import msgspec

from ringback.core.access import Claims
from ringback.core.model import OperationState
from ringback.edges.http import fields
from ringback.edges.http.events import Streams, wait_until_terminal
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import JSON, Request, Response, Send
from ringback.edges.http.rates import Rates
from ringback.edges.http.representation import acknowledgement, headers_of, representation
from ringback.errors import AccessError, Forbidden, Unauthenticated
from ringback.hub import Hub
from ringback.service import Service
from ringback.tasks.registry import Task


class Submit:
    """The accepting route."""

    def __init__(self, service: Service, hub: Hub, gate: Gate, streams: Streams) -> None:
        self._service = service
        self._hub = hub
        self._gate = gate
        self._streams = streams
        settings = service.settings
        self._rates = Rates(settings.rate, settings.burst)
        self._max_body = settings.max_body
        self._max_wait = settings.max_wait

    async def submit(self, request: Request, send: Send) -> Response:
        """Store the request, and acknowledge it."""
        service = self._service
        task = service.registry.submitted(request.path_parameter)
        claims = self._gate.anonymous(request) or await self._gate.claims(request)
        allowed = service.may("submit", claims, task)
        if not (allowed if isinstance(allowed, bool) else await allowed):
            raise _refusal(task, claims)
        self._rates.check(_caller(claims, request), time.monotonic())
        request.require_json()
        body = await request.body(self._max_body)
        raw_key = request.header(b"idempotency-key")
        asynchronous, wait = fields.preferences(request.header(b"prefer"))
        query = request.query
        accepted = await service.submit(
            task,
            body,
            claims,
            key=fields.idempotency_key(raw_key) if raw_key is not None else None,
            start_at=fields.start_at(query, service.clock()) if query else None,
            traceparent=request.header(b"traceparent"),
        )
        state = accepted.operation
        applied: list[str] = []
        if wait is not None:
            wait = min(wait, self._max_wait)
            with self._streams.place():
                state = await wait_until_terminal(service, self._hub, state, wait)
            applied.append(f"wait={int(wait)}")
        if wait is None or not state.terminal:
            response = acknowledgement(service, request, state)
            if asynchronous:
                applied.append("respond-async")
        else:
            response = await self._finished(request, state)
        if applied:
            response.headers.append((b"preference-applied", ", ".join(applied).encode()))
        if accepted.replayed:
            response.headers.append((b"idempotency-replayed", b"true"))
        return response

    async def _finished(self, request: Request, state: OperationState) -> Response:
        shown = await representation(self._service, request, state)
        shown["token"] = self._service.tokens.make(state)
        headers = headers_of(self._service, state)
        location = f"{request.prefix}/operations/{state.id}".encode("latin-1")
        return Response(
            200,
            msgspec.json.encode(shown),
            [JSON, (b"content-location", location), *headers],
        )


def _refusal(task: Task, claims: Claims) -> AccessError:
    if claims.subject is None:
        return Unauthenticated("Submitting needs a token that names you.")
    return Forbidden(f"You may not submit {task.name}.")


def _caller(claims: Claims, request: Request) -> str:
    if claims.subject is not None:
        return claims.subject
    client = request.scope.get("client")
    return f"@{client[0]}" if client else "@"
