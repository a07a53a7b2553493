"""The opening handshake: who may come in, and on which kind of connection.

What belongs here: the address, Origin, tokens, places, and HTTP's answers to who may not. The
subprotocol and the extension are agreed on here too; what is said after that is the session's.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from ringback.core.access import Claims
from ringback.edges.handover import Handover, offered
from ringback.edges.http import HttpEdge
from ringback.edges.http.message import Receive, Request, Response, Scope, Send, problem_response
from ringback.edges.websocket.asgi import AsgiConnection
from ringback.edges.websocket.context import Context
from ringback.edges.websocket.raw import RawConnection
from ringback.errors import (
    CapacityError,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    RingbackError,
    Unauthenticated,
    UpgradeRequired,
)
from ringback.hub import Hub
from ringback.security.tokens import PREFIX
from ringback.service import Service
from ringback.wire import channel, deflate, handshake

SPOKEN = channel.PROTOCOL.encode()
LAST_RESORT = RingbackError()

log = logging.getLogger("ringback.websocket")


class WebSocketEdge:
    """``/ws``."""

    def __init__(self, service: Service, hub: Hub, http: HttpEdge) -> None:
        """``http`` has what the edges share: who is known, places, rates."""
        self.context = Context(
            service=service,
            hub=hub,
            gate=http.gate,
            places=http.places,
            keeper=http.keeper,
            submissions=http.submitting,
            publications=http.publishing,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("method", "GET")  # ASGI says that it is, by saying nothing
        request = Request(scope, receive)
        connection = offered(scope)
        if connection is not None:
            await self._raw(request, connection)
            return
        await receive()  # websocket.connect
        try:
            claims, token = await self._admit(request)
            protocol = _agreed([each.encode() for each in scope.get("subprotocols") or ()])
            link = self._placed(request, claims)
        except Exception as error:
            await _refuse(_refusal(error, request), scope, send)
            return
        accept = {"type": "websocket.accept", "headers": []}
        if protocol is not None:
            accept["subprotocol"] = protocol.decode()
        try:
            await send(accept)
        except OSError:
            pass  # the client went away, as it may at any time: the session sees it
        except BaseException:
            self.context.places.leave(link, claims.subject)
            raise
        await AsgiConnection(self.context, claims, token, link, send).serve(receive)

    async def _raw(self, request: Request, connection: Handover) -> None:
        scope = request.scope
        try:
            claims, token = await self._admit(request)
            asked = handshake.check(
                request.method.encode(), scope["http_version"], scope["headers"]
            )
            protocol = _agreed(asked.protocols)
            extension = deflate.choose(asked.extensions)
            address = self._placed(request, claims)
        except handshake.Refused as refused:
            response = _refusal(_as_error(refused), request)
            known = {name for name, _ in response.headers} | {b"connection"}
            response.headers += [each for each in refused.headers if each[0] not in known]
            connection.refuse(_answer(response))
            return
        except Exception as error:
            connection.refuse(_answer(_refusal(error, request)))
            return
        taker = RawConnection(self.context, claims, token, address, deflate=extension is not None)
        head = handshake.answer(asked.key, protocol=protocol, extension=extension)
        if not connection.take(taker, head + taker.session.welcome()):
            self.context.places.leave(address, claims.subject)

    async def _admit(self, request: Request) -> tuple[Claims, str | None]:
        """Who is there, and the operation's own token that they showed, if it is that."""
        context = self.context
        if request.scope.get("query_string"):
            request.hide_token()
        if request.path != channel.PATH:
            raise NotFound
        context.gate.admit(request)
        if context.hub.closing:
            raise CapacityError("The server is being stopped. Come back in a moment.")
        claims = await context.gate.claims(request)
        if claims.expires_at is not None and claims.expires_at <= context.service.clock():
            raise Unauthenticated("The token has expired. Get a new one.")
        await context.hub.start()
        return claims, operation_token(request)

    def _placed(self, request: Request, claims: Claims) -> str | None:
        """Take a place, named by the address that is returned."""
        client = request.scope.get("client")
        address = client[0] if client else None
        self.context.places.take(address, claims.subject)
        return address


def _agreed(protocols: tuple[bytes, ...] | list[bytes]) -> bytes | None:
    """The subprotocol to answer with; None: the client offered none."""
    if not protocols:
        return None
    found = handshake.choose_protocol(protocols, [SPOKEN])
    if found is None:
        raise MalformedRequest(
            f"This server speaks the subprotocol {channel.PROTOCOL}. Offer it, or none.",
            known=[channel.PROTOCOL],
        )
    return found


def operation_token(request: Request) -> str | None:
    """The operation's own token that a handshake shows."""
    scheme, _, token = (request.header(b"authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and token.strip().startswith(PREFIX):
        return token.strip()
    shown = request.query.get("token")
    return shown if shown is not None and shown.startswith(PREFIX) else None


def _as_error(refused: handshake.Refused) -> RingbackError:
    if refused.status == UpgradeRequired.status:
        return UpgradeRequired(refused.detail)
    if refused.status == MethodNotAllowed.status:
        return MethodNotAllowed(refused.detail, allow=["GET"])
    return MalformedRequest(refused.detail)


def _refusal(error: Exception, request: Request) -> Response:
    if not isinstance(error, RingbackError) or error.status == LAST_RESORT.status:
        log.error("A WebSocket's handshake failed.", exc_info=error)
        error = LAST_RESORT
    return problem_response(error, request)


def _answer(response: Response) -> bytes:
    """An answer as bytes of HTTP/1.1, after which the connection is closed."""
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n".encode()]
    for name, value in response.headers:
        lines += (name, b": ", value, b"\r\n")
    lines.append(b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(response.body))
    return b"".join((*lines, response.body))


async def _refuse(response: Response, scope: Scope, send: Send) -> None:
    """Answer a handshake over ASGI; a server that cannot be told how says 403."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
        return
    headers = [*response.headers, (b"content-length", b"%d" % len(response.body))]
    await send(
        {"type": "websocket.http.response.start", "status": response.status, "headers": headers}
    )
    await send({"type": "websocket.http.response.body", "body": response.body})
