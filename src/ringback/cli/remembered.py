"""The tokens of operations submitted from this machine, so that nobody has to paste them.

A small file of the user's own, in the state directory of the XDG base directory specification.
That it cannot be written hinders nothing.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

MAX_REMEMBERED = 500
"""Operations: the oldest are dropped. Who submits more from a shell keeps the tokens elsewhere."""


class Remembered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where one operation is, and what opens it."""

    id: str
    at: float
    url: str | None = None
    token: str | None = None
    data: str | None = None
    """The data folder or engine URL of one that was put straight into the store."""


def state_file() -> Path:
    """Where they are kept."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "ringback" / "operations.jsonl"


def remember(entry: Remembered) -> None:
    """Add one. Does nothing where the file cannot be written."""
    with contextlib.suppress(OSError, RuntimeError), _locked() as file:
        kept = [each for each in _read(file) if each.id != entry.id]
        _write(file, [*kept, entry][-MAX_REMEMBERED:])


def recall(operation: str) -> Remembered | None:
    """The one with this id."""
    with contextlib.suppress(OSError, RuntimeError):
        for entry in reversed(_read(state_file())):
            if entry.id == operation:
                return entry
    return None


def make(acknowledgement: dict[str, object], *, url: str | None, data: str | None) -> Remembered:
    """What is to be remembered of an acceptance."""
    token = acknowledgement.get("token")
    return Remembered(
        id=str(acknowledgement.get("id")),
        at=time.time(),
        url=url,
        token=token if isinstance(token, str) else None,
        data=data,
    )


def _read(file: Path) -> list[Remembered]:
    if not file.exists():
        return []
    entries = []
    for line in file.read_bytes().splitlines():
        with contextlib.suppress(msgspec.MsgspecError):  # a damaged line costs that line
            entries.append(msgspec.json.decode(line, type=Remembered))
    return entries


def _write(file: Path, entries: list[Remembered]) -> None:
    fresh = file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))
    fresh.replace(file)


@contextlib.contextmanager
def _locked() -> Iterator[Path]:
    """Keep other commands from writing at the same time."""
    file = state_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)) as lock:
        try:
            import fcntl
        except ImportError:  # no such locks on this system; the last writer wins
            yield file
            return
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield file
