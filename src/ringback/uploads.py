"""Uploads: declared, received in pieces, checked, handed to a handler."""

from __future__ import annotations

from ringback.service import Service


class Uploads:
    def __init__(self, service: Service) -> None:
        self._service = service
