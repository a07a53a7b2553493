"""Keys and tokens for tests."""

import time
import warnings
from typing import Any

from joserfc import jwk, jwt
from joserfc.errors import SecurityWarning

SECRET = "a shared secret of more than thirty-two bytes"
"""What tokens of `bearer` are signed with."""


def claims_of(subject: str | None = "ann", **claims: Any) -> dict[str, Any]:
    """Claims that are good for an hour."""
    now = int(time.time())
    found = {"sub": subject, "iat": now, "exp": now + 3600, **claims}
    return {name: value for name, value in found.items() if value is not None}


def sign(claims: dict[str, Any], key: Any, algorithm: str, **header: Any) -> str:
    """A JWT."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # EdDSA has a newer name, Ed25519
        return jwt.encode({"alg": algorithm, **header}, claims, key, algorithms=[algorithm])


def bearer(subject: str, **claims: Any) -> str:
    """An Authorization field that names a caller to a server with `SECRET`."""
    token = sign(claims_of(subject, **claims), jwk.OctKey.import_key(SECRET), "HS256")
    return f"Bearer {token}"
