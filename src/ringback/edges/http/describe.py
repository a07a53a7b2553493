"""``/openapi.json``, ``/asyncapi.json``, and whether the server is well."""

from __future__ import annotations

import asyncio
from functools import lru_cache

import msgspec

from ringback.edges.http.asyncapi import asynchronous
from ringback.edges.http.message import (
    JSON,
    NOT_STORED,
    Request,
    Response,
    Send,
    json_response,
)
from ringback.edges.http.openapi import document
from ringback.service import Service

CHECK_EVERY = 1.0
"""Seconds for which a commit that worked is proof of a store that works: asking for the health
of a server must not be a load on it."""
MAX_DOCUMENTS = 16
"""Descriptions that are kept, one for each prefix we are mounted at. Mostly that is one; but where
the host mounts us at ``/{tenant}``, callers choose the prefix, and there is no end of them."""


class Describe:
    """What can be asked of this server, and how it is."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._document = lru_cache(MAX_DOCUMENTS)(self._make_document)
        self._asynchronous: bytes | None = None
        self._checked_at = float("-inf")

    async def openapi(self, request: Request, send: Send) -> Response:
        """The description of all routes."""
        return _described(self._document(request.prefix))

    async def asyncapi(self, request: Request, send: Send) -> Response:
        """The description of what is sent and received."""
        if self._asynchronous is None:
            service = self._service
            self._asynchronous = msgspec.json.encode(asynchronous(service.name, service.registry))
        return _described(self._asynchronous)

    def _make_document(self, prefix: str) -> bytes:
        service = self._service
        return msgspec.json.encode(
            document(service.name, service.registry, prefix, development=service.development)
        )

    async def health(self, request: Request, send: Send) -> Response:
        """Whether it can do what it is there for: the store is asked to commit something."""
        now = asyncio.get_running_loop().time()
        if now - self._checked_at > CHECK_EVERY:
            await self._service.engine.set_fact("checked", b"")
            self._checked_at = now
        queued = await self._service.engine.count_queued()
        return json_response(200, {"status": "ok", "queued": queued}, [NOT_STORED])


def _described(document: bytes) -> Response:
    return Response(200, document, [JSON, (b"cache-control", b"no-cache")])
