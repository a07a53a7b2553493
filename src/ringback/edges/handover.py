"""What a server and an edge say to each other about a connection that is to be handed over."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

EXTENSION = "ringback.connection"
"""The ASGI extension under which a server offers its connection, as a ``Handover``."""


class Taker(asyncio.Protocol):
    """Who takes a connection."""

    __slots__ = ()

    def kept_in(self, connections: set[Any]) -> None:
        """The server's set of connections, which the taker leaves when it is lost."""

    def shutdown(self) -> None:
        """Called when the server stops."""


class Handover(Protocol):
    """A connection that may be taken."""

    def take(self, taker: Taker, head: bytes) -> bool:
        """Give the transport to ``taker``, with the beginning of the answer written; False: the
        client has gone. From then on nothing is to be sent through ASGI.
        """

    def refuse(self, answer: bytes) -> None:
        """Of a WebSocket only: answer the handshake with this HTTP answer, and close."""


def offered(scope: Any) -> Handover | None:
    """The connection, where the server hands it over."""
    handover: Handover | None = (scope.get("extensions") or {}).get(EXTENSION)
    return handover
