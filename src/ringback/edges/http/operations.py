"""``/operations``: list, read, wait, result, cancel, forget, redrive."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from ringback.core.model import OperationState, Position, Query, Status
from ringback.core.view import operation_fields
from ringback.edges.http import fields
from ringback.edges.http.events import Streams, wait_for_change, wait_until_terminal
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import (
    JSON,
    NOT_STORED,
    PROBLEM,
    Headers,
    Request,
    Response,
    Send,
    json_response,
)
from ringback.edges.http.representation import (
    acknowledgement,
    headers_of,
    links,
    representation,
    retry_after,
)
from ringback.errors import MalformedRequest, NotFinished
from ringback.hub import Hub
from ringback.service import Service

MAX_LIMIT = 100
"""Operations in one page of a list."""


class Operations:
    """The routes of operations, but for their events."""

    def __init__(self, service: Service, hub: Hub, gate: Gate, streams: Streams) -> None:
        self._service = service
        self._hub = hub
        self._gate = gate
        self._streams = streams
        self._max_wait = service.settings.max_wait

    async def _load(self, request: Request, action: str = "follow") -> OperationState:
        operation = request.path_parameter
        claims = await self._gate.claims(request, operation)
        return await self._service.load(operation, claims, action)

    async def show(self, request: Request, send: Send) -> Response:
        """The operation as it stands; with If-None-Match and Prefer: wait, at its next change."""
        state = await self._load(request)
        known = request.header(b"if-none-match")
        tags = fields.entity_tags(known) if known is not None else set()
        _, wait = fields.preferences(request.header(b"prefer"))
        applied: Headers = []
        if _matches(tags, state) and wait is not None and not state.terminal:
            wait = min(wait, self._max_wait)
            with self._streams.place():
                state = await wait_for_change(self._service, self._hub, state, wait)
            applied = [(b"preference-applied", b"wait=%d" % int(wait))]
        headers = [*headers_of(self._service, state), *applied]
        if _matches(tags, state):
            return Response(304, headers=headers)
        text = request.query.get("after")
        after = Position.parse(text) if text else None
        shown = await representation(self._service, request, state, after)
        return Response(200, msgspec.json.encode(shown), [JSON, *headers])

    async def result(self, request: Request, send: Send) -> Response:
        """The result alone; with Prefer: wait, once there is one."""
        state = await self._load(request)
        _, wait = fields.preferences(request.header(b"prefer"))
        if wait is not None and not state.terminal:
            with self._streams.place():
                state = await wait_until_terminal(
                    self._service, self._hub, state, min(wait, self._max_wait)
                )
        if not state.terminal:
            raise NotFinished(
                operation_status=state.status.value,
                retry_after=retry_after(state, self._service.clock()),
            )
        headers = headers_of(self._service, state)
        if state.status is Status.SUCCEEDED:
            return Response(200, state.result or b"null", [JSON, *headers])
        if state.status is Status.CANCELLED:
            problem = {
                "type": "urn:ringback:problem:cancelled",
                "title": "Cancelled",
                "status": 410,
                "detail": "The operation was cancelled, so it has no result.",
                "instance": request.prefix + request.path,
            }
            return Response(410, msgspec.json.encode(problem), [PROBLEM, *headers])
        problem = msgspec.json.decode(state.error or b"{}")
        status = problem.get("status")
        status = status if isinstance(status, int) and 400 <= status <= 599 else 500
        problem["status"] = status
        return Response(status, msgspec.json.encode(problem), [PROBLEM, *headers])

    async def cancel(self, request: Request, send: Send) -> Response:
        """Ask it to stop."""
        operation = request.path_parameter
        claims = await self._gate.claims(request, operation)
        version = None
        condition = request.header(b"if-match")
        if condition is not None:
            state = await self._service.load(operation, claims, "cancel")
            if not _matches(fields.entity_tags(condition), state):
                version = -1  # matches no state: the answer is 412
        before = await self._service.load(operation, claims, "cancel")
        state = await self._service.cancel(operation, claims, version=version)
        shown = await representation(self._service, request, state)
        headers = [*headers_of(self._service, state)]
        return json_response(200 if before.terminal else 202, shown, headers)

    async def forget(self, request: Request, send: Send) -> Response:
        """Delete a terminal operation."""
        operation = request.path_parameter
        claims = await self._gate.claims(request, operation)
        await self._service.forget(operation, claims)
        return Response(204)

    async def redrive(self, request: Request, send: Send) -> Response:
        """Do a dead letter's work again, as a new operation."""
        operation = request.path_parameter
        claims = await self._gate.claims(request, operation)
        return acknowledgement(
            self._service, request, await self._service.redrive(operation, claims)
        )

    async def list(self, request: Request, send: Send) -> Response:
        """The caller's operations, newest first, a page at a time."""
        claims = await self._gate.claims(request)
        query = _query(request.query)
        found = await self._service.find(claims, query)
        shown = []
        for state in found:
            fields_ = operation_fields(state)
            fields_["links"] = links(request, state.id)
            shown.append(fields_)
        headers: Headers = [NOT_STORED]
        following = None
        if len(found) == query.limit:
            parameters = {**request.query, "after": found[-1].id}
            following = f"{request.prefix}{request.path}?{urlencode(parameters)}"
            headers.append((b"link", f'<{following}>; rel="next"'.encode("latin-1", "replace")))
        return json_response(200, {"operations": shown, "next": following}, headers)


def _matches(tags: set[str], state: OperationState) -> bool:
    return "*" in tags or str(state.version) in tags


def _query(parameters: dict[str, str]) -> Query:
    status = parameters.get("status")
    limit = parameters.get("limit", "50")
    if status is not None and status not in {each.value for each in Status}:
        raise MalformedRequest(
            f"status is one of {', '.join(each.value for each in Status)}.", parameter="status"
        )
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= MAX_LIMIT:
        raise MalformedRequest(f"limit is a number from 1 to {MAX_LIMIT}.", parameter="limit")
    dead = parameters.get("dead_letter")
    if dead is not None and dead not in ("true", "false"):
        raise MalformedRequest("dead_letter is true or false.", parameter="dead_letter")
    return Query(
        status=Status(status) if status is not None else None,
        task=parameters.get("task"),
        parent=parameters.get("parent"),
        dead_letter=None if dead is None else dead == "true",
        after=parameters.get("after"),
        limit=int(limit),
    )
