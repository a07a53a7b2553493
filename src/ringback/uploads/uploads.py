"""Declare, receive, finish and cancel: what the edges ask for.

An upload is an operation that is held until its bytes are complete; its id is the operation's,
and its record is the operation's input. So who may send, who may follow, cancelling and
forgetting are those of the operation, and the store holds nothing but bytes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ringback.core.access import Claims
from ringback.core.model import Accepted, OperationState
from ringback.errors import (
    MalformedRequest,
    OffsetMismatch,
    PayloadTooLarge,
    RingbackError,
    StoreUnavailable,
    UnknownOperation,
    UploadEnded,
    UploadExpired,
)
from ringback.ids import new_id
from ringback.service import Service
from ringback.tasks.registry import UploadHandler
from ringback.uploads import declaration
from ringback.uploads.declaration import Declaration
from ringback.uploads.finish import complete, finish
from ringback.uploads.pieces import Pieces, Stored
from ringback.uploads.presigned import LARGEST, Presigned
from ringback.uploads.record import Upload
from ringback.uploads.slots import Slots
from ringback.uploads.store import address, make_known, open_store
from ringback.uploads.sweep import Sweep
from ringback.uploads.transfer import Receive, Transfer


@dataclass(frozen=True, kw_only=True, slots=True)
class Arriving:
    """A request that brings bytes."""

    receive: Receive
    offset: int
    """Where they begin."""
    length: int | None = None
    """How many they are, where the request says so."""
    last: bool = False
    """Whether the request says that they are the last."""
    sha256: str | None = None
    """The digest that the request says the whole file has."""


class Uploads:
    """The uploads of one application."""

    def __init__(self, service: Service) -> None:
        """Raises ``ConfigurationError`` when there are handlers but no store for their bytes."""
        self._service = service
        self._slots = Slots()
        self._tasks = frozenset(handler.task.name for handler in service.registry.uploads)
        self._name = service.engine.epoch
        self._opened: Pieces | None = None
        self._presigned: Presigned | None = None
        self._sweep: Sweep | None = None
        if self._tasks:
            where = address(service.settings)
            make_known(self._name, where)
            store = open_store(where)
            self._opened = Pieces(store)
            self._presigned = Presigned.of(where, store)
            self._sweep = Sweep(service, self._opened, self._slots)
            service.redriving = self._note_redriven

    @property
    def _pieces(self) -> Pieces:
        if self._opened is None:
            raise RuntimeError("The application handles no uploads.")
        return self._opened

    # Declaring

    def parse(self, body: bytes) -> tuple[Declaration, UploadHandler]:
        """What a client declares, and the handler it is for.

        Raises ``MalformedRequest``, ``InvalidInput`` or ``NotFound``.
        """
        declared = declaration.parse(body)
        return declared, declaration.handler_for(self._service.registry, declared)

    async def declare(
        self,
        declared: Declaration,
        handler: UploadHandler,
        claims: Claims,
        *,
        key: str | None = None,
        traceparent: str | None = None,
    ) -> tuple[Accepted, Upload]:
        """Hold an operation for the bytes to come.

        Raises ``PayloadTooLarge``, ``UnsupportedMediaType``, and what ``Service.hold`` raises.
        """
        service = self._service
        declaration.check(handler, declared, service.settings.max_upload)
        upload = Upload(
            id=new_id(service.clock()),
            name=declared.name,
            size=declared.size,
            type=declared.type,
            sha256=declared.sha256 or "",
            store=self._name,
        )
        record = upload.model_dump_json().encode()
        # First, so that the sweep finds every upload, whenever this process dies.
        await self._pieces.declare(upload.id, record)
        try:
            accepted = await service.hold(
                handler.task,
                record,
                claims,
                operation=upload.id,
                traceparent=traceparent,
                key=key,
                payload=declared.model_dump_json().encode(),
            )
        except RingbackError as error:
            # It may be stored though no answer says so: that is left to the sweep.
            if not isinstance(error, StoreUnavailable):
                await self._withdraw(upload.id)
            raise
        if accepted.replayed:
            await self._withdraw(upload.id)
            upload = self._record(accepted.operation)
        return accepted, upload

    async def _withdraw(self, upload: str) -> None:
        """Take back a declaration that made no operation; what fails is left to the sweep."""
        with contextlib.suppress(StoreUnavailable):
            await self._pieces.drop(upload)

    # Looking

    async def find(self, upload: str, claims: Claims) -> tuple[OperationState, Upload]:
        """An upload and its operation, for a caller who may send it.

        Raises ``UnknownOperation``, ``OperationForgotten``.
        """
        state = await self._service.load(upload, claims, "upload")
        return state, self._record(state)

    async def offset(self, state: OperationState, upload: Upload) -> int:
        """Where the next bytes go."""
        if complete(state):
            return upload.size
        return (await self._pieces.stored(upload.id)).offset

    def expires_at(self, state: OperationState) -> float:
        """Until when the bytes have to be complete."""
        return state.created_at + self._service.settings.upload_lifetime

    def _record(self, state: OperationState) -> Upload:
        if state.task not in self._tasks:
            raise UnknownOperation("This operation is of no upload.", operation=state.id)
        return Upload.model_validate_json(state.input)

    def check_open(self, state: OperationState) -> None:
        """Raises ``UploadEnded`` or ``UploadExpired`` for one whose bytes cannot come any more."""
        if complete(state):
            return
        if state.terminal:
            raise UploadEnded(operation=state.id, operation_status=state.status.value)
        if self._service.clock() >= self.expires_at(state):
            raise UploadExpired(operation=state.id)

    # Receiving

    async def receive(
        self, state: OperationState, upload: Upload, arriving: Arriving
    ) -> tuple[OperationState, int]:
        """Store the bytes of a request, and start the handler once all are there.

        The operation then, and the offset. A request repeated after the last byte changes
        nothing. Raises ``OffsetMismatch``, ``PayloadTooLarge``, ``MalformedRequest``,
        ``ChecksumMismatch``, ``UploadBusy``, ``QueueFull``, and what ``Transfer.run`` raises.
        """
        self.check_open(state)
        if complete(state):
            return state, upload.size
        async with self._slots.take(upload.id) as slot:
            # What was before this request's turn may have changed everything.
            state = await self._service.engine.load(upload.id)
            self.check_open(state)
            if complete(state):
                return state, upload.size
            stored = await self._pieces.stored(upload.id)
            try:
                if stored.offset < upload.size or not upload.size:
                    self._check(arriving, stored, upload)
                    transfer = Transfer(self._service, self._pieces, state, upload, stored, slot)
                    await transfer.run(arriving.receive)
                    state, stored = transfer.state, transfer.stored
                if stored.offset < upload.size:
                    if arriving.last:
                        raise MalformedRequest(
                            f"Upload-Complete says that these were the last bytes, but "
                            f"{upload.size} were declared. Go on at the offset given here.",
                            offset=stored.offset,
                        )
                    return state, stored.offset
                # A server that died after the last byte leaves no more than this to be done.
                return await finish(
                    self._service, self._pieces, state, upload, stored, arriving.sha256
                ), upload.size
            except RingbackError:
                # Whatever went wrong: the operation says whether others were there meanwhile.
                state = await self._service.engine.load(upload.id)
                if complete(state):  # another server has had the same bytes, and was faster
                    return state, upload.size
                if state.terminal:
                    await self._pieces.drop(upload.id)
                    raise UploadEnded(operation=upload.id) from None
                raise

    def _check(self, arriving: Arriving, stored: Stored, upload: Upload) -> None:
        if arriving.offset != stored.offset:
            raise OffsetMismatch(offset=stored.offset, size=upload.size)
        if arriving.length is not None and stored.offset + arriving.length > upload.size:
            raise PayloadTooLarge(
                f"The request brings {arriving.length} bytes; of the {upload.size} that were "
                f"declared, {upload.size - stored.offset} are still to come.",
                limit=upload.size - stored.offset,
                offset=stored.offset,
            )

    # Ending

    async def cancel(self, upload: str, claims: Claims) -> OperationState:
        """Cancel the operation, and delete what came of it if it had not started yet."""
        state = await self._service.load(upload, claims, "cancel")
        self._record(state)
        state = await self._service.cancel(state)
        if state.terminal and not complete(state):
            self._slots.end(upload)
            await self._pieces.drop(upload)
        return state

    async def _note_redriven(self, state: OperationState, again: str) -> None:
        """Note who is about to do an upload's work again: with those in between forgotten before
        the sweep comes, nobody would find who reads the file. What fails is left to the sweep.
        """
        if state.task in self._tasks:
            with contextlib.suppress(StoreUnavailable):
                await self._pieces.note_redriven(self._record(state).id, again)

    # Straight to the store

    async def signed_url(self, state: OperationState, upload: Upload) -> str | None:
        """Where all bytes can be put in one request that does not come here; None: nowhere."""
        # Beside functions alone: elsewhere nobody is told of what is put into the bucket.
        told = bool(self._service.settings.aws_queues)
        if self._presigned is None or not told or state.terminal or complete(state):
            return None
        if upload.size > LARGEST:
            return None
        left = self.expires_at(state) - self._service.clock()
        return await self._presigned.url(upload, left) if left > 0 else None

    def upload_of(self, bucket: str, key: str) -> str | None:
        """The upload whose bytes were put to an object that way; None: it is of none."""
        return None if self._presigned is None else self._presigned.upload_of(bucket, key)

    async def arrived(self, upload: str) -> OperationState:
        """All bytes were put to the store at once: check them, and start the handler. May be done
        again. Raises ``UnknownOperation``, ``ChecksumMismatch``, ``UploadEnded``.
        """
        state = await self._service.engine.load(upload)
        record = self._record(state)
        if self._presigned is None:
            return state
        if complete(state):  # whoever has the URL may put something again: nobody reads it
            await self._presigned.drop(upload)
            return state
        if state.terminal:
            await self._pieces.drop(upload)
            return state
        try:
            return await self._presigned.finish(self._service, state, record)
        except UploadEnded:
            if complete(await self._service.engine.load(upload)):
                await self._presigned.drop(upload)
            else:
                await self._pieces.drop(upload)
            raise

    async def look(self) -> None:
        """Do what ``chores`` do, once."""
        if self._sweep is not None:
            await self._sweep.look()

    @property
    def chores(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """What a worker has to run beside its work: the loop that looks after uploads."""
        return () if self._sweep is None else (self._sweep.run,)
