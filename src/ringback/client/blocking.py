"""The blocking client, for scripts: the asynchronous one, on an event loop of its own.

What belongs here: waiting for what the asynchronous client does. What does not: anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar, overload

from ringback.client.asynchronous import AsyncClient
from ringback.client.connection import PATIENCE
from ringback.client.credentials import GetToken
from ringback.client.following import OperationEvent
from ringback.client.loop import Loop
from ringback.client.messages import AsyncSubscription, Message, OnGap, Presence, Published
from ringback.client.operation import AsyncOperation, OperationView
from ringback.client.uploads import OnSent, Source

T = TypeVar("T")


class Operation(OperationView):
    """An operation, to be followed to its end. Leaving it does not stop it: ``cancel`` does."""

    def __init__(self, loop: Loop, operation: AsyncOperation) -> None:
        super().__init__(operation.known, operation.token)
        self._loop = loop
        self._operation = operation

    def __iter__(self) -> Iterator[Any]:
        """The partial results, from the first on, until the operation ends."""
        return self._loop.read(self._operation.__aiter__())

    def events(self) -> Iterator[OperationEvent]:
        """Status, progress and partial results, from the first on, until the operation ends."""
        return self._loop.read(self._operation.events())

    @overload
    def result(self) -> Any: ...
    @overload
    def result(self, type: type[T]) -> T: ...
    def result(self, type: type[T] | None = None) -> T | Any:
        """Wait for the end and return the result. Raises what ``AsyncOperation.result`` does."""
        if type is None:
            return self._loop.run(self._operation.result())
        return self._loop.run(self._operation.result(type))

    def wait(self) -> None:
        """Wait for the end, whatever comes of it."""
        self._loop.run(self._operation.wait())

    def cancel(self) -> None:
        """Ask it to stop. It may still succeed if it was about to: its status tells."""
        self._loop.run(self._operation.cancel())

    def refresh(self) -> None:
        """Ask how it stands."""
        self._loop.run(self._operation.refresh())


class Subscription:
    """The messages of topics, for ever. ``with`` it, or ``close`` it."""

    def __init__(self, loop: Loop, subscription: AsyncSubscription) -> None:
        self._loop = loop
        self._subscription = subscription
        loop.run(subscription.__aenter__())

    @property
    def filters(self) -> tuple[str, ...]:
        """What is followed."""
        return self._subscription.filters

    @property
    def position(self) -> str | None:
        """What a later subscription goes on after."""
        return self._subscription.position

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Message:
        found = self._loop.run(self._subscription.following())
        if found is None:
            raise StopIteration
        return found

    def close(self) -> None:
        """Stop following."""
        if not self._loop.closed:
            self._loop.run(self._subscription.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Client:
    """An application that runs elsewhere, for scripts: ``AsyncClient``, waited for. ``with`` it.

    It may be used from several threads, and where an event loop runs already (a notebook).
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        get_token: GetToken | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """As ``AsyncClient``. Raises ``ConfigurationError`` for the URL."""
        self._client = AsyncClient(url, token=token, get_token=get_token, patience=patience)
        self._loop = Loop(self._client.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop following, and close the connections. Operations go on."""
        self._loop.close()

    def submit(
        self,
        task: str,
        input: object = None,
        *,
        key: str | None = None,
        start_at: datetime | float | None = None,
        delay: timedelta | float | None = None,
    ) -> Operation:
        """Submit, as ``AsyncClient.submit``; returns once the server has stored it."""
        submitted = self._client.submit(task, input, key=key, start_at=start_at, delay=delay)
        return self._operation(self._loop.run(submitted))

    def follow(self, id: str, token: str | None = None, *, after: str | None = None) -> Operation:
        """An operation that was submitted before, as ``AsyncClient.follow``."""
        return self._operation(self._loop.run(self._client.follow(id, token, after=after)))

    def operations(
        self,
        *,
        status: str | None = None,
        task: str | None = None,
        parent: str | None = None,
        dead_letter: bool | None = None,
    ) -> Iterator[Operation]:
        """The caller's operations, newest first; those that fit all that is given."""
        found = self._client.operations(
            status=status, task=task, parent=parent, dead_letter=dead_letter
        )
        return map(self._operation, self._loop.read(found))

    def subscribe(
        self,
        filter: str | Sequence[str],
        *,
        after: str | None = None,
        on_gap: OnGap | None = None,
    ) -> Subscription:
        """The messages of the topics that match, as ``AsyncClient.subscribe``; returns once the
        server follows them. ``on_gap`` is called in another thread.
        """
        return Subscription(self._loop, self._client.subscribe(filter, after=after, on_gap=on_gap))

    def publish(self, topic: str, data: object) -> Published:
        """Publish a message, as ``AsyncClient.publish``."""
        return self._loop.run(self._client.publish(topic, data))

    def presence(self, topic: str) -> Presence:
        """Who follows a topic."""
        return self._loop.run(self._client.presence(topic))

    def upload(
        self,
        source: Source,
        *,
        name: str | None = None,
        type: str | None = None,
        key: str | None = None,
        on_sent: OnSent | None = None,
    ) -> Operation:
        """Send a file, as ``AsyncClient.upload``; returns once all bytes are stored. ``on_sent``
        is called in another thread.
        """
        sent = self._client.upload(source, name=name, type=type, key=key, on_sent=on_sent)
        return self._operation(self._loop.run(sent))

    def _operation(self, operation: AsyncOperation) -> Operation:
        return Operation(self._loop, operation)
