"""The header fields of requests that bring bytes of an upload.

``Upload-Offset`` and ``Upload-Complete`` are those of draft-ietf-httpbis-resumable-upload;
``Content-Range`` is taken for clients that know only that (RFC 9110 §14.4, §14.5), and
``Repr-Digest`` for the checksum (RFC 9530 §3).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from ringback.edges.http.message import Request
from ringback.errors import MalformedRequest, UnsupportedMediaType

MAX_DIGITS = 18
"""Digits of an offset or a length that is read as a number."""
SAYS_NOTHING = frozenset(
    {
        "application/octet-stream",
        "application/partial-upload",  # the resumable-upload draft's, for PATCH
        "application/x-www-form-urlencoded",  # what curl and others say if nobody tells them
    }
)
"""Content types that do not contradict any declared one."""

_OFFSET = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}")
_RANGE = re.compile(
    rf"bytes ([0-9]{{1,{MAX_DIGITS}}})-([0-9]{{1,{MAX_DIGITS}}})/([0-9]{{1,{MAX_DIGITS}}}|\*)"
)
_SHA256 = re.compile(r"(?:^|,)\s*sha-256\s*=\s*:([A-Za-z0-9+/=]*):")
_SHA256_BYTES = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Bytes:
    """What the headers say about the bytes."""

    offset: int
    length: int | None
    last: bool
    sha256: str | None


def read(request: Request, size: int, kind: str) -> Bytes:
    """The fields of a request for an upload declared with this size and type.

    Raises ``MalformedRequest`` and ``UnsupportedMediaType``.
    """
    _check_type(request, kind)
    length = request.declared_length()
    offset = _offset(request)
    text = request.header(b"content-range")
    if text is not None:
        first, count = _range(text, size)
        if offset is not None and offset != first:
            raise MalformedRequest("Upload-Offset and Content-Range name different offsets.")
        if length is not None and length != count:
            raise MalformedRequest("Content-Range and Content-Length name different lengths.")
        offset, length = first, count
    return Bytes(
        offset=offset or 0,
        length=length,
        last=_complete(request),
        sha256=_sha256(request.header(b"repr-digest")),
    )


def _offset(request: Request) -> int | None:
    text = request.header(b"upload-offset")
    if text is None:
        return None
    if not _OFFSET.fullmatch(text):
        raise MalformedRequest("Upload-Offset is a number of bytes.")
    return int(text)


def _range(text: str, size: int) -> tuple[int, int]:
    """The first offset and the count of bytes in a Content-Range."""
    match = _RANGE.fullmatch(text.strip())
    if match is None or int(match[2]) < int(match[1]):
        raise MalformedRequest("Content-Range is: bytes FIRST-LAST/SIZE.")
    if match[3] != "*" and int(match[3]) != size:
        raise MalformedRequest(f"Content-Range names another size than the declared {size}.")
    return int(match[1]), int(match[2]) - int(match[1]) + 1


def _complete(request: Request) -> bool:
    """``Upload-Complete``, a boolean of structured fields (RFC 9651 §3.3.6)."""
    text = request.header(b"upload-complete")
    if text is None or text == "?0":
        return False
    if text != "?1":
        raise MalformedRequest("Upload-Complete is ?0 or ?1.")
    return True


def _sha256(text: str | None) -> str | None:
    """The SHA-256 in a Repr-Digest, in hex; algorithms not known here are passed over."""
    match = _SHA256.search(text) if text is not None else None
    if match is None:
        return None
    try:
        digest = base64.b64decode(match[1], validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != _SHA256_BYTES:
        raise MalformedRequest("Repr-Digest is: sha-256=:BASE64 OF 32 BYTES:.")
    return digest.hex()


def _check_type(request: Request, kind: str) -> None:
    """Refuse bytes that are said to be something else than was declared, or to be encoded."""
    if request.encoded:
        raise UnsupportedMediaType(
            "The bytes of a file are stored as they are: send them without Content-Encoding."
        )
    text = request.header(b"content-type")
    if text is None:
        return
    sent = text.partition(";")[0].strip().lower()
    if sent and sent != kind and sent not in SAYS_NOTHING:
        raise UnsupportedMediaType(
            f"The upload was declared as {kind}, but these bytes are said to be {sent[:100]}. "
            "Send the file itself as the body, no form, with the type that was declared.",
            declared=kind,
        )
