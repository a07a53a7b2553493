"""The HTTP contract: submit, read, stream, cancel, upload, describe."""

from ringback.edges.http.app import HttpEdge, Pending
from ringback.edges.http.message import Response, Scope

__all__ = ["HttpEdge", "Pending", "Response", "Scope"]
