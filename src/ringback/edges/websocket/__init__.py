"""The WebSocket edge: ``ringback.v1`` (docs/protocol.md) on a connection of its own, or on ASGI."""

from ringback.edges.websocket.edge import WebSocketEdge

__all__ = ["WebSocketEdge"]
