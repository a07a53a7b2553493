"""The database file: opening it, noticing that it is gone, and saying what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from ringback.engines.sqlite.schema import configure, migrate
from ringback.errors import ConfigurationError

STORE_ERRORS = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.PermissionsError,
    apsw.AuthError,
    apsw.ProtocolError,
    apsw.NoMemError,
    apsw.CorruptError,
    apsw.NotADBError,
)
"""What the disk, a lock or the folder does to us, as against a mistake of ours."""

PASSING = (apsw.BusyError, apsw.LockedError, apsw.FullError, apsw.NoMemError)
"""Those after which the connection is as good as before."""


class File:
    """A connection that writes, and which file it is to."""

    def __init__(self, path: Path, busy: Callable[[int], bool], *, epoch: str | None) -> None:
        """Open the database, and bring it to this version's schema.

        ``epoch`` is the one that the database had before; None: make one if there is none.
        Raises one of ``STORE_ERRORS``, or ``ConfigurationError``.
        """
        self._path = path
        if epoch is None:
            _create(path)
        self.connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            self.connection.set_busy_handler(busy)
            configure(self.connection)
            migrate(self.connection)
            self._identity = identity(path)
            self.epoch = epoch_of(self.connection)
            if epoch is not None and self.epoch != epoch:
                raise ConfigurationError("The database was replaced by another: start anew.")
        except BaseException:
            self.close()
            raise

    def check(self) -> None:
        """Raise ``CantOpenError`` if the file was removed or replaced.

        SQLite would go on writing to the removed one, and all of it would be lost.
        """
        if identity(self._path) != self._identity:
            raise apsw.CantOpenError("The database file was removed or replaced.")

    def close(self) -> None:
        """Close the connection, in whatever state it is."""
        try:
            self.connection.close(True)
        except apsw.Error:
            return  # it failed before, and its caller knows


def _create(path: Path) -> None:
    """Make the file where there is none, so that only its owner reads it: inputs and results
    are the users' own. SQLite gives the files beside it the same mode.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise apsw.CantOpenError(str(error)) from error


def epoch_of(connection: apsw.Connection) -> str:
    """The epoch of the operations' logs in a database that has its schema."""
    found: Any = connection.execute("SELECT value FROM facts WHERE name = 'epoch'").get
    return bytes(found).decode()


def identity(path: Path) -> tuple[int, int]:
    """Which file is at this path. Raises ``CantOpenError`` if there is none."""
    try:
        found = path.stat()
    except OSError as error:
        raise apsw.CantOpenError(str(error)) from error
    return found.st_dev, found.st_ino


def opening_error(error: BaseException, path: Path) -> BaseException:
    """What to tell whoever starts the engine."""
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return ConfigurationError(
            f"Another process keeps the database {path} locked. Wait until it is done, or end "
            "it: a backup or an SQLite shell with an open transaction, say."
        )
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return ConfigurationError(
            f"{path} is damaged or is no Ringback database. Move it away, or restore a backup."
        )
    if isinstance(error, apsw.FullError):
        return ConfigurationError(f"The disk of {path.parent} is full. Make room on it.")
    if isinstance(error, apsw.Error):
        return ConfigurationError(
            f"The data folder cannot be used ({reason(error)}): {path.parent}. "
            "Give a folder that this user can write to with --data or RINGBACK_DATA."
        )
    return error


def reason(error: apsw.Error) -> str:
    """What happened, in words an operator understands."""
    match error:
        case apsw.FullError():
            return "the disk is full"
        case apsw.BusyError() | apsw.LockedError():
            return "another process has locked the database"
        case apsw.ReadOnlyError():
            return "the folder is read-only"
        case apsw.CantOpenError() | apsw.PermissionsError() | apsw.AuthError():
            return "the file cannot be opened: it is gone, or this user may not write to it"
        case apsw.CorruptError() | apsw.NotADBError():
            return "the file is damaged or is no Ringback database"
        case _:
            return f"input or output error: {error}"
