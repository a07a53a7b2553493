"""``/uploads``."""

from __future__ import annotations

from ringback.edges.http.gate import Gate
from ringback.edges.http.message import Request, Response, Send
from ringback.errors import NotFound
from ringback.service import Service
from ringback.uploads import Uploads


class UploadRoutes:
    def __init__(self, service: Service, uploads: Uploads, gate: Gate) -> None:
        self._service = service

    async def declare(self, request: Request, send: Send) -> Response:
        raise NotFound

    async def show(self, request: Request, send: Send) -> Response:
        raise NotFound

    async def put(self, request: Request, send: Send) -> Response:
        raise NotFound
