"""A blocking operation outside any worker: what a demo function reports is kept for a look.

The functions are pure but for what they report; that workers carry reports is tested elsewhere.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ringback.tasks.operation import BlockingOperation


class Recorder:
    """A channel that remembers; `on_part` may raise, as a lost worker would end it."""

    id = "0"
    task = "demo"
    attempt = 1
    subject: str | None = None
    traceparent = ""
    cancelled = False

    def __init__(
        self, earlier: Sequence[Any] = (), on_part: Callable[[int], None] = lambda count: None
    ) -> None:
        self.earlier_parts: Sequence[Any] = earlier
        self.parts: list[Any] = list(earlier)
        self.fractions: list[float] = []
        self._on_part = on_part

    def progress(self, fraction: float | None, message: str | None) -> None:
        if fraction is not None:
            self.fractions.append(fraction)

    def call(self, method: str, *arguments: Any) -> None:
        assert method == "send"
        self.parts.append(msgspec.json.decode(arguments[0]))
        self._on_part(len(self.parts))


class Killed(Exception):
    """The worker is gone."""


def killed_after(parts: int) -> Callable[[int], None]:
    def look(count: int) -> None:
        if count >= parts:
            raise Killed

    return look


def operation(recorder: Recorder) -> BlockingOperation:
    return BlockingOperation(recorder)
