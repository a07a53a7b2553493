"""Who is asking: from a request to claims, and what a development server refuses."""

from __future__ import annotations

import inspect
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ringback.core.access import ANONYMOUS, Claims
from ringback.edges.http.message import Request
from ringback.errors import Forbidden, MalformedRequest, Unauthenticated
from ringback.ids import Clock
from ringback.security.tokens import PREFIX, OperationTokens
from ringback.service import Revocations
from ringback.settings import Settings

if TYPE_CHECKING:
    from ringback.security.jwt import Authenticator

Authenticate = Callable[[Mapping[str, str]], Claims | Awaitable[Claims | None] | None]
"""A hook: the request's headers (lower-case names) in, claims out; None: anonymous."""

IN_PROCESS = {("testclient", 50000), ("127.0.0.1", 123)}
"""What Starlette's TestClient and httpx's ASGITransport say their address is. A browser cannot
come from either (its ports are 1024 and up), so any Host is good: it was no DNS that gave it."""

CURE = (
    "This server runs in development mode, without keys, so it answers on loopback only. "
    "Set RINGBACK_JWT_SECRET, RINGBACK_JWT_PUBLIC_KEY or RINGBACK_JWKS_URL to serve others."
)

NO_KEY = (
    "This server runs in development mode and has no key to verify a token with. "
    "Leave Authorization out, or set RINGBACK_JWT_SECRET."
)


