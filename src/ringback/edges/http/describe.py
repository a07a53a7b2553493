"""``/openapi.json``, and whether the server is well."""

from __future__ import annotations

from ringback.edges.http.message import NOT_STORED, Request, Response, Send, json_response
from ringback.service import Service


class Describe:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def openapi(self, request: Request, send: Send) -> Response:
        return json_response(200, {"openapi": "3.1.0"})

    async def health(self, request: Request, send: Send) -> Response:
        """Whether it can answer at all: the store is asked."""
        queued = await self._service.engine.count_queued()
        return json_response(200, {"status": "ok", "queued": queued}, [NOT_STORED])
