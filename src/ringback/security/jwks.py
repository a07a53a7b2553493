"""The issuer's keys: a JWK Set at a URL (RFC 7517 §5), kept and refreshed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import threading
import time
import urllib.request
from concurrent.futures import Future
from http.client import HTTPException

import msgspec
from joserfc import jwk
from joserfc.errors import JoseError

from ringback.errors import CapacityError
from ringback.ids import Clock

LIFETIME = 600.0
"""Seconds after which the keys are fetched again."""
PAUSE = 10.0
"""Seconds between two fetches: a token that names an unknown key asks for one, and nobody
shall be able to make us hammer the issuer."""
TIMEOUT = 5.0
"""Seconds for an address of the issuer to take the connection, and to go on with its answer."""
LONGEST = PAUSE
"""Seconds for the whole: the next fetch finds no earlier one that is waited for."""
MAX_SIZE = 512 * 1024
"""Bytes of a set: hundreds of keys with their certificates."""
CHUNK = 64 * 1024
"""Bytes that are read at once."""
HEADERS = {"Accept": "application/jwk-set+json, application/json", "User-Agent": "ringback"}
"""With a name of our own: gateways turn away the library's, being every scraper's."""

log = logging.getLogger("ringback.auth")


class RemoteKeys:
    """A JWK Set, fetched again when it is old or lacks a key.

    The keys we have stay good while the issuer is away: it must not lock everybody out.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._keys: list[jwk.Key] = []
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def candidates(self, kid: object, algorithm: str) -> list[jwk.Key]:
        """The keys that may have made a signature. Raises ``CapacityError``.

        Waits for the issuer only when no key we have will do.
        """
        now = self._clock()
        found = self._find(kid, algorithm)
        fresh = 0 <= now - self._fetched_at < LIFETIME
        if not (found and fresh) and not 0 <= now - self._tried_at < PAUSE:
            self._tried_at = now
            self._fetching = asyncio.get_running_loop().create_task(self._fetch(now))
        if not found and self._fetching is not None:
            await asyncio.shield(self._fetching)
            found = self._find(kid, algorithm)
        if not self._keys:
            raise CapacityError(
                "The issuer's keys cannot be fetched, so no token can be verified. Try again "
                "after Retry-After.",
                retry_after=PAUSE,
            )
        return found

    def _find(self, kid: object, algorithm: str) -> list[jwk.Key]:
        return [
            key
            for key in self._keys
            if (kid is None or key.kid == kid)
            and key.get("alg") in (None, algorithm)
            and key.get("use") in (None, "sig")
        ]

    async def _fetch(self, now: float) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                body = await _got(self._url)
            self._keys = parse(body)
            self._fetched_at = now
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            cause = str(error) or f"it took more than {LONGEST:g} seconds"
            log.warning("The issuer's keys at %s cannot be fetched: %s", self._url, cause)


def _got(url: str) -> asyncio.Future[bytes]:
    """``_get`` in a daemon thread: an issuer whose answer never ends, or a name server, would keep
    the process from stopping, and threads that others want.
    """
    got: Future[bytes] = Future()
    got.set_running_or_notify_cancel()

    def run() -> None:
        try:
            got.set_result(_get(url))
        except BaseException as error:
            got.set_exception(error)

    threading.Thread(target=run, name="ringback-keys", daemon=True).start()
    return asyncio.wrap_future(got)


def _get(url: str) -> bytes:
    """What an ``http`` or ``https`` address answers with 200; redirects are not followed.

    By the standard library: a function that verifies tokens would load a larger client for this
    one request, at every cold start. Raises ``OSError``, ``HTTPException`` and ``ValueError``.
    """
    deadline = time.monotonic() + LONGEST
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),  # as the environment has them
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=_trust() if url[:6].lower() == "https:" else None),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(url, headers=HEADERS)  # noqa: S310 - it has no other handlers
    answer = opener.open(request, timeout=TIMEOUT)
    if answer is None:
        raise ValueError("it is no http or https address")
    with answer:
        if answer.status != 200:
            raise ValueError(f"the answer is {answer.status} {answer.reason}")
        body = b""
        while chunk := answer.read1(CHUNK):
            body += chunk
            if len(body) > MAX_SIZE:
                raise ValueError(f"it has more than {MAX_SIZE} bytes")
            if time.monotonic() > deadline:
                raise ValueError(f"it took more than {LONGEST:g} seconds")
        return body


def _trust() -> ssl.SSLContext:
    """The system's authorities. Where Python finds none, as python.org's on macOS, those that come
    with the client's library.
    """
    context = ssl.create_default_context()
    places = ssl.get_default_verify_paths()
    if not (places.cafile or places.capath or context.cert_store_stats()["x509_ca"]):
        with contextlib.suppress(ImportError):
            import certifi

            context.load_verify_locations(certifi.where())
    return context


def parse(body: bytes) -> list[jwk.Key]:
    """The public keys of a set; one that is not understood is left out (RFC 7517 §5).

    Raises ``ValueError`` when none is left.
    """
    content = msgspec.json.decode(body)
    entries = content.get("keys") if isinstance(content, dict) else None
    keys: list[jwk.Key] = []
    for entry in entries if isinstance(entries, list) else ():
        # A secret key in a public place is no secret: whoever reads it could sign.
        if isinstance(entry, dict) and entry.get("kty") in ("RSA", "EC", "OKP"):
            try:
                keys.append(jwk.import_key(entry))
            except (JoseError, ValueError, TypeError, KeyError) as error:
                log.warning("A key of the issuer is left out: %s", error)
    if not keys:
        raise ValueError("it is no JWK Set with a public key that is understood")
    return keys