class Gate:
    """Turns a request into claims."""

    def __init__(
        self,
        settings: Settings,
        tokens: OperationTokens,
        clock: Clock,
        authenticate: Authenticate | None,
        revocations: Revocations,
    ) -> None:
        self._revocations = revocations
        self._settings = settings
        self._tokens = tokens
        self._clock = clock
        self._hook = authenticate
        self._authenticator = _authenticator(settings, clock)
        self._guarded = settings.development and authenticate is None

    def admit(self, request: Request) -> None:
        """Refuse what must not even be looked at. Raises ``Forbidden``."""
        if self._guarded and not _is_local(request):
            raise Forbidden(CURE)
        safe = request.method in ("GET", "HEAD", "OPTIONS", "QUERY")
        if not safe or request.scope["type"] == "websocket":
            self._check_origin(request)  # a page may open a WebSocket to anywhere

    def _check_origin(self, request: Request) -> None:
        """A browser may change something only from our own origin or one that is allowed."""
        origin = request.header(b"origin")
        if origin is None:
            return
        if "*" not in self._settings.cors_origins and not self.trusts(request, origin):
            raise Forbidden(
                f"Pages of {origin[:200]} may not call this server. "
                "Add that origin to cors_origins."
            )

    def trusts(self, request: Request, origin: str) -> bool:
        """Whether a cookie may speak for pages of an origin: it is our own, or allowed by its name.
        That any may call (``*``) is said of calls without credentials.
        """
        if origin in self._settings.cors_origins:
            return True
        return origin.partition("://")[2] == request.header(b"host")

    def known(self, request: Request) -> Claims | None:
        """The claims of a request about no operation, where they are plain to see.

        None where they have to be asked for. Spares nearly all requests a coroutine.
        """
        if self._hook is not None or request.scope.get("query_string"):
            return None
        header = request.header(b"authorization")
        if header is None:
            return ANONYMOUS
        if self._authenticator is None or not header.startswith("Bearer "):
            return None
        found = self._authenticator.remembered(header[7:])
        return None if found is None or self._revocations.covers(found) else found

    async def claims(self, request: Request, operation: str | None = None) -> Claims:
        """Who is asking, for a request about ``operation`` or about none.

        Raises ``Unauthenticated`` for credentials that are not good. Without any: anonymous.
        """
        found = await self._claims(request, operation)
        self._revocations.check(found)
        return found

    async def presented(self, token: str) -> Claims:
        """Who is asking, by a token that came otherwise than in a request's head.

        Raises ``Unauthenticated`` for one that is not good.
        """
        if token.startswith(PREFIX):
            raise Unauthenticated(
                "An operation's own token says nothing of who you are. Send it as `token` of what "
                "you ask of that operation."
            )
        if self._hook is not None:
            found = self._hook({"authorization": f"Bearer {token}"})
            if inspect.isawaitable(found):
                found = await found
            if found is None:
                raise Unauthenticated("The token is none that this server takes.")
        elif self._authenticator is None:
            raise Unauthenticated(NO_KEY)
        else:
            found = await self._authenticator.claims(token)
        self._revocations.check(found)
        return found

    @property
    def hooked(self) -> bool:
        """Whether the application itself says who is asking."""
        return self._hook is not None

    async def verified(self, token: str) -> tuple[dict[str, Any], dict[str, Any], Claims]:
        """The header, the payload and the claims of a JWT, for a transport that has grants of its
        own kind. The claims may be of no subject. Raises ``Unauthenticated``.
        """
        if self._authenticator is None:
            raise Unauthenticated(NO_KEY)
        found = await self._authenticator.verified(token)
        self._revocations.check(found[2])
        return found

    def operation_claims(self, token: str, operation: str) -> Claims:
        """The claims of whoever shows an operation's own token; anonymous, if it is another's.

        Raises ``Unauthenticated`` for one that has expired or was revoked.
        """
        found = self._operation_claims(token, operation)
        self._revocations.check(found)
        return found

    def seal(self, token: str) -> str | None:
        """What to keep of an operation's own token, where the token itself must not stand."""
        return self._tokens.seal(token)

    def sealed_claims(self, sealed: str, operation: str) -> Claims:
        """The same as ``operation_claims``, by what was kept of a token."""
        expires_at = self._tokens.opens_sealed(sealed, operation, self._clock())
        if expires_at is None:
            return ANONYMOUS
        found = Claims(operation=operation, expires_at=expires_at)
        self._revocations.check(found)
        return found

    async def _claims(self, request: Request, operation: str | None) -> Claims:
        header = request.header(b"authorization")
        if header is None and self._hook is None:
            return self._from_query(request, operation)
        scheme, _, token = (header or "").partition(" ")
        token = token.strip()
        if scheme.lower() == "bearer" and token.startswith(PREFIX):
            return self._operation_claims(token, operation)
        if self._hook is not None:
            found = self._hook(self._shown(request))
            if inspect.isawaitable(found):
                found = await found
            return found if found is not None else self._from_query(request, operation)
        if scheme.lower() != "bearer":
            raise Unauthenticated("Authorization must be: Bearer, followed by a token.")
        if not token:
            raise MalformedRequest("Authorization: Bearer lacks its token.")
        if self._authenticator is None:
            raise Unauthenticated(NO_KEY)
        return await self._authenticator.claims(token)

    def _shown(self, request: Request) -> dict[str, str]:
        """The headers for the application's hook. A browser sends its cookies with what any page
        has it send: where any may, those of a page that is not trusted say nothing.
        """
        headers = request.headers()
        origin = headers.get("origin")
        if (
            origin is not None
            and "*" in self._settings.cors_origins
            and not self.trusts(request, origin)
        ):
            headers.pop("cookie", None)
        return headers

    def _from_query(self, request: Request, operation: str | None) -> Claims:
        """By the tokens in the URL: a stream of several operations has several."""
        for token in request.values("token") if request.query else ():
            if not token.startswith(PREFIX) and self._hook is None:
                # It would stand in logs and histories, and open everything of its subject.
                raise Unauthenticated(
                    "Only an operation's own token may stand in the URL; send others as "
                    "Authorization: Bearer."
                )
            found = self._operation_claims(token, operation)
            if found.operation is not None:
                return found
        return ANONYMOUS

    def _operation_claims(self, token: str, operation: str | None) -> Claims:
        if operation is None:
            return ANONYMOUS
        expires_at = self._tokens.opens(token, operation, self._clock())
        if expires_at is None:
            return ANONYMOUS
        return Claims(operation=operation, expires_at=expires_at)


def _authenticator(settings: Settings, clock: Clock) -> Authenticator | None:
    """What verifies JWTs, if there is a key. Its libraries are a third of what a start costs."""
    if settings.development:
        return None
    from ringback.security.jwt import Authenticator

    return Authenticator(settings, clock)


def _is_local(request: Request) -> bool:
    client = request.scope.get("client")
    host = request.header(b"host")
    # A page elsewhere can have its own name resolve to 127.0.0.1 (DNS rebinding); the Host it
    # was fetched from gives it away.
    if (client is None or _is_loopback(client[0])) and (
        host is None or _is_loopback(_host_name(host))
    ):
        return True
    return client is not None and tuple(client) in IN_PROCESS


@lru_cache(maxsize=1024)
def _host_name(host: str) -> str:
    """A Host field without its port; empty if it cannot be read."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


@lru_cache(maxsize=1024)
def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 §6.3
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
