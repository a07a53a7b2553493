"""What is done behind the queue, and told to everybody: asking, answering, photos.

A task may run twice, when its worker dies in between: each looks for what it did before, by the
question's own id or by the operation's. What it publishes is the whole state with its version, so a
message that comes twice or late does no harm.
"""

from __future__ import annotations

import os
import time
from uuid import UUID

from ringback import BlockingOperation, OperationCancelled, Upload

from . import pictures, questions
from .model import Answered, Answering, Asking, Detail, Photo, Question, Withdrawing
from .service import area, rb, records, single

__all__ = ["answer", "ask", "photo", "rb", "withdraw"]

LEASE = 4.0
"""Seconds after which a silent worker's operations are given to another: what is asked is seen soon
even when a worker dies with it."""
RETRIES = 8
PACE = "ASK_AROUND_ME_PACE"
"""Names the seconds that each step of ``ask`` and of a photo waits, so that it can be seen; 0."""
LOOK_EVERY = 0.05
"""Seconds between two looks at whether an operation was cancelled meanwhile."""


@rb.task(idempotency_key=True, retries=RETRIES, lease=LEASE)
def ask(op: BlockingOperation, asking: Asking) -> Question:
    """Ask a question, and tell all who are around."""
    op.progress(0.2, "checking")
    person, now = str(op.subject), time.time()
    records().check_asking(asking, person, now)
    _pause(op)
    op.progress(0.6, "publishing")
    _pause(op)
    asked = records().ask(asking, person, now)
    _publish(op, asked)
    return asked.question


@rb.task(
    idempotency_key=True,
    retries=RETRIES,
    lease=LEASE,
    concurrency_per_key=1,  # of each task: what others tell meanwhile, versions order
    key=lambda answering: str(answering.question),
)
def answer(op: BlockingOperation, answering: Answering) -> Answered:
    """Answer a question, or change one's answer."""
    person = str(op.subject)
    mine, changed = records().answer(answering, person, op.id, time.time())
    _publish(op, changed)
    return Answered(question=changed.question, answer=mine)


@rb.task(
    idempotency_key=True,
    retries=RETRIES,
    lease=LEASE,
    concurrency_per_key=1,
    key=lambda withdrawing: str(withdrawing.question),
)
def withdraw(op: BlockingOperation, withdrawing: Withdrawing) -> Answered:
    """Take one's answer back."""
    asked = str(withdrawing.question)
    mine, changed = records().withdraw(asked, str(op.subject), op.id, time.time())
    _publish(op, changed)
    return Answered(question=changed.question, answer=mine)


@rb.on_upload(
    "photos/",
    name="photo",
    types=pictures.TYPES,
    max_size=pictures.MAX_SIZE,
    retries=RETRIES,
    lease=LEASE,
)
def photo(op: BlockingOperation, upload: Upload) -> Photo:
    """Put a picture to one's own question: ``photos/{question}/{any name}``."""
    asked = _question_of(upload.name)
    kept = records()
    kept.check_photo(asked, str(op.subject), op.id)
    op.progress(0.1, "decoding")
    _pause(op)
    with upload.open() as file:
        picture = pictures.decoded(file)
    size = picture.size
    for done, (side, small) in enumerate(pictures.sizes(picture), 1):
        op.progress(0.1 + 0.8 * done / len(questions.SIDES), f"{side} pixels")
        _pause(op)
        kept.keep(op.id, side, small)
        size = small.size
    changed = kept.attach(asked, op.id, *size, time.time())
    _publish(op, changed)
    return questions.photo_of(op.id, *size)


def _publish(op: BlockingOperation, changed: Detail) -> None:
    """Tell everybody, with the operation's next change: its success."""
    op.publish(area.name(cell=changed.question.cell), changed.question)
    op.publish(single.name(question=changed.question.id), changed)


def _question_of(name: str) -> str:
    _, _, rest = name.partition("/")
    try:
        return str(UUID(rest.partition("/")[0]))
    except ValueError:
        raise questions.refused(
            "unknown-question", "Name a photo photos/{question}/{file name}."
        ) from None


def _pause(op: BlockingOperation) -> None:
    """Wait as long as steps are to be seen; raises ``OperationCancelled``."""
    deadline = time.monotonic() + float(os.environ.get(PACE, "0"))
    while (left := deadline - time.monotonic()) > 0:
        if op.cancelled:
            raise OperationCancelled
        time.sleep(min(left, LOOK_EVERY))
