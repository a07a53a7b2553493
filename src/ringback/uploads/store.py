"""Where uploads are kept: an object store, opened from its address.

What belongs here: addresses, opening, the names of objects, and what a store's errors mean to a
caller. What does not: the pieces of an upload (``pieces``), and what a handler sees (``record``).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ringback.errors import ConfigurationError, StoreUnavailable
from ringback.settings import Settings

if TYPE_CHECKING:  # and else where there are uploads: it is large, and not everywhere
    from obstore.store import ObjectStore

FOLDER = "uploads"
"""The folder in that of the embedded store, unless the settings name another place."""
FILE = "file"
"""The name of the complete object, below the upload's id. What a client calls its file is never
part of a path."""
RETRY_AFTER = 2
"""Seconds after which a client may try again when the store did not do what it was asked."""


def address(settings: Settings) -> str:
    """The address of the uploads' store: a URL; that of a folder is ``file:`` and absolute."""
    text = settings.uploads
    if text and not text.startswith("file:") and "://" in text:
        return text
    if text:
        folder = Path(_path_of(text) if text.startswith("file:") else text)
    elif settings.engine.startswith("sqlite:"):
        folder = Path(settings.engine.removeprefix("sqlite:").removeprefix("//") or settings.data)
        folder /= FOLDER
    else:
        folder = settings.data / FOLDER
    return folder.expanduser().absolute().as_uri()


class Store:
    """An object store, and its folder where it is one on this machine."""

    def __init__(self, where: str) -> None:
        """Raises ``ConfigurationError`` for an address that is none."""
        from obstore.exceptions import BaseError
        from obstore.store import LocalStore, from_url

        self.folder: Path | None = None
        """None: the objects are elsewhere."""
        self.objects: ObjectStore
        try:
            if where.startswith("file:"):
                self.folder = Path(_path_of(where))
                # Only the owner reads it: the bytes are the users' own.
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.objects = LocalStore(self.folder)
            else:
                # Without TLS only where somebody says so, by an address of their own.
                own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
                if (own or "").startswith("http://"):
                    self.objects = from_url(where, client_options={"allow_http": True})
                else:
                    self.objects = from_url(where)
        except (BaseError, OSError, ValueError) as error:
            raise ConfigurationError(
                f"The uploads' store {where} cannot be opened ({_first_line(error)}). Set "
                "RINGBACK_UPLOADS to a folder this user can write to, or to a URL such as "
                "s3://bucket/prefix."
            ) from error


@functools.lru_cache(maxsize=64)
def open_store(where: str) -> Store:
    """The store at an address; one for each process."""
    return Store(where)


VARIABLE = "RINGBACK_STORE_"
"""Begins the names of the environment variables that tell the addresses to child processes."""
_known: dict[str, str] = {}
"""The addresses of the stores this process uses, by name. Process-wide, because a record read
from JSON has nothing but the name to go by: the address, say a path, is not for callers."""


def make_known(name: str, where: str) -> None:
    """Have records that carry ``name`` find their bytes at an address."""
    _known[name] = where
    os.environ[VARIABLE + name] = where  # the processes that handlers run in inherit it


def known(name: str) -> str:
    """The address of a store. Raises ``ConfigurationError`` when this process knows none."""
    where = _known.get(name) or os.environ.get(VARIABLE + name)
    if where is None:
        raise ConfigurationError(
            "This upload is of a store that no application in this process has opened. Read it "
            "in its handler, or while the application runs."
        )
    return where


@contextmanager
def reaching() -> Iterator[None]:
    """Raises ``StoreUnavailable`` for what the store, the disk or the network does to us."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        raise StoreUnavailable(
            f"The uploads' store failed ({_first_line(error)}). Ask for the upload's offset and "
            "go on there after Retry-After.",
            retry_after=RETRY_AFTER,
        ) from error


def sync(*paths: Path) -> None:
    """Bring files and folders to the disk (fsync(2)); obstore leaves that to whoever needs it."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _path_of(url: str) -> str:
    return unquote(urlsplit(url).path)


def _first_line(error: Exception) -> str:
    """obstore appends its own structures to a message; people need its first line."""
    return str(error).partition("\n")[0] or type(error).__name__
