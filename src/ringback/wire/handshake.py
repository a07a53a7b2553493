"""The opening handshake of WebSocket (RFC 6455, 4.2), the server's side: request in, answer out.

What is allowed to whom (Origin, tokens, limits) is the edge's to decide, between the two.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence

import msgspec

VERSION = b"13"

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # 1.3
_NONCE_BYTES = 16  # 4.1, of the key

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_EXTENSION_PART = re.compile(
    rb"[ \t]*(" + _TOKEN + rb")[ \t]*(?:=[ \t]*(?:(" + _TOKEN + rb')|"(' + _TOKEN + rb')")[ \t]*)?'
    rb"(;|,|\Z)"
)
"""One name or parameter, and what ends it. A quoted value has to be a token too (9.1)."""
_EMPTY_ELEMENTS = re.compile(rb"[ \t,]*")

Header = tuple[bytes, bytes]


class Refused(Exception):
    """The request is not a handshake that can be answered with 101. The detail says the cure."""

    def __init__(self, status: int, detail: str, headers: tuple[Header, ...] = ()) -> None:
        self.status = status
        self.detail = detail
        self.headers = headers
        """What the answer has to carry beside its status."""
        super().__init__(detail)


class Handshake(msgspec.Struct, frozen=True):
    """What a client asks for, after the checks."""

    key: bytes
    protocols: tuple[bytes, ...]
    """Subprotocols it speaks, the preferred first."""
    extensions: tuple[tuple[bytes, tuple[tuple[bytes, bytes | None], ...]], ...]
    """Extensions it offers, the preferred first; the same one several times is a fall-back."""


def check(method: bytes, version: str, headers: Iterable[Header]) -> Handshake:
    """Read a request's head; ``headers`` have lower-case names. Raises ``Refused``."""
    fields: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        fields.setdefault(name, []).append(value.strip(b" \t"))
    upgrades = {each.lower() for each in _elements(fields.get(b"upgrade"))}
    # HTTP/1.0 knows no upgrade: there the field is to be ignored (RFC 9110, 7.8).
    if b"websocket" not in upgrades or version != "1.1":
        raise Refused(
            426,
            "This address speaks WebSocket. Open it with a WebSocket client, over HTTP/1.1; a "
            "proxy on the way has to pass the Upgrade header on.",
            ((b"upgrade", b"websocket"), (b"connection", b"upgrade")),
        )
    if method != b"GET":
        raise Refused(405, "A WebSocket is opened with GET.", ((b"allow", b"GET"),))
    if b"upgrade" not in {each.lower() for each in _elements(fields.get(b"connection"))}:
        raise Refused(
            400, "The Connection header has to name Upgrade; a proxy on the way may have cut it."
        )
    if not fields.get(b"host"):
        raise Refused(400, "The Host header is missing. Send it.")
    if fields.get(b"sec-websocket-version") != [VERSION]:
        raise Refused(
            426,
            "Sec-WebSocket-Version has to be 13, the version of RFC 6455. Use a newer client.",
            (
                (b"sec-websocket-version", VERSION),
                (b"upgrade", b"websocket"),
                (b"connection", b"upgrade"),
            ),
        )
    keys = fields.get(b"sec-websocket-key", [])
    if len(keys) != 1 or not _is_nonce(keys[0]):
        raise Refused(400, "Sec-WebSocket-Key has to be there once: 16 random bytes in base64.")
    return Handshake(
        keys[0],
        tuple(_elements(fields.get(b"sec-websocket-protocol"))),
        tuple(_extensions(fields.get(b"sec-websocket-extensions"))),
    )


def choose_protocol(offered: Sequence[bytes], spoken: Iterable[bytes]) -> bytes | None:
    """The first subprotocol of the client's that we speak too; None: answer without one."""
    ours = frozenset(spoken)
    return next((each for each in offered if each in ours), None)


def accept_key(key: bytes | str) -> bytes:
    """The value of ``Sec-WebSocket-Accept`` for a client's key (4.2.2, 5.4)."""
    nonce = key.encode() if isinstance(key, str) else key
    return base64.b64encode(hashlib.sha1(nonce + _GUID, usedforsecurity=False).digest())


def answer(
    key: bytes,
    *,
    protocol: bytes | None = None,
    extension: bytes | None = None,
    headers: Iterable[Header] = (),
) -> bytes:
    """The 101 response; frames may follow it at once."""
    parts = [
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
        accept_key(key),
    ]
    if protocol is not None:
        parts += b"\r\nSec-WebSocket-Protocol: ", protocol
    if extension is not None:
        parts += b"\r\nSec-WebSocket-Extensions: ", extension
    for name, value in headers:
        if b"\r" in value or b"\n" in value:
            raise ValueError(f"A header's value may not hold a line end: {name!r}")
        parts += b"\r\n", name, b": ", value
    return b"".join((*parts, b"\r\n\r\n"))


def _elements(values: list[bytes] | None) -> list[bytes]:
    """A list-valued field, also when it came in several lines (RFC 9110, 5.6.1)."""
    found = b",".join(values or ()).split(b",")
    return [stripped for each in found if (stripped := each.strip(b" \t"))]


def _extensions(
    values: list[bytes] | None,
) -> list[tuple[bytes, tuple[tuple[bytes, bytes | None], ...]]]:
    text = b",".join(values or ())
    offers: list[tuple[bytes, list[tuple[bytes, bytes | None]]]] = []
    at, fresh = _after_empty(text, 0), True
    while at < len(text) or not fresh:
        part = _EXTENSION_PART.match(text, at)
        if part is None or (fresh and (part[2] or part[3]) is not None):
            raise Refused(400, "Sec-WebSocket-Extensions is not formed as RFC 6455, 9.1 says.")
        if fresh:
            offers.append((part[1], []))
        else:
            offers[-1][1].append((part[1], part[2] or part[3]))
        fresh = part[4] != b";"
        at = _after_empty(text, part.end()) if fresh else part.end()
    return [(name, tuple(parameters)) for name, parameters in offers]


def _after_empty(text: bytes, at: int) -> int:
    skipped = _EMPTY_ELEMENTS.match(text, at)
    return at if skipped is None else skipped.end()


def _is_nonce(key: bytes) -> bool:
    try:
        return len(binascii.a2b_base64(key, strict_mode=True)) == _NONCE_BYTES
    except binascii.Error:
        return False
