"""Where operations are: behind a URL, or in a data folder. Both give the same JSON."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol, Self

import msgspec

from ringback.cli.remembered import Remembered, recall
from ringback.client.answers import Fields
from ringback.client.connection import PATIENCE
from ringback.errors import ConfigurationError
from ringback.wire.sse_client import ReceivedEvent

URL_VARIABLE = "RINGBACK_URL"
TOKEN_VARIABLE = "RINGBACK_TOKEN"  # noqa: S105 - the name of a variable
DEFAULT_URL = "http://127.0.0.1:8000"


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """What the options say."""

    url: str | None = None
    data: Path | None = None
    engine: str | None = None
    app: str | None = None
    token: str | None = None
    patience: float = PATIENCE

    @classmethod
    def of(cls, *, patience: float | None, **given: Any) -> Self:
        """From a command's options."""
        return cls(patience=PATIENCE if patience is None else patience, **given)

    @property
    def local(self) -> bool:
        """Whether the store itself is meant."""
        return self.data is not None or self.engine is not None or self.app is not None


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """Which operations to list."""

    status: str | None = None
    task: str | None = None
    dead: bool = False
    after: str | None = None
    limit: int = 20


class Target(Protocol):
    """What commands do with operations. Objects are those of the HTTP contract."""

    def options(self, operation: str) -> str:
        """What a further command needs to find this operation, as options."""

    async def submit(self, task: str, body: bytes, key: str) -> Fields:
        """Submit, and remember the token; the acknowledgement."""

    async def show(self, operation: str) -> Fields: ...

    async def result(self, operation: str) -> bytes: ...

    async def find(self, search: Search) -> Fields:
        """``{operations, next}``; ``next`` is what to list after."""

    async def cancel(self, operation: str) -> Fields: ...

    async def redrive(self, operation: str) -> Fields: ...

    async def forget(self, operation: str) -> None: ...

    def follow(
        self, operation: str, *, from_the_start: bool = False
    ) -> AsyncGenerator[ReceivedEvent]:
        """A snapshot, then every event until the end; or all from the first there is."""


def open_target(where: Where, operation: str | None = None) -> AbstractAsyncContextManager[Target]:
    """The place the options mean; without any, where the operation is remembered to be.

    That counts for more than RINGBACK_URL, which is about operations in general.

    Raises ``ConfigurationError``.
    """
    if where.url is not None and where.local:
        raise ConfigurationError("Give --url for a server, or --data for the store itself.")
    known = recall(operation) if operation is not None else None
    if known is not None and where.url is None and not where.local:
        where = _of_folder(where, known.data) if known.data else _of_server(where, known.url)
    if where.local:
        from ringback.cli.local import LocalTarget

        return LocalTarget.open(where)
    from ringback.cli.remote import RemoteTarget

    url = where.url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    own = os.environ.get(TOKEN_VARIABLE)
    return RemoteTarget.open(url, where.patience, given=where.token, own=own)


def _of_folder(where: Where, data: str) -> Where:
    if "://" in data or data.startswith("sqlite:"):
        return msgspec.structs.replace(where, engine=data)
    return msgspec.structs.replace(where, data=Path(data))


def _of_server(where: Where, url: str | None) -> Where:
    return msgspec.structs.replace(where, url=url)


def identity(value: Any) -> str:
    """The id of an operation's JSON."""
    return str(value["id"])


def token_for(url: str, operation: str) -> str | None:
    """The remembered token of an operation on that server; never shown to another server."""
    entry: Remembered | None = recall(operation)
    return entry.token if entry is not None and entry.url == url else None
