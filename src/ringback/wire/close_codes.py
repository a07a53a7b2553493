"""Close codes of the WebSocket protocol ``ringback.v1`` (docs/protocol.md, Close codes)."""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """Why a connection ends. What a client does about it is decided by range (`may_reconnect`)."""

    DONE = 1000
    """Nothing more is to come; or the client has closed."""
    GOING_AWAY = 1001
    """A page was left, or a gateway ended what had been open for long."""
    PROTOCOL_ERROR = 1002
    """The bytes are no WebSocket (RFC 6455 §7.4.1)."""
    UNSUPPORTED_DATA = 1003
    """A binary frame: all of ours are text."""
    NO_CODE = 1005
    """The other side closed without saying why; never sent (RFC 6455 §7.4.1)."""
    LOST = 1006
    """The connection broke; never sent (RFC 6455 §7.4.1)."""
    INVALID_TEXT = 1007
    """A text frame that is not UTF-8."""
    TOO_BIG = 1009
    """A frame over the limit."""
    INTERNAL_ERROR = 1011
    """A mistake of ours; the server's log has the details."""
    BAD_MESSAGE = 4400
    """Too many frames that could not be read."""
    UNAUTHENTICATED = 4401
    """The token is missing, not good or has expired. Get a fresh one, then reconnect and resume."""
    TIMED_OUT = 4408
    """Nobody said in time who is there. Authenticate as the first action."""
    REVOKED = 4409
    """What the caller was allowed has been taken back."""
    TOO_MANY = 4429
    """It went on being over a limit, however often it was told. Do less before you come again."""
    STOPPING = 4500
    """The server stops; another, or the next, goes on. ``bye`` said when to come."""
    TOO_SLOW = 4501
    """More was to be sent than was read. Come back and catch up."""
    STORE_UNAVAILABLE = 4503
    """The store cannot be read, so nothing can be promised. Come back."""


RECONNECT = range(4500, 4600)
"""The server's state: the same client may come again and go on. 4400 to 4499 are the client's."""
_RECONNECT_OTHERS = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1014})
"""Those of RFC 6455 and its registry that speak of the way or of the server, not of the client."""


def may_reconnect(code: int) -> bool:
    """Whether to come back as before, with back-off, and resume. Where not, something has to be
    mended first; a code this version does not know is decided by its range alike.
    """
    return code in RECONNECT or code in _RECONNECT_OTHERS
