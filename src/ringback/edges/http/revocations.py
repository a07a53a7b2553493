"""``POST /revocations``: ending what tokens allow, for those who administer the server."""

from __future__ import annotations

import msgspec

from ringback.core.access import ADMIN_SCOPE
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import NOT_STORED, Request, Response, Send
from ringback.errors import Forbidden, InvalidInput, MalformedRequest, Unauthenticated
from ringback.service import Service

MAX_BODY = 4096
"""Bytes: one subject or one id."""
MAX_NAME = 255
"""Characters of a subject or an id."""


class _Wanted(msgspec.Struct, forbid_unknown_fields=True):
    subject: str | None = None
    operation: str | None = None


class RevocationRoutes:
    """The route."""

    def __init__(self, service: Service, gate: Gate) -> None:
        self._service = service
        self._gate = gate

    async def revoke(self, request: Request, send: Send) -> Response:
        """Revoke a subject's tokens, or an operation's."""
        request.require_json()
        claims = await self._gate.claims(request)
        if not claims.admin and not self._service.development:
            if claims.subject is None:
                raise Unauthenticated(f"Revoking takes a token with the scope {ADMIN_SCOPE}.")
            raise Forbidden(f"Revoking takes a token with the scope {ADMIN_SCOPE}.")
        try:
            wanted = msgspec.json.decode(await request.body(MAX_BODY), type=_Wanted)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"{error}. {CURE}") from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise MalformedRequest(f"The body is not JSON: {error}.") from None
        named = [name for name in (wanted.subject, wanted.operation) if name]
        if len(named) != 1 or len(named[0]) > MAX_NAME:
            raise InvalidInput(CURE)
        await self._service.revocations.revoke(subject=wanted.subject, operation=wanted.operation)
        return Response(204, headers=[NOT_STORED])


CURE = f'Send {{"subject": "…"}} or {{"operation": "…"}}, of at most {MAX_NAME} characters.'
