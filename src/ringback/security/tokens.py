"""The token of one operation: an opaque HMAC, not a JWT.

It lets whoever holds it follow and cancel that operation, and nothing else. It is made for
each acceptance, so it has to be cheap: an expiry and a keyed BLAKE2b digest (RFC 7693 §2.9)
over it and the operation's id. It is not stored; the same operation always gets the same one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from ringback.core.model import OperationState
from ringback.errors import Unauthenticated

DIGEST_SIZE = 16
"""Bytes: 128 bits cannot be guessed online."""
EXPIRY_SIZE = 5
"""Bytes of the expiry, in seconds since the epoch: enough until the year 36812."""
PREFIX = "rbo_"
"""Makes a token recognizable to people and to scanners for leaked secrets."""
TOKEN_LENGTH = len(PREFIX) + 28
"""Characters: 5 bytes of expiry and the digest, in unpadded base64url."""
SEALED = "rbs_"
"""Begins what is kept of a token: as long as one."""


class OperationTokens:
    """Makes and verifies the tokens of operations."""

    def __init__(self, secret: bytes, lifetime: float) -> None:
        """``lifetime``: seconds after its acceptance for which a token opens the operation."""
        self._key = hashlib.blake2b(secret, person=b"ringback-token", digest_size=32).digest()
        self.lifetime = lifetime

    def expires_at(self, state: OperationState) -> float:
        """Until when the operation's token is good."""
        return float(int(state.created_at + self.lifetime))

    def make(self, state: OperationState) -> str:
        """The token of an operation."""
        expiry = int(state.created_at + self.lifetime).to_bytes(EXPIRY_SIZE)
        raw = expiry + self._digest(state.id, expiry)  # 21 bytes: no padding
        return PREFIX + base64.urlsafe_b64encode(raw).decode()

    def opens(self, token: str, operation: str, now: float) -> float | None:
        """Until when ``token`` opens this operation; None if it is not this operation's.

        Raises ``Unauthenticated`` for one that is, but has expired.
        """
        found = _parts(token, PREFIX)
        if found is None:
            return None
        expiry, digest = found
        if not hmac.compare_digest(digest, self._digest(operation, expiry)):
            return None
        return _good_until(expiry, now)

    def seal(self, token: str) -> str | None:
        """What to keep of a token that is to be looked at later: by it the operation is known that
        it opens, and nobody who reads it has a token. None for what is none.
        """
        found = _parts(token, PREFIX)
        if found is None:
            return None
        expiry, digest = found
        return SEALED + base64.urlsafe_b64encode(expiry + self._sealed(digest)).decode()

    def opens_sealed(self, sealed: str, operation: str, now: float) -> float | None:
        """The same as ``opens``, for what was kept of a token."""
        found = _parts(sealed, SEALED)
        if found is None:
            return None
        expiry, digest = found
        if not hmac.compare_digest(digest, self._sealed(self._digest(operation, expiry))):
            return None
        return _good_until(expiry, now)

    def _sealed(self, digest: bytes) -> bytes:
        return hashlib.blake2b(
            digest, key=self._key, person=b"ringback-sealed", digest_size=DIGEST_SIZE
        ).digest()

    def _digest(self, operation: str, expiry: bytes) -> bytes:
        return hashlib.blake2b(
            operation.encode() + expiry, key=self._key, digest_size=DIGEST_SIZE
        ).digest()


def _parts(text: str, prefix: str) -> tuple[bytes, bytes] | None:
    """Expiry and digest of what begins so."""
    if len(text) != TOKEN_LENGTH or not text.startswith(prefix) or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text[len(prefix) :], b"-_", validate=True)
    except ValueError:
        return None
    return raw[:EXPIRY_SIZE], raw[EXPIRY_SIZE:]


def _good_until(expiry: bytes, now: float) -> float:
    expires_at = float(int.from_bytes(expiry))
    if expires_at <= now:
        raise Unauthenticated("The operation's token has expired.")
    return expires_at
