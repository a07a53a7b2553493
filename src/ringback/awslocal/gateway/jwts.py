"""The JWT authorizer of an HTTP API: a token, its issuer's keys, what it has to say.

Only RSA signatures, as there. The keys are the issuer's, found by its OpenID configuration; they
may lie in a file instead (issuer ``file:///…``, or a file named for an issuer).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
from joserfc import jwk, jws
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from ringback.awslocal.model import JwtAuthorizer

ALGORITHMS = ["RS256", "RS384", "RS512"]
KEPT = 7200.0
"""Seconds that an issuer's keys are kept."""
PAUSE = 5.0
"""Seconds between two looks for a key that is not there."""
MOST_KEYS = 512 * 1024
"""Bytes of a key set."""
FETCH = 10.0
"""Seconds for one fetch."""

log = logging.getLogger("ringback.aws.gateway")


class Refused(Exception):
    """A token is no good. The text says why, as ``WWW-Authenticate`` does."""

    def __init__(self, description: str, *, status: int = 401) -> None:
        self.status = status
        super().__init__(description)


class Keys:
    """The public keys of issuers, fetched when they are needed."""

    def __init__(self, places: Mapping[str, str] | None = None) -> None:
        """`places`: where the keys of an issuer are, as a path or a URL, if not where it says."""
        self._places = dict(places or {})
        self._known: dict[str, tuple[float, list[jwk.Key]]] = {}
        self._lock = asyncio.Lock()

    async def find(self, issuer: str, kid: object, now: float) -> list[jwk.Key]:
        """The keys that may have signed. Empty when there are none, or nobody tells them."""
        fetched_at, keys = self._known.get(issuer, (float("-inf"), []))
        found = _choose(keys, kid)
        if now - fetched_at < (KEPT if found else PAUSE):
            return found
        async with self._lock:
            again, keys = self._known.get(issuer, (float("-inf"), []))
            if again == fetched_at:
                keys = await self._load(issuer) or keys
                self._known[issuer] = (now, keys)
        return _choose(keys, kid)

    async def _load(self, issuer: str) -> list[jwk.Key]:
        try:
            place = self._places.get(issuer) or await self._discover(issuer)
            return _parse(await self._read(place))
        except (httpx.HTTPError, OSError, ValueError, RecursionError) as error:
            log.warning("The keys of issuer %s cannot be read: %s", issuer, error)
            return []

    async def _discover(self, issuer: str) -> str:
        if issuer.startswith("file:"):
            return issuer
        said = json.loads(
            await self._read(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        )
        place = said.get("jwks_uri") if isinstance(said, dict) else None
        if not isinstance(place, str):
            raise ValueError("its OpenID configuration names no jwks_uri")
        return place

    async def _read(self, place: str) -> bytes:
        address = urlsplit(place)
        if address.scheme in ("http", "https"):
            # To read the authorities' certificates takes long, and only TLS needs them.
            tls = address.scheme == "https"
            async with httpx.AsyncClient(timeout=FETCH, verify=tls) as client:
                answer = await client.get(place)
                answer.raise_for_status()
                body = answer.content
        else:
            path = unquote(address.path) if address.scheme == "file" else place
            body = await asyncio.to_thread(Path(path).read_bytes)
        if len(body) > MOST_KEYS:
            raise ValueError(f"there are more than {MOST_KEYS} bytes")
        return body


async def verify(
    authorizer: JwtAuthorizer, token: str, scopes: Sequence[str], keys: Keys, now: float
) -> dict[str, Any]:
    """The authorizer's part of ``requestContext``. Raises ``Refused``."""
    token = token[7:] if token[:7].lower() == "bearer " else token
    try:
        header = json.loads(urlsafe_b64decode(token.partition(".")[0].encode()))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("alg") not in ALGORITHMS:
        raise Refused("signing method is invalid")
    claims = None
    for key in await keys.find(authorizer.issuer, header.get("kid"), now):
        try:
            signed = jws.deserialize_compact(token, key, algorithms=ALGORITHMS)
            claims = json.loads(signed.payload)
            break
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            log.debug("A token was refused: %s", error)
    if not isinstance(claims, dict):
        raise Refused("signature is invalid")
    _check(authorizer, claims, now)
    if scopes and not set(scopes) & set(_scopes(claims)):
        raise Refused("insufficient_scope", status=403)
    return {
        "claims": {name: _as_string(value) for name, value in claims.items()},
        "scopes": [each for each in scopes if each in _scopes(claims)] or None,
    }


def _check(authorizer: JwtAuthorizer, claims: Mapping[str, Any], now: float) -> None:
    if claims.get("iss") != authorizer.issuer:
        raise Refused("invalid issuer")
    audience = claims.get("aud", claims.get("client_id"))
    listed = audience if isinstance(audience, list) else [audience]
    if authorizer.audience and not any(each in authorizer.audience for each in listed):
        raise Refused("the token does not have a valid audience")
    expires = _time(claims, "exp")
    if expires is None or expires <= now:
        raise Refused("the token has expired")
    for name in ("nbf", "iat"):
        begins = _time(claims, name)
        if begins is not None and begins > now:
            raise Refused("the token is not valid yet")


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"{name} is no number")
    return float(value)


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    said = claims.get("scope", claims.get("scp"))
    if isinstance(said, str):
        return said.split()
    return [each for each in said if isinstance(each, str)] if isinstance(said, list) else []


def _as_string(value: Any) -> str:
    """Claims reach a function as strings, whatever they were."""
    match value:
        case str():
            return value
        case list():
            return f"[{' '.join(_as_string(each) for each in value)}]"
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return json.dumps(value, separators=(",", ":"))


def _choose(keys: list[jwk.Key], kid: object) -> list[jwk.Key]:
    return [key for key in keys if kid is None or key.kid == kid]


def _parse(body: bytes) -> list[jwk.Key]:
    content = json.loads(body)
    entries = content.get("keys") if isinstance(content, dict) else None
    keys: list[jwk.Key] = []
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("kty") == "RSA":
            try:
                keys.append(jwk.import_key(entry))
            except (JoseError, ValueError, TypeError, KeyError) as error:
                log.warning("A key is left out: %s", error)
    if not keys:
        raise ValueError("there is no RSA key")
    return keys
