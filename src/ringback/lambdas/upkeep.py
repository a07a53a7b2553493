"""What is done every minute, since nothing runs in between: what a worker does all the time."""

from __future__ import annotations

import logging
import time

from ringback.lambdas.queues import Queues, is_late
from ringback.ports import Chosen
from ringback.service import Service
from ringback.uploads import Uploads
from ringback.worker.upkeep import Upkeep as WorkersUpkeep

SHARE = 0.4
"""Part of the function's time that deleting may take, and again looking after uploads."""
DUE = 1000
"""Operations that are sent in one go: those whose message was lost, was to be kept back for longer
than SQS does, or found a limit reached again and again."""

log = logging.getLogger("ringback.lambda")


class Upkeep:
    """Looks after leases, what is due, retention and uploads."""

    def __init__(self, service: Service, uploads: Uploads, queues: Queues) -> None:
        self._service = service
        self._uploads = uploads
        self._queues = queues

    async def look(self, remaining: float) -> dict[str, int]:
        """Do what is to be done; how much it was."""
        service = self._service
        begun = time.monotonic()
        # A fresh one: a process that was frozen meanwhile says nothing of any clock.
        expired = await WorkersUpkeep(service).expire()
        sent = await self._send_due()
        swept = 0
        while time.monotonic() - begun < SHARE * remaining:
            gone = await service.engine.sweep(service.clock())
            swept += gone
            if not gone:
                break
        if time.monotonic() - begun < 2 * SHARE * remaining:
            await self._uploads.look()
        return {"expired": expired, "sent": sent, "swept": swept}

    async def _send_due(self) -> int:
        engine = self._service.engine
        if not isinstance(engine, Chosen):
            return 0
        now = self._service.clock()
        due = [state for state in await engine.due(now, DUE) if is_late(state, now)]
        await self._queues.send(due)
        return len(due)
