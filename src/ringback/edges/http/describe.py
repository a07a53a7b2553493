"""``/openapi.json``, and whether the server is well."""

from __future__ import annotations

import asyncio

import msgspec

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


class Describe:
    """What can be asked of this server, and how it is."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._documents: dict[str, bytes] = {}
        """By the prefix we are mounted at, which is the host's to choose: there are few."""
        self._checked_at = float("-inf")

    async def openapi(self, request: Request, send: Send) -> Response:
        """The description of all routes, made once."""
        prefix = request.prefix
        if prefix not in self._documents:
            service = self._service
            made = document(service.name, service.registry, prefix, development=service.development)
            self._documents[prefix] = msgspec.json.encode(made)
        return Response(200, self._documents[prefix], [JSON, (b"cache-control", b"no-cache")])

    async def health(self, request: Request, send: Send) -> Response:
        """Whether it can do what it is there for: the store is asked to commit something."""
        now = asyncio.get_running_loop().time()
        if now - self._checked_at > CHECK_EVERY:
            await self._service.engine.set_fact("checked", b"")
            self._checked_at = now
        queued = await self._service.engine.count_queued()
        return json_response(200, {"status": "ok", "queued": queued}, [NOT_STORED])
