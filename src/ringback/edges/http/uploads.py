"""``/uploads``: declare, send bytes, ask how many are there, cancel."""

from __future__ import annotations

import time

import msgspec

from ringback.core.model import OperationState
from ringback.core.view import timestamp
from ringback.edges.http import upload_fields
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import (
    JSON,
    NOT_STORED,
    Disconnected,
    Headers,
    Request,
    Response,
    Send,
    json_response,
    problem_response,
)
from ringback.edges.http.rates import Rates
from ringback.edges.http.representation import acknowledgement, headers_of, representation
from ringback.edges.http.submit import caller, key_of, refusal
from ringback.errors import RingbackError, UploadStalled
from ringback.service import Service
from ringback.uploads import Arriving, Upload, Uploads
from ringback.uploads.declaration import MAX_DECLARATION
from ringback.uploads.finish import complete


class UploadRoutes:
    """The routes of uploads."""

    def __init__(self, service: Service, uploads: Uploads, gate: Gate, rates: Rates) -> None:
        """``rates`` are those of submitting: an upload is one more operation of its caller."""
        self._service = service
        self._uploads = uploads
        self._gate = gate
        self._rates = rates

    async def declare(self, request: Request, send: Send) -> Response:
        """Hold an operation for the bytes, and say where they go."""
        service, uploads = self._service, self._uploads
        claims = await self._gate.claims(request)
        request.require_json()
        declared, handler = uploads.parse(await request.body(MAX_DECLARATION))
        if not await service.allowed("submit", claims, handler.task):
            raise refusal(handler.task, claims, service.development)
        self._rates.check(caller(claims, request), time.monotonic())
        accepted, upload = await uploads.declare(
            declared,
            handler,
            claims,
            key=key_of(request, claims, service.development),
            traceparent=request.header(b"traceparent"),
        )
        state = accepted.operation
        own = f"{request.prefix}/uploads/{upload.id}"
        told = acknowledgement(service, request, state)
        shown = msgspec.json.decode(told.body)
        shown["links"]["upload"] = own
        shown["upload"] = {
            "url": own,
            "offset": await uploads.offset(state, upload) if accepted.replayed else 0,
            "size": upload.size,
            "expires_at": timestamp(uploads.expires_at(state)),
        }
        signed = await uploads.signed_url(state, upload)
        if signed is not None:
            shown["upload"]["signed_url"] = signed
        headers = [
            (b"location", own.encode("latin-1")),
            *(field for field in told.headers if field[0] == b"link"),
            NOT_STORED,
        ]
        if accepted.replayed:
            headers.append((b"idempotency-replayed", b"true"))
        return json_response(201, shown, headers)

    async def show(self, request: Request, send: Send) -> Response:
        """How much of it is stored."""
        state, upload = await self._find(request)
        self._uploads.check_open(state)
        offset = await self._uploads.offset(state, upload)
        shown = {
            "offset": offset,
            "size": upload.size,
            "name": upload.name,
            "type": upload.type,
            "complete": complete(state),
        }
        if request.method != "HEAD" and (signed := await self._uploads.signed_url(state, upload)):
            shown["signed_url"] = signed
        return json_response(200, shown, [NOT_STORED, *_progress(state, upload, offset)])

    async def put(self, request: Request, send: Send) -> Response:
        """Store bytes; with the last of them, start the handler."""
        state, upload = await self._find(request)
        said = upload_fields.read(request, upload.size, upload.type)
        ended = False

        async def receive() -> bytes | None:
            nonlocal ended
            if ended:
                return None
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            ended = not message.get("more_body", False)
            body: bytes = message.get("body", b"")
            return body

        arriving = Arriving(
            receive=receive,
            offset=said.offset,
            length=said.length,
            last=said.last,
            sha256=said.sha256,
        )
        try:
            state, offset = await self._uploads.receive(state, upload, arriving)
        except RingbackError as error:
            return _refused(error, request)
        headers = _progress(state, upload, offset)
        if not complete(state):
            return json_response(
                200, {"offset": offset, "size": upload.size}, [NOT_STORED, *headers]
            )
        location = f"{request.prefix}/operations/{state.id}".encode("latin-1")
        shown = await representation(self._service, request, state)
        return Response(
            200 if state.terminal else 202,
            msgspec.json.encode(shown),
            [JSON, (b"location", location), *headers, *headers_of(self._service, state)],
        )

    async def cancel(self, request: Request, send: Send) -> Response:
        """Cancel the operation; what came of the bytes is deleted."""
        operation = request.path_parameter
        claims = await self._gate.claims(request, operation)
        state = await self._uploads.cancel(operation, claims)
        shown = await representation(self._service, request, state)
        return json_response(
            200 if state.terminal else 202, shown, headers_of(self._service, state)
        )

    async def _find(self, request: Request) -> tuple[OperationState, Upload]:
        upload = request.path_parameter
        claims = await self._gate.claims(request, upload)
        return await self._uploads.find(upload, claims)


def _progress(state: OperationState, upload: Upload, offset: int) -> Headers:
    return [
        (b"upload-offset", b"%d" % offset),
        (b"upload-length", b"%d" % upload.size),
        (b"upload-complete", b"?1" if complete(state) else b"?0"),
    ]


def _refused(error: RingbackError, request: Request) -> Response:
    """The problem, and the offset to go on at where it is known."""
    response = problem_response(error, request)
    offset = error.fields.get("offset")
    if isinstance(offset, int):
        response.headers.append((b"upload-offset", b"%d" % offset))
    if isinstance(error, UploadStalled):
        response.headers.append((b"connection", b"close"))  # RFC 9110 §15.5.9
    return response
