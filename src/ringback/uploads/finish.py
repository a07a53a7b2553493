"""From the last byte to the start of the handler.

Every step may be done again, by this process or another, after a crash at any point: each makes
a file of its own, starting an operation that was started changes nothing, and pieces are deleted
last, with the files that were not started.
"""

from __future__ import annotations

import logging

from ringback.core.commands import Report, Start
from ringback.core.lifecycle import NOBODY
from ringback.core.model import HELD, OperationState
from ringback.errors import (
    ChecksumMismatch,
    LeaseLost,
    StoreUnavailable,
    TransitionError,
    UploadEnded,
)
from ringback.service import Service
from ringback.uploads.pieces import Pieces, Stored
from ringback.uploads.record import Upload

log = logging.getLogger("ringback.uploads")


def complete(state: OperationState) -> bool:
    """Whether all bytes were there and the operation was started."""
    return state.ready_at != HELD


async def tell(
    service: Service, state: OperationState, fraction: float, message: str
) -> OperationState:
    """Report on the log of an operation that waits for its bytes; how it stands then.

    Raises ``UploadEnded`` when it does not wait any more.
    """
    try:
        return await service.apply(
            state, Report(attempt=NOBODY, progress=fraction, message=message)
        )
    except (LeaseLost, TransitionError):
        raise UploadEnded(operation=state.id) from None
    except StoreUnavailable as error:
        # The bytes are what matters; the next report makes up for this one.
        log.warning("Progress of the upload %s is not stored: %s", state.id, error)
        return state


async def finish(
    service: Service,
    pieces: Pieces,
    state: OperationState,
    upload: Upload,
    stored: Stored,
    sha256: str | None = None,
) -> OperationState:
    """Join the pieces, check them against what was declared, and start the operation.

    ``sha256`` is a further digest they have to have. Raises ``ChecksumMismatch``, after which
    the upload stands at 0, and ``UploadEnded``.
    """
    state = await tell(service, state, 1.0, f"received {amount(upload.size)}, checking")
    file, digest = await pieces.join(upload.id, stored)
    for declared in (upload.sha256, sha256):
        if declared and declared != digest:
            await pieces.drop_file(upload.id, file)
            await pieces.start_anew(upload.id, stored)
            await tell(service, state, 0.0, "the checksum is wrong: the file is to be sent again")
            raise ChecksumMismatch(declared=declared, received=digest, offset=0)
    made = upload.model_copy(update={"file": file, "sha256": digest})
    waited = True
    try:
        state = await service.apply(state, Start(made.model_dump_json().encode()))
    except TransitionError:
        state, waited = await service.engine.load(upload.id), False
    try:
        # Another may have started it, with a file of its own.
        await pieces.drop_pieces(upload.id, Upload.model_validate_json(state.input).file)
    except StoreUnavailable as error:
        log.warning("The pieces of %s are left to the sweep: %s", upload.id, error)
    if not waited:
        raise UploadEnded(operation=upload.id)
    return state


def amount(size: int, part: int | None = None) -> str:
    """``10.0 MB``, or ``3.2 of 10.0 MB``: in the unit that fits the whole."""
    unit, scale, digits = next(
        (
            (unit, scale, 1)
            for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
            if size >= scale
        ),
        ("B", 1, 0),
    )
    shown = "" if part is None else f"{part / scale:.{digits}f} of "
    return f"{shown}{size / scale:.{digits}f} {unit}"
