"""``POST /tasks/{task}``: accept at once, or answer when it is done within the wait."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import msgspec

from ringback.core.access import Claims
from ringback.core.model import Accepted, OperationState
from ringback.core.view import timestamp
from ringback.edges.http import fields, rates
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import JSON, NOT_STORED, Headers, Request, Response, Send
from ringback.edges.http.rates import Rates
from ringback.edges.http.representation import acknowledgement, etag, representation
from ringback.edges.http.waiting import Waiting
from ringback.errors import AccessError, Forbidden, Unauthenticated
from ringback.service import Service
from ringback.tasks.inputs import invalid
from ringback.tasks.registry import Task

REPLAYED = (b"idempotency-replayed", b"true")
Begun = tuple[Awaitable[Accepted], Callable[[Accepted], Response]]
"""An acceptance under way, and the answer once it is stored."""


class Submit:
    """The accepting route."""

    def __init__(self, service: Service, gate: Gate, waiting: Waiting) -> None:
        self._service = service
        self._gate = gate
        self._waiting = waiting
        settings = service.settings
        self.rates = Rates(settings.rate, settings.burst)
        self._max_body = settings.max_body

    async def submit(self, request: Request, send: Send) -> Response:
        """Store the request, and acknowledge it."""
        service = self._service
        task = service.registry.submitted(request.path_parameter)
        claims = self._gate.known(request) or await self._gate.claims(request)
        allowed = service.may("submit", claims, task)
        if not (allowed if isinstance(allowed, bool) else await allowed):
            raise refusal(task, claims, service.development)
        if self.rates.limited:
            self.rates.check(caller(claims, request), time.monotonic())
        request.require_json()
        body = await request.body(self._max_body)
        asynchronous, wait = fields.preferences(request.header(b"prefer"))
        accepted = await self._store(request, task, body, claims)
        if wait is None:
            return self._acknowledge(request, accepted, asynchronous)
        state, applied = await self._waiting.until(
            request, accepted.operation, wait, _ended, claims
        )
        if applied is None or not state.terminal:
            return self._acknowledge(
                request, Accepted(state, accepted.replayed), asynchronous, applied
            )
        response = await self._finished(request, state)
        response.headers.append((b"preference-applied", applied))
        if accepted.replayed:
            response.headers.append(REPLAYED)
        return response

    def at_once(self, request: Request, body: bytes) -> Begun | None:
        """The same for a request that has to wait for the store alone, as nearly all have to.

        None for any other, with nothing done: it is to be answered by ``submit``. What this
        raises, ``submit`` does.
        """
        service = self._service
        asynchronous, wait = fields.preferences(request.header(b"prefer"))
        claims = self._gate.known(request)
        if (
            claims is None
            or wait is not None
            or self.rates.limited
            or not service.plain
            or request.scope["query_string"]
            or len(body) > self._max_body
        ):
            return None
        task = service.registry.submitted(request.path_parameter)
        if not service.may("submit", claims, task):
            return None
        request.require_json()
        stored = self._store(request, task, body, claims)
        return stored, lambda accepted: self._acknowledge(request, accepted, asynchronous)

    def _store(
        self, request: Request, task: Task, body: bytes, claims: Claims
    ) -> Awaitable[Accepted]:
        query = request.query if request.scope.get("query_string") else None
        return self._service.submit(
            task,
            body,
            claims,
            key=key_of(request, claims, self._service.development),
            start_at=self._start_at(query, claims) if query else None,
            traceparent=request.header(b"traceparent"),
        )

    def _start_at(self, query: dict[str, str], claims: Claims) -> float | None:
        """Before when it is not to start."""
        start_at = fields.start_at(query, self._service.clock())
        check_start(self._service, claims, start_at)
        return start_at

    def _acknowledge(
        self,
        request: Request,
        accepted: Accepted,
        asynchronous: bool,
        applied: bytes | None = None,
    ) -> Response:
        response = acknowledgement(self._service, request, accepted.operation)
        if asynchronous:
            applied = b"respond-async" if applied is None else applied + b", respond-async"
        if applied is not None:
            response.headers.append((b"preference-applied", applied))
        if accepted.replayed:
            response.headers.append(REPLAYED)
        return response

    async def _finished(self, request: Request, state: OperationState) -> Response:
        shown = await representation(self._service, request, state)
        tokens = self._service.tokens
        shown["token"] = tokens.make(state)
        shown["token_expires_at"] = timestamp(tokens.expires_at(state))
        headers: Headers = [
            JSON,
            (b"content-location", f"{request.prefix}/operations/{state.id}".encode()),
            (b"etag", etag(state)),
            NOT_STORED,  # there is a token in it
        ]
        return Response(200, msgspec.json.encode(shown), headers)


def _ended(state: OperationState) -> bool:
    return state.terminal


def check_start(service: Service, claims: Claims, start_at: float | None) -> None:
    """Refuse what a nameless caller has start when the token is good no longer."""
    lifetime = service.tokens.lifetime
    if start_at is None or claims.subject is not None or start_at < service.clock() + lifetime:
        return
    raise invalid(
        "It would start when its token, which alone opens it for a caller without a name, "
        f"is good no longer: that is {lifetime:g} seconds (token_lifetime). Let it start "
        "earlier, or submit it with a JWT that names you."
    )


def key_of(request: Request, claims: Claims, development: bool) -> str | None:
    """The Idempotency-Key of a caller, where there is one.

    In development mode all callers are of one machine, and short keys are handy.
    """
    text = request.header(b"idempotency-key")
    if text is None:
        return None
    return fields.idempotency_key(text, secret=claims.subject is None and not development)


def refusal(task: Task, claims: Claims, development: bool) -> AccessError:
    """Why this caller may not submit."""
    if development:  # where no token is taken, asking for one would lead nowhere
        return Forbidden(
            f"{task.name} is only for some, and in development mode nobody is known. Set "
            "RINGBACK_JWT_SECRET, and submit with a token that allows it."
        )
    if claims.subject is None:
        return Unauthenticated("Submitting needs a token that names you.")
    return Forbidden(f"You may not submit {task.name}.")


def caller(claims: Claims, request: Request) -> str:
    """By what a caller's requests are counted."""
    client = request.scope.get("client")
    return rates.caller(claims.subject, client[0] if client else None)
