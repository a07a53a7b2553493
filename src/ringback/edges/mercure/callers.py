"""Who is asking: tokens where Mercure has them, and what they grant."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

import msgspec

from ringback.core.access import ANONYMOUS, Claims
from ringback.core.policies import Topics
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import Request
from ringback.errors import Forbidden, MalformedRequest, Unauthenticated
from ringback.settings import Settings
from ringback.wire.mercure import Fields, checked_name
from ringback.wire.mercure_selectors import Selector
from ringback.wire.mercure_tokens import NONE, Grants, granted, read_grants

COOKIES = ("__Secure-mercure_access_token", "mercureAuthorization")
"""Names of the cookie: of draft 08, and of 07."""
PARAMETER = "authorization"
"""Draft 07's, in the URL, where neither a header nor a cookie can be set."""


class Caller(msgspec.Struct, frozen=True):
    """Who is asking."""

    claims: Claims = ANONYMOUS
    grants: Grants = NONE
    shown: bool = False
    """Whether there was a token at all."""


class Callers:
    """Knows callers by their tokens, and says what they may."""

    def __init__(self, settings: Settings, gate: Gate, topics: Topics) -> None:
        self._settings = settings
        self._gate = gate
        self._topics = topics

    # Who

    async def known(self, request: Request, fields: Fields, base: str) -> Caller:
        """Who is asking. Raises ``Unauthenticated`` for a token that is not good."""
        if self._gate.hooked:
            claims = await self._gate.claims(request)
            return Caller(claims, shown=claims != ANONYMOUS)
        token = self._token(request, fields)
        if token is None:
            return Caller()
        header, payload, claims = await self._gate.verified(token)
        return Caller(claims, read_grants(payload, header.get("typ"), base), shown=True)

    def _token(self, request: Request, fields: Fields) -> str | None:
        header = request.header(b"authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer":
                raise Unauthenticated("Authorization must be: Bearer, followed by a token.")
            if not token.strip():
                raise MalformedRequest("Authorization: Bearer lacks its token.")
            return token.strip()
        for name, value in fields:
            if name == PARAMETER and value:
                return value
        cookies = request.header(b"cookie")
        if cookies is None:
            return None
        found = _cookie(cookies)
        if found is not None and request.method == "POST":
            self._check_page(request)
        return found

    def _check_page(self, request: Request) -> None:
        """A browser sends its cookies with what any page has it send: the page has to be one of
        ours, or of an origin that is allowed by its name.
        """
        origin = request.header(b"origin")
        if origin is None:
            page = urlsplit(request.header(b"referer") or "")
            origin = f"{page.scheme}://{page.netloc}" if page.netloc else "null"
        if not self._gate.trusts(request, origin):
            raise Forbidden(
                "To publish by a cookie takes the header Origin, of this server or of one of "
                "cors_origins. Outside a browser, send the token as Authorization: Bearer."
            )

    # What they may

    def may_publish(self, caller: Caller, name: str, topic: str) -> bool:
        """Whether the caller may publish to a topic. Raises ``UnknownTopic``."""
        self._topics.policy(name)
        return (
            self._topics.allows("publish", caller.claims, name)
            or granted(caller.grants.publish, topic) is not None
        )

    def sees(self, caller: Caller, name: str) -> bool:
        """Whether the caller gets a topic's messages that are not private."""
        policy = self._topics.find(name)
        if policy is None:
            return False
        if policy is self._topics.open and self._is_public(caller):
            return True
        return self._topics.allows("subscribe", caller.claims, name) or any(
            grant.selector.accepts(name) for grant in caller.grants.subscribe
        )

    def sees_all(self, caller: Caller, selector: Selector) -> bool:
        """Whether that is so of every topic a selector is about."""
        filter = selector.filter
        if filter is None:
            return False
        if self._topics.everywhere("subscribe", caller.claims, filter):
            return True
        return any(
            grant.selector.everything
            or (grant.selector.kind == selector.kind and grant.selector.text == selector.text)
            for grant in caller.grants.subscribe
        )

    def sees_some(self, caller: Caller) -> bool:
        """Whether there may be a topic of which it is."""
        return (
            bool(caller.grants.subscribe)
            or (self._topics.open is not None and self._is_public(caller))
            or self._topics.somewhere("subscribe", caller.claims)
        )

    def in_particular(self, caller: Caller, topic: str) -> bool:
        """Whether the caller gets a topic's private messages."""
        if self._topics.development or granted(caller.grants.subscribe, topic) is not None:
            return True
        name = checked_name(topic)
        return name is not None and self._topics.grants(caller.claims, name)

    def administers(self, caller: Caller, url: str) -> bool:
        """Whether the caller may see active subscriptions: a grant has their URL as its topic."""
        if self._topics.development or caller.claims.admin:
            return True
        return granted(caller.grants.subscribe, url) is not None

    def administers_some(self, caller: Caller) -> bool:
        """Whether there may be some that the caller may see."""
        return bool(caller.grants.subscribe or self._topics.development or caller.claims.admin)

    def _is_public(self, caller: Caller) -> bool:
        """Whether the caller gets what is public of topics that nobody declared."""
        return self._settings.mercure_anonymous or caller.grants.subscriber


def _cookie(header: str) -> str | None:
    cookies: SimpleCookie = SimpleCookie()
    for pair in header.split(";"):  # each for itself: one that is malformed hides no other
        try:
            cookies.load(pair.strip())
        except CookieError:
            continue
    for name in COOKIES:
        if name in cookies and cookies[name].value:
            return cookies[name].value
    return None
