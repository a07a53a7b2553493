"""Mercure, drafts 07 and 08: subscribe and publish at ``/.well-known/mercure``, over any engine.

Topics, messages, positions and permissions are the hub's. What belongs here: how a request of
Mercure asks for them. What does not: the form of updates, selectors and grants
(``wire.mercure``).
"""

from ringback.edges.mercure.edge import MercureEdge

__all__ = ["MercureEdge"]
