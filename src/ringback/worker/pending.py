"""What an attempt has reported and not yet stored."""

from __future__ import annotations

import math
from typing import Any

from ringback.core.commands import Report
from ringback.core.model import Publication
from ringback.errors import InvalidInput, LimitExceeded
from ringback.service import MAX_MESSAGE
from ringback.tasks.encoding import to_json_bytes


class Pending:
    """Reports that will be one change: all parts and messages, and the newest progress."""

    __slots__ = ("fraction", "message", "parts", "publications")

    def __init__(self) -> None:
        self.fraction: float | None = None
        self.message: str | None = None
        self.parts: list[bytes] = []
        self.publications: list[Publication] = []

    def report(self, fraction: float | None, message: str | None) -> None:
        """Note progress. A fraction that is no number (0/0 of some library) tells nothing."""
        if fraction is not None and not math.isnan(fraction):
            self.fraction = float(fraction)
        if message is not None:
            text = str(message)
            # Half a surrogate pair (of a file's name, say) has no place in JSON (RFC 8259 §8.2).
            self.message = text if text.isascii() else text.encode("utf-8", "replace").decode()

    def followed_by(self, later: Pending | None) -> Pending:
        """These, which could not be stored, and what was reported meanwhile."""
        if later is not None:
            self.report(later.fraction, later.message)
            self.parts += later.parts
            self.publications += later.publications
        return self

    def command(self, attempt: int) -> Report | None:
        """The command that stores them; None for none."""
        if (
            self.fraction is None
            and self.message is None
            and not self.parts
            and not self.publications
        ):
            return None
        return Report(
            attempt=attempt,
            progress=self.fraction,
            message=self.message,
            parts=tuple(self.parts),
            publications=tuple(self.publications),
        )


def encoded(value: Any, what: str) -> bytes:
    """What is reported, as JSON. Raises ``LimitExceeded``."""
    data = to_json_bytes(value)
    if len(data) > MAX_MESSAGE:
        raise LimitExceeded(
            f"{what} has at most {MAX_MESSAGE} bytes; this one has {len(data)}. Store it "
            "elsewhere and send a link.",
            limit=MAX_MESSAGE,
        )
    return data


def check_text(value: object, what: str) -> None:
    """Raises ``InvalidInput`` for what cannot be stored as a text: half a surrogate pair, say."""
    try:
        str.encode(value)  # type: ignore[arg-type] # whatever the application gave
    except (TypeError, UnicodeEncodeError):
        raise InvalidInput(
            f"{what} is a text that has a form in UTF-8, and not {value!r}."
        ) from None
