"""``/operations``: list, read, wait, result, cancel, forget, redrive."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from ringback.core.access import Claims
from ringback.core.model import OperationState, Position, Query, Status
from ringback.core.view import operation_fields
from ringback.edges.http import fields
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
from ringback.edges.http.waiting import Waiting
from ringback.errors import (
    MalformedRequest,
    NotFinished,
    OperationCancelled,
    StaleVersion,
    TaskFailed,
)
from ringback.ids import is_id
from ringback.service import Service

MAX_LIMIT = 100
"""Operations in one page of a list."""
DEFAULT_LIMIT = 50
"""Operations in a page, unless the caller says otherwise."""
FILTERS = ("status", "task", "parent", "dead_letter", "after", "limit")
"""Parameters of a list: what the link to the next page repeats."""


class Operations:
    """The routes of operations, but for their events."""

    def __init__(self, service: Service, gate: Gate, waiting: Waiting) -> None:
        self._service = service
        self._gate = gate
        self._waiting = waiting

    async def _load(self, request: Request, action: str = "follow") -> OperationState:
        state, _ = await self._load_for(request, action)
        return state

    async def _load_for(self, request: Request, action: str) -> tuple[OperationState, Claims]:
        """Also by which claims it may be seen."""
        operation = request.path_parameter
        claims = await self._gate.claims(request, operation)
        state = await self._service.load(operation, claims, action)
        condition = request.header(b"if-match")
        if condition is not None:
            _require_match(condition, state)
        return state, claims

    async def show(self, request: Request, send: Send) -> Response:
        """The operation as it stands; with If-None-Match and Prefer: wait, at its next change."""
        state, claims = await self._load_for(request, "follow")
        tags = _known(request)
        wait = None
        if _matches(tags, state) and not state.terminal:
            _, wait = fields.preferences(request.header(b"prefer"))
        version = state.version
        state, applied = await self._waiting.until(
            request, state, wait, lambda new: new.version != version, claims
        )
        self._service.revocations.check(claims)
        headers = headers_of(self._service, state)
        if applied is not None:
            headers.append((b"preference-applied", applied))
        if _matches(tags, state):
            return Response(304, headers=headers)
        text = request.query.get("after")
        after = Position.parse(text) if text else None
        shown = await representation(self._service, request, state, after)
        if shown["position"] != str(self._service.position(state)):
            # There is more of this version: whoever asks for that is not to be told 304.
            headers = [field for field in headers if field[0] != b"etag"]
        return Response(200, msgspec.json.encode(shown), [JSON, *headers])

    async def result(self, request: Request, send: Send) -> Response:
        """The result alone; with Prefer: wait, once there is one."""
        state, claims = await self._load_for(request, "follow")
        _, wait = fields.preferences(request.header(b"prefer"))
        state, applied = await self._waiting.until(
            request, state, wait, lambda new: new.terminal, claims
        )
        self._service.revocations.check(claims)
        if not state.terminal:
            raise NotFinished(
                operation_status=state.status.value,
                retry_after=retry_after(state, self._service.clock()),
            )
        headers = headers_of(self._service, state)
        if applied is not None:
            headers.append((b"preference-applied", applied))
        if state.status is not Status.SUCCEEDED:
            return _no_result(request, state, headers)
        if _matches(_known(request), state):
            return Response(304, headers=headers)
        return Response(200, state.result or b"null", [JSON, *headers])

    async def cancel(self, request: Request, send: Send) -> Response:
        """Ask it to stop."""
        before = await self._load(request, "cancel")
        exact = request.header(b"if-match") is not None
        state = await self._service.cancel(before, exact=exact)
        shown = await representation(self._service, request, state)
        status = 200 if before.terminal else 202
        return json_response(status, shown, headers_of(self._service, state))

    async def forget(self, request: Request, send: Send) -> Response:
        """Delete a terminal operation."""
        state = await self._load(request, "forget")
        await self._service.engine.forget(state.id, self._service.clock())
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
        parameters = {name: request.query[name] for name in FILTERS if name in request.query}
        query = _query(parameters)
        # One more than is shown says whether there is a next page.
        found = list(
            await self._service.find(claims, msgspec.structs.replace(query, limit=query.limit + 1))
        )
        more = len(found) > query.limit
        del found[query.limit :]
        shown = []
        for state in found:
            fields_ = operation_fields(state)
            fields_["links"] = links(request, state.id)
            shown.append(fields_)
        headers: Headers = [NOT_STORED]
        following = None
        if more:
            parameters["after"] = found[-1].id
            following = f"{request.prefix}/operations?{urlencode(parameters)}"
            headers.append((b"link", f'<{following}>; rel="next"'.encode()))
        return json_response(200, {"operations": shown, "next": following}, headers)


def _known(request: Request) -> set[str]:
    """The versions that the caller says it has."""
    text = request.header(b"if-none-match")
    return fields.entity_tags(text, weak=True) if text is not None else set()


def _matches(tags: set[str], state: OperationState) -> bool:
    return "*" in tags or str(state.version) in tags


def _require_match(condition: str, state: OperationState) -> None:
    """Refuse what was decided on another version (RFC 9110 §13.1.1)."""
    tags = fields.entity_tags(condition, weak=False)
    if not tags and '"' not in condition:
        raise MalformedRequest('If-Match is * or versions in quotes: If-Match: "3".')
    if not _matches(tags, state):
        raise StaleVersion(version=state.version)


def _no_result(request: Request, state: OperationState, headers: Headers) -> Response:
    """The problem that stands in the place of a result."""
    if state.status is Status.CANCELLED:
        status = OperationCancelled.status
        problem = OperationCancelled("The operation was cancelled, so it has no result.").problem()
    else:
        # Whatever stands in the problem: 404 or 409 would be about this request, and be acted on.
        status = TaskFailed.status
        problem = msgspec.json.decode(state.error or b"{}")
    problem |= {"status": status, "instance": request.instance}
    return Response(status, msgspec.json.encode(problem), [PROBLEM, *headers])


def _query(parameters: dict[str, str]) -> Query:
    status = parameters.get("status")
    limit = parameters.get("limit", str(DEFAULT_LIMIT))
    dead = parameters.get("dead_letter")
    if status is not None and status not in {each.value for each in Status}:
        raise MalformedRequest(
            f"status is one of {', '.join(each.value for each in Status)}.", parameter="status"
        )
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= MAX_LIMIT:
        raise MalformedRequest(f"limit is a number from 1 to {MAX_LIMIT}.", parameter="limit")
    if dead is not None and dead not in ("true", "false"):
        raise MalformedRequest("dead_letter is true or false.", parameter="dead_letter")
    for name in ("after", "parent"):
        if name in parameters and not is_id(parameters[name]):
            raise MalformedRequest(f"{name} is the id of an operation.", parameter=name)
    return Query(
        status=Status(status) if status is not None else None,
        task=parameters.get("task"),
        parent=parameters.get("parent"),
        dead_letter=None if dead is None else dead == "true",
        after=parameters.get("after"),
        limit=int(limit),
    )
