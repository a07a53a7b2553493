"""Who is calling: bearer tokens (RFC 6750) that are JWTs (RFC 7519), verified and cached.

Only algorithms that fit the configured key are taken, so that ``alg: none`` and the confusion
of a public key with a shared secret (RFC 8725 §2.1) are refused before anything is computed.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from functools import lru_cache
from typing import Any

import msgspec
from joserfc import jwk, jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

from ringback.core.access import Claims
from ringback.core.policies import check_grant
from ringback.errors import ConfigurationError, InvalidInput, Unauthenticated
from ringback.ids import Clock
from ringback.security.jwks import RemoteKeys
from ringback.settings import Settings

MAX_TOKEN_LENGTH = 8 * 1024
"""Characters: what common servers take as one header."""
MAX_GRANTS = 100
"""Filters that one token grants: what a header has room for, and a message is checked against."""
MAX_SUBJECT_LENGTH = 255
"""Characters: OpenID Connect's bound for ``sub`` (Core §2)."""
CACHED_TOKENS = 4096
"""Verified tokens remembered: a signature costs 15 to 90 microseconds, a look-up one."""
CACHED_FOR = 60.0
"""Seconds a verified token is remembered, so that a removed key counts within a minute."""
KNOWN_GRANTS = 256
"""Scopes and lists of topics that tokens have in common: held once, and not by each connection."""
TOLD = frozenset({"sub", "exp", "iat", "topics"})
"""Claims that ``Claims`` has in fields of their own."""
ALIKE = frozenset({"iss", "aud", "azp", "client_id"})
"""Claims that have the same few values in all tokens."""
MAX_TIME = 1e12
"""Seconds since the epoch that a time in a token stays below: some 30,000 years."""
MIN_SECRET = 32
"""Bytes of a shared secret (RFC 7518 §3.2)."""

HMAC_ALGORITHMS = frozenset({"HS256", "HS384", "HS512"})
PUBLIC_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
    | {"EdDSA", "Ed25519"}
)

log = logging.getLogger("ringback.auth")


