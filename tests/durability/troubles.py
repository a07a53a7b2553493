"""What can befall a store, each as something a test brings about and mends again.

Where the machine allows it, the real thing: a full file system, a lock of another process. Disks
that break are played by a layer between SQLite and the file system (`Disk`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import apsw
import pytest

from ringback.engines.sqlite.engine import FILE

LOCK = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""
"""A program that keeps the database locked until its input ends."""

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="NOT TESTED: mounting a file system needs root"
)


class Trouble(Protocol):
    """Strikes, and is mended."""

    says: str
    """What the refusal tells of the cause."""

    def prepare(self, data: Path) -> contextlib.AbstractContextManager[None]:
        """What has to be there before the store is opened."""

    def strike(self, data: Path) -> None: ...

    def mend(self, data: Path) -> None: ...


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.check("write")
        self._disk.unsynced += 1
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.check("sync")
        super().xSync(flags)
        self._disk.unsynced = 0


class Disk(apsw.VFS):
    """A layer under SQLite that fails on demand."""

    def __init__(self) -> None:
        super().__init__("failing-disk", "unix", makedefault=True)
        self.failing: dict[str, type[apsw.Error]] = {}
        self.unsynced = 0
        """Writes that no sync has followed yet."""

    def xOpen(  # noqa: N802 - SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        if name is None:
            return super().xOpen(name, flags)
        return _File(self, name, flags)

    def check(self, action: str) -> None:
        if action in self.failing:
            raise self.failing[action](f"the disk fails to {action}")


@contextlib.contextmanager
def failing_disk() -> Iterator[Disk]:
    """Every database that is opened meanwhile is on it."""
    disk = Disk()
    try:
        yield disk
    finally:
        disk.unregister()
        apsw.set_default_vfs("unix")


class DiskFails:
    """Writes or syncs fail with one of SQLite's errors."""

    def __init__(self, action: str, error: type[apsw.Error], says: str) -> None:
        self.says = says
        self._action = action
        self._error = error
        self._disk: Disk | None = None

    @contextlib.contextmanager
    def prepare(self, data: Path) -> Iterator[None]:
        with failing_disk() as self._disk:
            yield

    def strike(self, data: Path) -> None:
        assert self._disk is not None
        self._disk.failing[self._action] = self._error

    def mend(self, data: Path) -> None:
        assert self._disk is not None
        self._disk.failing.clear()


class FileSystemFull:
    """A small file system, filled to its last byte by somebody else."""

    says = "the disk is full"

    @contextlib.contextmanager
    def prepare(self, data: Path) -> Iterator[None]:
        data.mkdir()
        with mounted("-t", "tmpfs", "-o", "size=8m", "none", str(data)):
            yield

    def strike(self, data: Path) -> None:
        with (data / "ballast").open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017 - the loop's end

    def mend(self, data: Path) -> None:
        (data / "ballast").unlink()


class Locked:
    """Another process holds the database for longer than anybody waits."""

    says = "another process has locked the database"

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    @contextlib.contextmanager
    def prepare(self, data: Path) -> Iterator[None]:
        try:
            yield
        finally:
            self.mend(data)

    def strike(self, data: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOCK, str(data / FILE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "locked\n"

    def mend(self, data: Path) -> None:
        if self._process is not None:
            self._process.communicate("")
            self._process = None


class Removed:
    """The folder is not where it was."""

    says = "it is gone"

    @contextlib.contextmanager
    def prepare(self, data: Path) -> Iterator[None]:
        yield

    def strike(self, data: Path) -> None:
        data.rename(data.with_name("elsewhere"))

    def mend(self, data: Path) -> None:
        data.with_name("elsewhere").rename(data)


@contextlib.contextmanager
def mounted(*arguments: str) -> Iterator[None]:
    """A file system, mounted while the context lasts; the last argument is where."""
    subprocess.run(["mount", *arguments], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", arguments[-1]], check=True)


def remount_read_only(folder: Path) -> None:
    """Have what is mounted there refuse every write, root's too."""
    subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)


TROUBLES = [
    pytest.param(FileSystemFull, id="file system full", marks=needs_root),
    pytest.param(lambda: DiskFails("write", apsw.FullError, "the disk is full"), id="write: full"),
    pytest.param(lambda: DiskFails("write", apsw.IOError, "input or output"), id="write: error"),
    pytest.param(lambda: DiskFails("sync", apsw.IOError, "input or output"), id="sync: error"),
    pytest.param(
        lambda: DiskFails("write", apsw.ReadOnlyError, "read-only"), id="write: read-only"
    ),
    pytest.param(Locked, id="locked"),
    pytest.param(Removed, id="removed"),
]
