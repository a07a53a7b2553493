"""One request's bytes on their way into an upload.

Bytes are gathered to pieces and stored while the sender waits, so that memory is bounded by a
piece; what came before a connection broke is stored too. How far it is is told on the
operation's log a few times a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ringback.core.model import OperationState
from ringback.errors import PayloadTooLarge, UploadEnded, UploadStalled
from ringback.service import Service
from ringback.uploads.finish import amount, tell
from ringback.uploads.pieces import PIECE, Pieces, Stored, most_pieces
from ringback.uploads.record import Upload
from ringback.uploads.slots import IDLE, Slot

REPORT_EVERY = 0.25
"""Seconds between two reports of progress: people see it move, the log stays short."""

Receive = Callable[[], Awaitable[bytes | None]]
"""The next bytes of the request; None once there are no more. Raises when the client is gone."""


class Transfer:
    """The bytes of one request."""

    def __init__(
        self,
        service: Service,
        pieces: Pieces,
        state: OperationState,
        upload: Upload,
        stored: Stored,
        slot: Slot,
    ) -> None:
        self.state = state
        self.stored = stored
        self._service = service
        self._pieces = pieces
        self._upload = upload
        self._slot = slot
        self._begun = stored.offset
        self._waiting: list[bytes] = []
        self._received = stored.offset
        self._reported_at = float("-inf")

    async def run(self, receive: Receive) -> None:
        """Store what comes. Raises what ``receive`` raises, once all that came is stored.

        Raises ``PayloadTooLarge`` for more bytes than declared, ``UploadStalled`` when none
        come any more, ``UploadEnded`` when the operation ended meanwhile, and what
        ``Pieces.add`` raises.
        """
        gathered = 0
        try:
            while True:
                try:
                    async with self._slot.waiting():
                        chunk = await receive()
                except TimeoutError:
                    raise UploadStalled(seconds=IDLE) from None
                if chunk is None:
                    break
                if not chunk:
                    continue
                self._received += len(chunk)
                if self._received > self._upload.size:
                    await self._refuse()
                self._waiting.append(chunk)
                gathered += len(chunk)
                if gathered >= PIECE:
                    await self._store()
                    gathered = 0
                await self._report()
        finally:
            await self._store()

    async def _refuse(self) -> None:
        """Keep nothing of a request that brings more than was declared."""
        self._waiting.clear()
        if self.stored.offset != self._begun:
            # What is stored of it already is no more to be trusted than the rest.
            await self._pieces.start_anew(self._upload.id, self.stored)
            self.stored = Stored(generation=self.stored.generation + 1)
        raise PayloadTooLarge(
            f"More bytes came than the {self._upload.size} that were declared. Go on at the "
            "offset given here, or declare another upload.",
            limit=self._upload.size,
            offset=self.stored.offset,
        )

    async def _store(self) -> None:
        data = b"".join(self._waiting)
        self._waiting.clear()
        if data:
            self.stored = await self._pieces.add(
                self._upload.id, self.stored, data, most_pieces(self._upload.size)
            )

    async def _report(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._reported_at < REPORT_EVERY:
            return
        self._reported_at = now
        size = self._upload.size
        try:
            self.state = await tell(
                self._service,
                self.state,
                self._received / size,
                f"received {amount(size, self._received)}",
            )
        except UploadEnded:
            self._waiting.clear()
            raise
