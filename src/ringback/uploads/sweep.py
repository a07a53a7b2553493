"""What is done for uploads that nobody asks for: expire, finish, delete.

A file is kept as long as its operation can be read, or one that was redriven from it. An upload
whose bytes are not all there in time fails; of one that failed or was cancelled before it was
complete, nothing is kept. What there is to look after is read from the store each time, never from
memory, so any process may do it, after any crash, and several may do it at once.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from ringback.core.commands import Fail
from ringback.core.lifecycle import NOBODY
from ringback.core.model import OperationState, Query, Status
from ringback.errors import (
    LeaseLost,
    OperationForgotten,
    StaleVersion,
    TransitionError,
    UnknownOperation,
    UploadExpired,
)
from ringback.ids import made_at
from ringback.service import Service
from ringback.uploads.finish import complete, finish
from ringback.uploads.pieces import Pieces, Stored
from ringback.uploads.record import Upload
from ringback.uploads.slots import Slots

LOOK_EVERY = 60.0
"""Seconds between two looks at all uploads; less where uploads have to be complete soon."""
LOOKS = 4.0
"""Looks at least in an upload's lifetime."""
LEAST_PAUSE = 0.2
"""Seconds between two looks at least."""
FINISH_AFTER = 5.0
"""Seconds after the last piece when an upload whose bytes are all there is finished, if the
request that brought them has not done it: its server died."""
FINISH_RATE = 20e6
"""Bytes a second, over which a server in another process is given time to do it. Should it need
longer, the work is done twice, and comes to the same."""
MAX_CHILDREN = 100
"""Operations made by one upload's that are looked at."""

log = logging.getLogger("ringback.uploads")


class Sweep:
    """Looks after the uploads of one application."""

    def __init__(self, service: Service, pieces: Pieces, slots: Slots) -> None:
        self._service = service
        self._pieces = pieces
        self._slots = slots
        self._tasks = frozenset(handler.task.name for handler in service.registry.uploads)
        self._lifetime = service.settings.upload_lifetime
        self._tidy: set[str] = set()
        """Complete ones whose pieces are gone: there is nothing to do but to wait."""

    async def run(self) -> None:
        """Look after them until cancelled."""
        while True:
            pause = await self.look()
            await asyncio.sleep(max(LEAST_PAUSE, pause))

    async def look(self) -> float:
        """Look at every upload once; the seconds until the next look is worth while.

        Raises ``StoreUnavailable``.
        """
        pause = min(LOOK_EVERY, self._lifetime / LOOKS)
        found = await self._pieces.ids()
        self._tidy.intersection_update(found)
        failed: list[Exception] = []
        for upload in found:
            try:
                pause = min(pause, await self._look_at(upload))
            except Exception as error:  # one that cannot be looked at must not hide the others
                failed.append(error)
            await asyncio.sleep(0)  # requests come first
        if failed:
            log.warning(
                "%d uploads cannot be looked after now. The first: %r", len(failed), failed[0]
            )
        return pause

    async def _look_at(self, upload: str) -> float:
        """Do what is due for one upload; the seconds until something else will be."""
        try:
            state = await self._service.engine.load(upload)
        except OperationForgotten:
            if not await self._redriven(upload):
                await self._pieces.drop(upload)
            return LOOK_EVERY
        except UnknownOperation:
            # A young one may be about to be accepted, by whoever has declared it.
            if self._service.clock() - made_at(upload) > self._lifetime:
                await self._pieces.drop(upload)
            return LOOK_EVERY
        if complete(state):
            if _was_redriven(state):
                await self._redriven(upload)  # noted, while there is a way to find them
            if upload not in self._tidy:
                file = Upload.model_validate_json(state.input).file
                await self._pieces.drop_pieces(upload, file)
                self._tidy.add(upload)
        elif state.terminal:
            await self._pieces.drop(upload)
        else:
            return await self._look_at_open(state)
        return LOOK_EVERY

    async def _look_at_open(self, state: OperationState) -> float:
        """The same for one that waits for its bytes."""
        stored = Stored()
        if state.task in self._tasks:
            stored = await self._pieces.stored(state.id)
        if stored.newest is None or stored.offset < Upload.model_validate_json(state.input).size:
            if self._service.clock() >= state.created_at + self._lifetime:
                await self._expire(state)
        elif not self._slots.taken(state.id):
            return await self._finish(state, stored)
        return LOOK_EVERY

    async def _expire(self, state: OperationState) -> None:
        problem = msgspec.json.encode(UploadExpired(operation=state.id).problem())
        fail = Fail(attempt=NOBODY, problem=problem, expected=True)
        try:
            # Exact, as what is complete by now, or gets bytes, must not be failed unseen.
            await self._service.apply(state, fail, exact=True)
        except (StaleVersion, LeaseLost, TransitionError):
            return
        log.info("The upload %s was not complete in time.", state.id)
        self._slots.end(state.id)
        await self._pieces.drop(state.id)

    async def _finish(self, state: OperationState, stored: Stored) -> float:
        upload = Upload.model_validate_json(state.input)
        due = (stored.newest or 0.0) + FINISH_AFTER + upload.size / FINISH_RATE
        wait = due - self._service.clock()
        if wait > 0:
            return wait
        async with self._slots.take(upload.id):
            await finish(self._service, self._pieces, state, upload, stored)
        return LOOK_EVERY

    async def _redriven(self, upload: str) -> bool:
        """Whether an operation that was made to do this one's work again is still there, or one
        that was made to do that one's. All are noted: of one that is forgotten nobody knows any
        more whose work it did, and so not of those that do its work again.
        """
        noted = await self._pieces.redriven(upload)
        left, found = [upload, *noted], False
        while left:
            query = Query(parent=left.pop(), limit=MAX_CHILDREN)
            for child in await self._service.engine.list(query):
                if child.task not in self._tasks:
                    continue
                if Upload.model_validate_json(child.input).id != upload:
                    continue
                found = True
                if child.id not in noted:
                    await self._pieces.note_redriven(upload, child.id)
                    noted.add(child.id)
                    left.append(child.id)
        return found


def _was_redriven(state: OperationState) -> bool:
    """Whether another was made to do its work again: that is all that changes one that failed."""
    return (
        state.status is Status.FAILED
        and not state.dead_letter
        and state.finished_at is not None
        and state.updated_at > state.finished_at
    )
