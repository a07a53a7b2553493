"""Who is asking: a name is enough here, and signed tokens say whose it is.

With the settings of an issuer (``jwks_url`` or ``jwt_public_key``, with ``jwt_issuer`` and
``jwt_audience``) its tokens are taken instead, and nobody signs in here.

Two tokens: a short-lived one that the page holds in memory and shows with each request, and one
that makes the next of these, in a cookie which no script can read.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import tempfile
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from joserfc import jwk, jwt
from joserfc.errors import JoseError
from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool

from ringback import Claims, Ringback
from ringback.errors import NotFound, Unauthenticated
from ringback.security.jwt import Authenticator
from ringback.settings import Settings

from .model import Person, Session, name_in
from .records import records_of

SECRET = "ask-around-me.secret"  # noqa: S105 - a file's name
COOKIE = "ask-around-me"
TOKEN_LIFETIME = 3600
"""Seconds: what a stolen token is good for."""
LIFETIME = "ASK_AROUND_ME_TOKEN_LIFETIME"
"""Names other seconds, for those who want to see a page get its next token."""
SESSION_LIFETIME = 30 * 86400
"""Seconds after which somebody who did not come by has to give a name again. Revocations are
kept for longer than that."""
ALGORITHM = "HS256"
SOMEBODY = "Somebody"
MAX_MET = 10_000
"""People remembered as stored, so that not every request has to look."""


class SignIn:
    """Makes tokens, and says whose they are."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._records = records_of(settings)
        self._met: OrderedDict[Person, None] = OrderedDict()
        self.local = settings.jwks_url is None and settings.jwt_public_key is None
        """Whether people sign in here, and not at an issuer."""
        if self.local:
            given = settings.jwt_secret
            secret = _kept_secret(settings.data) if given is None else given.get_secret_value()
            settings = settings.model_copy(update={"jwt_secret": SecretStr(secret)})
            self._key = jwk.OctKey.import_key(secret)
            # Of its own, so that what makes tokens is never taken for one.
            derived = hmac.digest(secret.encode(), b"ask-around-me session", hashlib.sha256)
            self._session_key = jwk.OctKey.import_key(derived)
        self._tokens = Authenticator(settings, time.time)

    async def claims(self, headers: Mapping[str, str]) -> Claims | None:
        """Who sends a request with these headers (lower-case names); None: nobody in particular.

        Raises ``Unauthenticated`` for a token that is not good.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer":
            raise Unauthenticated("Authorization must be: Bearer, followed by a token.")
        claims = await self._tokens.claims(token.strip())
        await self._meet(person_of(claims))
        return claims

    async def begin(self, name: str) -> tuple[Session, str]:
        """Somebody new of this name: what their page gets, and what its cookie holds."""
        self._check_local()
        return await self._session(Person(id=f"p-{secrets.token_hex(8)}", name=name))

    async def refresh(self, rb: Ringback, cookie: str | None) -> tuple[Session, str]:
        """The same for whom a cookie names. Raises ``Unauthenticated``."""
        return await self._session(person_of(self._known(rb, cookie)))

    async def end(self, rb: Ringback, cookie: str | None) -> None:
        """Let no token of whom a cookie names be good any more. Raises ``Unauthenticated``."""
        await rb.revoke(subject=self._known(rb, cookie).subject)

    def _known(self, rb: Ringback, cookie: str | None) -> Claims:
        self._check_local()
        fields: dict[str, object] = {}
        try:
            found = jwt.decode(cookie or "", self._session_key, algorithms=[ALGORITHM])
            jwt.JWTClaimsRegistry(exp={"essential": True}, iat={"essential": True}).validate(
                found.claims
            )
            fields = dict(found.claims)
        except (JoseError, ValueError):
            raise Unauthenticated("There is no session. Sign in with a name.") from None
        claims = Claims(
            subject=str(fields["sub"]),
            issued_at=float(str(fields["iat"])),
            extra={"name": fields["name"]},
        )
        if rb.started.service.revocations.covers(claims):
            raise Unauthenticated("You have signed out. Sign in with a name.")
        return claims

    async def _session(self, person: Person) -> tuple[Session, str]:
        await self._meet(person)
        now = int(time.time())
        lifetime = int(os.environ.get(LIFETIME, TOKEN_LIFETIME))
        until = now + lifetime
        shared = {"sub": person.id, "name": person.name, "iat": now}
        own = dict(shared, exp=until)
        if self._settings.jwt_issuer is not None:
            own["iss"] = self._settings.jwt_issuer
        if self._settings.jwt_audience is not None:
            own["aud"] = self._settings.jwt_audience
        session = Session(
            token=jwt.encode({"alg": ALGORITHM}, own, self._key),
            expires_at=datetime.fromtimestamp(until, UTC),
            expires_in=lifetime,
            person=person,
        )
        lasting = dict(shared, exp=now + SESSION_LIFETIME)
        return session, jwt.encode({"alg": ALGORITHM}, lasting, self._session_key)

    async def _meet(self, person: Person) -> None:
        """Store how somebody is called: the tasks know them by their subject alone."""
        if person in self._met:
            return
        await run_in_threadpool(self._records.meet, person)
        self._met[person] = None
        while len(self._met) > MAX_MET:
            self._met.popitem(last=False)

    def _check_local(self) -> None:
        if not self.local:
            raise NotFound("People sign in at the issuer here, and not with a name.")


def person_of(claims: Claims) -> Person:
    """Whom others see."""
    names = (name_in(claims.extra.get(each)) for each in ("name", "preferred_username"))
    return Person(id=claims.subject or "", name=next(filter(None, names), SOMEBODY))


def _kept_secret(folder: Path) -> str:
    """The secret of a data folder; of several processes that make it at once, one's is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / SECRET
    if not file.exists():
        handle, name = tempfile.mkstemp(dir=folder)  # readable by its owner only
        made = Path(name)
        try:
            with os.fdopen(handle, "w") as opened:
                opened.write(secrets.token_urlsafe(48))
                opened.flush()
                os.fsync(handle)  # an empty one after a power cut would be no secret
            with contextlib.suppress(FileExistsError):
                os.link(made, file)  # all of it at once, and only if there is none
        finally:
            made.unlink()
    return file.read_text()
