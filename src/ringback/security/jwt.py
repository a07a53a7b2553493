"""Who is calling: bearer tokens (RFC 6750) that are JWTs (RFC 7519), verified and cached.

Only algorithms that fit the configured key are taken, so that ``alg: none`` and the confusion
of a public key with a shared secret (RFC 8725 §2.1) are refused before anything is computed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from typing import Any

import httpx
import msgspec
from joserfc import jwk, jwt
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from ringback.core.access import Claims
from ringback.errors import ConfigurationError, StoreUnavailable, Unauthenticated
from ringback.ids import Clock
from ringback.settings import Settings

MAX_TOKEN_LENGTH = 8 * 1024
"""Characters: what common servers take as one header."""
CACHED_TOKENS = 4096
"""Verified tokens remembered: a signature costs 15 to 90 microseconds, a look-up one."""
CACHED_FOR = 60.0
"""Seconds a verified token is remembered, so that a removed key counts within a minute."""
JWKS_LIFETIME = 600.0
"""Seconds after which the issuer's keys are fetched again."""
JWKS_PAUSE = 10.0
"""Seconds between two fetches that an unknown key id asks for: nobody can make us hammer."""
JWKS_TIMEOUT = 5.0
"""Seconds for one fetch."""

HMAC_ALGORITHMS = ("HS256", "HS384", "HS512")
PUBLIC_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA")

log = logging.getLogger("ringback.auth")


class Authenticator:
    """Turns a bearer token into claims."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._cache: OrderedDict[bytes, tuple[float, Claims]] = OrderedDict()
        self._jwks = _RemoteKeys(settings.jwks_url, clock) if settings.jwks_url else None
        self._secret: jwk.OctKey | None = None
        self._public: jwk.Key | None = None
        if settings.jwt_secret is not None:
            value = settings.jwt_secret.get_secret_value()
            if len(value.encode()) < 32:
                raise ConfigurationError(
                    "jwt_secret is too short: HS256 needs 32 bytes or more (RFC 7518 §3.2). "
                    "Make one with: openssl rand -base64 48"
                )
            self._secret = jwk.OctKey.import_key(value)
        if settings.jwt_public_key is not None:
            self._public = _public_key(settings.jwt_public_key)

    async def claims(self, token: str) -> Claims:
        """The claims of a JWT. Raises ``Unauthenticated``, saying what is wrong with it."""
        if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
            raise Unauthenticated("The token is longer than any this server takes.")
        now = self._clock()
        digest = hashlib.blake2b(token.encode(), digest_size=16).digest()
        cached = self._cache.get(digest)
        if cached is not None and now < cached[0]:
            return cached[1]
        claims = self._check(await self._verify(token), now)
        until = now + CACHED_FOR
        if claims.expires_at is not None:
            until = min(until, claims.expires_at + self._settings.jwt_leeway)
        self._cache[digest] = (until, claims)
        while len(self._cache) > CACHED_TOKENS:
            self._cache.popitem(last=False)
        return claims

    async def _verify(self, token: str) -> dict[str, Any]:
        header = _header(token)
        algorithm = header.get("alg")
        if algorithm in HMAC_ALGORITHMS and self._secret is not None:
            return _decode(token, self._secret, HMAC_ALGORITHMS)
        if algorithm in PUBLIC_ALGORITHMS:
            if self._public is not None:
                return _decode(token, self._public, PUBLIC_ALGORITHMS)
            if self._jwks is not None:
                keys = await self._jwks.keys_for(header.get("kid"))
                return _decode(token, keys, PUBLIC_ALGORITHMS)
        raise Unauthenticated("The token is signed in a way that this server does not accept.")

    def _check(self, claims: dict[str, Any], now: float) -> Claims:
        settings, leeway = self._settings, self._settings.jwt_leeway
        expires_at = _number(claims, "exp")
        if expires_at is not None and now >= expires_at + leeway:
            raise Unauthenticated("The token has expired. Get a new one.")
        if (begins := _number(claims, "nbf")) is not None and now < begins - leeway:
            raise Unauthenticated("The token is not valid yet. Check the clocks.")
        audience = claims.get("aud")
        if settings.jwt_audience is not None and settings.jwt_audience not in (
            audience if isinstance(audience, list) else [audience]
        ):
            raise Unauthenticated("The token was made for somebody else (aud).")
        if settings.jwt_issuer is not None and claims.get("iss") != settings.jwt_issuer:
            raise Unauthenticated("The token was made by somebody else (iss).")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise Unauthenticated("The token names no subject (sub).")
        scope = claims.get("scope")
        return Claims(
            subject=subject,
            scopes=frozenset(scope.split()) if isinstance(scope, str) else frozenset(),
            expires_at=expires_at,
            extra=claims,
        )


class _RemoteKeys:
    """A JWK Set at a URL (RFC 7517 §5), fetched again when it is old or lacks a key."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._keys: jwk.KeySet | None = None
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def keys_for(self, kid: object) -> jwk.KeySet:
        async with self._lock:
            now = self._clock()
            known = self._keys is not None and (
                kid is None or any(key.kid == kid for key in self._keys.keys)
            )
            stale = not 0 <= now - self._fetched_at < JWKS_LIFETIME
            may_try = not 0 <= now - self._tried_at < JWKS_PAUSE
            if (stale or not known) and may_try:
                self._tried_at = now
                await self._fetch(now)
            if self._keys is None:
                raise StoreUnavailable(
                    "The issuer's keys cannot be fetched, so no token can be verified. "
                    "Try again after Retry-After.",
                    retry_after=JWKS_PAUSE,
                )
            return self._keys

    async def _fetch(self, now: float) -> None:
        try:
            async with httpx.AsyncClient(timeout=JWKS_TIMEOUT) as client:
                answer = await client.get(self._url)
                answer.raise_for_status()
            self._keys = jwk.KeySet.import_key_set(answer.json())
            self._fetched_at = now
        except (httpx.HTTPError, JoseError, ValueError, KeyError) as error:
            # The keys we have stay good: an issuer that is away must not lock everybody out.
            log.warning("The issuer's keys at %s cannot be fetched: %s", self._url, error)


def _header(token: str) -> dict[str, Any]:
    try:
        head = msgspec.json.decode(urlsafe_b64decode(token.split(".", 1)[0].encode()))
    except ValueError:
        head = None
    if not isinstance(head, dict):
        raise Unauthenticated("The token is no JWT.")
    return head


def _decode(token: str, key: Any, algorithms: tuple[str, ...]) -> dict[str, Any]:
    try:
        return dict(jwt.decode(token, key, algorithms=list(algorithms)).claims)
    except (JoseError, ValueError) as error:
        log.debug("A token was refused: %s", error)
        raise Unauthenticated("The token's signature does not verify.") from None


def _number(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthenticated(f"The token's {name} is no number.")
    return float(value)


def _public_key(pem: str) -> jwk.Key:
    for kind in (jwk.RSAKey, jwk.ECKey, jwk.OKPKey):
        try:
            return kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            continue
    raise ConfigurationError("jwt_public_key is no PEM of an RSA, EC or Ed25519 public key.")
