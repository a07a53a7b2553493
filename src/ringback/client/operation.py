"""An operation that runs elsewhere."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeVar, overload

from ringback.client import values
from ringback.client.answers import Fields, failure_of
from ringback.client.connection import FROM_THE_START, Connection
from ringback.client.following import Known, OperationEvent, Progress, Telling
from ringback.core.model import Status
from ringback.errors import OperationCancelled

T = TypeVar("T")


class OperationView:
    """What is known of an operation: as it was last heard of."""

    def __init__(self, known: Known, token: str | None) -> None:
        self.known = known
        self.token = token
        """Opens this operation, for whoever has it. Keep it with the id to follow it later."""

    @property
    def id(self) -> str:
        """The tracking id."""
        return str(self.known.fields["id"])

    @property
    def task(self) -> str:
        """The task's name."""
        return str(self.known.fields["task"])

    @property
    def status(self) -> Status:
        """``queued``, ``running``, ``succeeded``, ``failed`` or ``cancelled``."""
        return self.known.status

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.known.terminal

    @property
    def progress(self) -> Progress | None:
        """How far it is; None before there is any progress."""
        found = self.known.fields.get("progress")
        return Progress(**found) if found else None

    @property
    def error(self) -> Fields | None:
        """The problem: why it failed, or why it was last queued again."""
        return self.known.fields.get("error")

    @property
    def snapshot(self) -> Fields:
        """The whole object of the HTTP contract, with the newest partial results."""
        return self.known.snapshot

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.task} {self.status}>"


class AsyncOperation(OperationView):
    """An operation, to be followed to its end. Leaving it does not stop it: ``cancel`` does."""

    def __init__(
        self,
        connection: Connection,
        fields: Fields,
        token: str | None = None,
        after: str | None = None,
    ) -> None:
        super().__init__(Known(fields), token)
        self._connection = connection
        self._after = after

    async def __aiter__(self) -> AsyncGenerator[Any]:
        """The partial results, from the first on, until the operation ends.

        An attempt that is made again sends its partial results again; ``events`` tells which
        attempt each is of.
        """
        async with aclosing(self.events()) as events:
            async for event in events:
                if event.kind == "part":
                    yield event.data.data

    async def events(self) -> AsyncGenerator[OperationEvent]:
        """Status, progress and partial results, from the first on, until the operation ends.

        Begins behind the position that was given to ``follow``, if one was. Raises ``Gap`` where
        partial results are no longer kept.
        """
        after = FROM_THE_START if self._after is None else self._after
        async with aclosing(self._told(after, whole=self._after is None)) as told:
            async for event in told:
                yield event

    @overload
    async def result(self) -> Any: ...
    @overload
    async def result(self, type: type[T]) -> T: ...
    async def result(self, type: type[T] | None = None) -> T | Any:
        """Wait for the end and return the result, as ``type`` if one is given: a pydantic model,
        a dataclass, or whatever pydantic knows.

        Raises the error the operation ended with: of the class of ``ringback.errors`` that has
        its code, else ``TaskFailed``; ``OperationCancelled``; ``OperationForgotten`` when it is
        kept no longer; ``UnfitResult`` for a result that is not of the type.
        """
        await self.wait()
        fields = self.known.fields
        if self.status is Status.SUCCEEDED:
            if type is None and "result" in fields:
                return fields["result"]
            return values.decode(await self._read_result(), type)
        if self.status is Status.CANCELLED:
            raise OperationCancelled("The operation was cancelled.", id=self.id)
        raise failure_of(fields.get("error") or {})

    async def wait(self) -> None:
        """Wait for the end, whatever comes of it."""
        if self.done:
            return
        async with aclosing(self._told(None, whole=False)) as told:
            async for _ in told:
                pass

    async def cancel(self) -> None:
        """Ask it to stop. It may still succeed if it was about to: its status tells."""
        self.heard(
            await self._connection.persist(
                lambda: self._connection.cancel(self.id, token=self.token)
            )
        )

    async def refresh(self) -> None:
        """Ask how it stands. What follows it keeps it fresh, too."""
        self.heard(
            await self._connection.persist(lambda: self._connection.show(self.id, token=self.token))
        )

    def heard(self, fields: Fields) -> None:
        """An answer tells how it stands."""
        self.known.told(fields, fields.get("position"))

    async def _read_result(self) -> bytes:
        fields = self.known.fields
        if "result" in fields:
            return values.encode(fields["result"])
        return await self._connection.persist(
            lambda: self._connection.result(self.id, token=self.token)
        )

    async def _told(self, after: str | None, *, whole: bool) -> AsyncGenerator[OperationEvent]:
        telling = Telling(self.known)
        followed = self._connection.follow(self.id, token=self.token, after=after)
        async with aclosing(followed) as events:
            async for event in events:
                for each in telling.tell(event, whole=whole):
                    yield each
