"""Code in an archive, as ``sam package`` and others make it, put into a folder."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import zipfile
from pathlib import Path

MOST = 250 * 1024 * 1024
"""Bytes unzipped: Lambda takes no more, and a small archive may hold any number."""


class Archives:
    """Unpacks each archive once: all functions of a template often have the same."""

    def __init__(self) -> None:
        self._folders: dict[Path, Path] = {}

    def folder(self, code: Path) -> Path:
        """Where an archive's files are; what is none stays as it is. Deleted when the process ends.

        Raises ``ValueError`` for an archive that cannot be unpacked.
        """
        if code not in self._folders and code.is_file():
            self._folders[code] = _unpacked(code)
        return self._folders.get(code, code)


def new_folder(name: str) -> Path:
    """An empty folder that is deleted when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"ringback-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _unpacked(path: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            if size > MOST:
                raise ValueError(f"{path} has {size} bytes unzipped, and Lambda takes {MOST}")
            folder = new_folder(path.stem)
            for entry in entries:
                made = Path(archive.extract(entry, folder))
                if mode := entry.external_attr >> 16 & 0o777:
                    made.chmod(mode | 0o600 | (0o100 if made.is_dir() else 0))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        raise ValueError(f"{path} cannot be unpacked: {error}") from None
    return folder
