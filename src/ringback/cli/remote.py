"""Operations behind a URL."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from urllib.parse import parse_qs, urlsplit

from ringback.cli import remembered
from ringback.cli.target import DEFAULT_URL, Search, token_for
from ringback.cli.terminal import note
from ringback.client.answers import Fields
from ringback.client.connection import FROM_THE_START, Connection
from ringback.errors import Forbidden, Unauthenticated, UnknownOperation
from ringback.wire.sse_client import ReceivedEvent


class RemoteTarget:
    """What ``Target`` asks for, over HTTP."""

    def __init__(self, client: Connection, *, given: str | None, own: str | None) -> None:
        self._client = client
        self._given = given
        self._own = own

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, patience: float, *, given: str | None, own: str | None
    ) -> AsyncIterator[RemoteTarget]:
        """``given`` is the token of the command line, ``own`` that of the environment."""
        async with Connection(url, token=given or own, patience=patience, notice=note) as client:
            yield cls(client, given=given, own=own)

    def options(self, operation: str) -> str:
        url = self._client.url
        return "" if remembered.recall(operation) or url == DEFAULT_URL else f" --url {url}"

    async def submit(self, task: str, body: bytes, key: str) -> Fields:
        return self._remember(await self._client.submit(task, body, key=key))

    async def show(self, operation: str) -> Fields:
        with _hint(operation):
            return await self._client.show(operation, token=self._token(operation))

    async def result(self, operation: str) -> bytes:
        return await self._client.result(operation, token=self._token(operation))

    async def find(self, search: Search) -> Fields:
        parameters = {"limit": str(search.limit)}
        for name, value in (
            ("status", search.status),
            ("task", search.task),
            ("after", search.after),
            ("dead_letter", "true" if search.dead else None),
        ):
            if value is not None:
                parameters[name] = value
        try:
            found = await self._client.find(parameters)
        except Unauthenticated as error:
            raise Unauthenticated(
                f"{error.detail} Give a JWT with --token or RINGBACK_TOKEN (`ringback token` makes "
                "one), or read the store itself with --data."
            ) from None
        following = found.get("next")
        if isinstance(following, str):
            found["next"] = parse_qs(urlsplit(following).query).get("after", [None])[0]
        return found

    async def cancel(self, operation: str) -> Fields:
        with _hint(operation):
            return await self._client.cancel(operation, token=self._token(operation))

    async def redrive(self, operation: str) -> Fields:
        with _hint(operation):
            # The owner may, and whoever holds no more than the operation's token may not.
            token = None if self._own else self._token(operation)
            again = await self._client.redrive(operation, token=token)
        return self._remember(again)

    async def forget(self, operation: str) -> None:
        with _hint(operation):
            await self._client.forget(operation, token=self._token(operation))

    async def follow(
        self, operation: str, *, from_the_start: bool = False
    ) -> AsyncGenerator[ReceivedEvent]:
        after = FROM_THE_START if from_the_start else None
        events = self._client.follow(operation, token=self._token(operation), after=after)
        with _hint(operation):
            async with aclosing(events):
                async for event in events:
                    yield event

    def _token(self, operation: str) -> str | None:
        """What opens this operation whoever submitted it, unless the command line says another."""
        return None if self._given else token_for(self._client.url, operation)

    def _remember(self, acknowledgement: Fields) -> Fields:
        remembered.remember(remembered.make(acknowledgement, url=self._client.url, data=None))
        return acknowledgement


@contextmanager
def _hint(operation: str) -> Iterator[None]:
    """Say how an operation's token is given, where the lack of one may be the cause."""
    try:
        yield
    except (UnknownOperation, Unauthenticated, Forbidden) as error:
        raise type(error)(
            f"{error.detail} Operations submitted from here are known by their id; for another, "
            "give its token with --token, or read the store itself with --data.",
            **{**error.fields, "operation": operation},
        ) from None