class Authenticator:
    """Turns a bearer token into claims."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._cache = _Remembered()
        self._remote = RemoteKeys(settings.jwks_url, clock) if settings.jwks_url else None
        self._secret: jwk.OctKey | None = None
        self._public: jwk.Key | None = None
        if settings.jwt_secret is not None:
            value = settings.jwt_secret.get_secret_value()
            if len(value.encode()) < MIN_SECRET:
                raise ConfigurationError(
                    f"jwt_secret is too short: HS256 needs {MIN_SECRET} bytes or more "
                    "(RFC 7518 §3.2). Make one with: openssl rand -base64 48"
                )
            if value.lstrip().startswith("-----BEGIN"):
                raise ConfigurationError(
                    "jwt_secret is a PEM: whoever has that public key could sign. Give it as "
                    "jwt_public_key."
                )
            self._secret = jwk.OctKey.import_key(value)
        if settings.jwt_public_key is not None:
            self._public = _public_key(settings.jwt_public_key)

    async def claims(self, token: str) -> Claims:
        """The claims of a JWT. Raises ``Unauthenticated``, saying what is wrong with it."""
        if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
            raise Unauthenticated("The token is longer than any this server takes, or no JWT.")
        remembered = self.remembered(token)
        if remembered is not None:
            return remembered
        now = self._clock()
        claims = self._check(await self._verify(token, _header(token)), now)
        self._cache.add(_digest(token), claims, now)
        return claims

    def remembered(self, token: str) -> Claims | None:
        """The claims of a JWT that was verified a while ago; None for any other."""
        if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
            return None
        now = self._clock()
        found = self._cache.get(_digest(token), now)
        if found is None or found.expires_at is None:
            return found
        return found if now < found.expires_at + self._settings.jwt_leeway else None

    async def verified(self, token: str) -> tuple[dict[str, Any], dict[str, Any], Claims]:
        """The header and the payload of a JWT, and its claims. It may name no subject: of some
        transports' tokens it is what they grant that counts. Raises ``Unauthenticated``.
        """
        if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
            raise Unauthenticated("The token is longer than any this server takes, or no JWT.")
        header = _header(token)
        payload = await self._verify(token, header)
        return header, payload, self._check(payload, self._clock(), named=False)

    async def _verify(self, token: str, header: dict[str, Any]) -> dict[str, Any]:
        algorithm = header.get("alg")
        if not isinstance(algorithm, str):
            raise Unauthenticated("The token does not say how it is signed (alg).")
        if algorithm in HMAC_ALGORITHMS and self._secret is not None:
            return _decode(token, [self._secret], _HMAC)
        if algorithm in PUBLIC_ALGORITHMS:
            keys = [self._public] if self._public is not None else []
            if self._remote is not None:
                keys += await self._remote.candidates(header.get("kid"), algorithm)
            if keys:
                return _decode(token, keys, _PUBLIC)
            if self._remote is not None:
                raise Unauthenticated("The token is signed with a key that its issuer has not.")
        raise Unauthenticated("The token is signed in a way that this server does not accept.")

    def _check(self, claims: dict[str, Any], now: float, *, named: bool = True) -> Claims:
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
        if subject is None and not named:
            pass
        elif not isinstance(subject, str) or not subject:
            raise Unauthenticated("The token names no subject (sub).")
        elif len(subject) > MAX_SUBJECT_LENGTH or not subject.isprintable():
            raise Unauthenticated(
                f"The token's subject (sub) is not 1 to {MAX_SUBJECT_LENGTH} printable characters."
            )
        scope = claims.get("scope")
        return Claims(
            subject=subject,
            scopes=_scopes(scope) if isinstance(scope, str) else frozenset(),
            expires_at=expires_at,
            issued_at=_number(claims, "iat"),
            subscribe=_filters(claims, "subscribe"),
            publish=_filters(claims, "publish"),
            extra=_others(claims),
        )


class _Remembered:
    """Claims by the digest of their token, for ``CACHED_FOR`` seconds at most.

    In two generations, of which the older is forgotten as a whole: an entry has no time of its
    own, and no place in an order.
    """

    def __init__(self) -> None:
        self._newer: dict[bytes, Claims] = {}
        self._older: dict[bytes, Claims] = {}
        self._since = self._older_since = float("-inf")
        """When the first entry of each may have been made."""

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def get(self, digest: bytes, now: float) -> Claims | None:
        if now - self._since < CACHED_FOR:
            found = self._newer.get(digest)
            if found is not None:
                return found
        return self._older.get(digest) if now - self._older_since < CACHED_FOR else None

    def add(self, digest: bytes, claims: Claims, now: float) -> None:
        if now - self._since >= CACHED_FOR / 2 or len(self._newer) >= CACHED_TOKENS // 2:
            self._older, self._older_since = self._newer, self._since
            self._newer, self._since = {}, now
        self._newer[digest] = claims


def _digest(token: str) -> bytes:
    return hashlib.blake2b(token.encode(), digest_size=16).digest()


def _header(token: str) -> dict[str, Any]:
    try:
        head = msgspec.json.decode(urlsafe_b64decode(token.split(".", 1)[0].encode()))
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict):
        raise Unauthenticated("The token is no JWT.")
    return head


class _Registry(JWSRegistry):
    """What headers and algorithms are taken; unknown headers are ignored (RFC 7515 §4)."""

    max_header_length = MAX_TOKEN_LENGTH

    def __init__(self, algorithms: frozenset[str]) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)
        self._taken = algorithms

    def get_alg(self, name: str) -> Any:
        # Without the library's warning for each token that says EdDSA, as RFC 8037 calls it.
        if name not in self._taken or name not in self.algorithms:
            raise UnsupportedAlgorithmError(f"Algorithm {name!r} is not taken")
        return self.algorithms[name]


_HMAC = _Registry(HMAC_ALGORITHMS)
_PUBLIC = _Registry(PUBLIC_ALGORITHMS)


def _decode(token: str, keys: list[Any], registry: _Registry) -> dict[str, Any]:
    for key in keys:
        try:
            return dict(jwt.decode(token, key, registry=registry).claims)
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            log.debug("A token was refused: %s", error)
    raise Unauthenticated("The token's signature does not verify.")


@lru_cache(KNOWN_GRANTS)
def _scopes(scope: str) -> frozenset[str]:
    return frozenset(scope.split())


@lru_cache(KNOWN_GRANTS)
def _checked(filters: tuple[str, ...]) -> tuple[str, ...]:
    """Filters that may be granted. Raises ``InvalidInput``."""
    return tuple(check_grant(each) for each in filters)


def _others(claims: dict[str, Any]) -> dict[str, object]:
    """The claims that are told nowhere else. Thousands of connections hold theirs, so what is the
    same in every token is held once.
    """
    return {
        sys.intern(name): sys.intern(value) if name in ALIKE and type(value) is str else value
        for name, value in claims.items()
        if name not in TOLD and not (name == "scope" and isinstance(value, str))
    }


def _number(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthenticated(f"The token's {name} is no number.")
    if not abs(value) < MAX_TIME:
        raise Unauthenticated(f"The token's {name} is out of range.")
    return float(value)


def _filters(claims: dict[str, Any], action: str) -> tuple[str, ...]:
    """The topics a token grants, as ``{"topics": {"subscribe": [filter, …], "publish": […]}}``."""
    topics = claims.get("topics")
    if topics is None:
        return ()
    granted = topics.get(action, []) if isinstance(topics, dict) else None
    if (
        not isinstance(granted, list)
        or len(granted) > MAX_GRANTS
        or not all(isinstance(each, str) for each in granted)
    ):
        raise Unauthenticated(
            f"The token's topics are no object of lists of at most {MAX_GRANTS} filters, each a "
            "string."
        )
    try:
        return _checked(tuple(granted))
    except InvalidInput as error:
        raise Unauthenticated(f"The token's topics: {error.detail}") from None


def _public_key(pem: str) -> jwk.Key:
    for kind in (jwk.RSAKey, jwk.ECKey, jwk.OKPKey):
        try:
            return kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            continue
    raise ConfigurationError("jwt_public_key is no PEM of an RSA, EC or Ed25519 public key.")
