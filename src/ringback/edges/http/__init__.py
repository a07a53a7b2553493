"""The HTTP contract: submit, read, stream, cancel, upload, describe."""

from ringback.edges.http.app import HttpEdge

__all__ = ["HttpEdge"]
