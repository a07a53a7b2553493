"""The asynchronous client. What it does on the wire is ``connection``'s."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

from ringback.client import uploads, values
from ringback.client.connection import PATIENCE, Connection
from ringback.client.credentials import GetToken
from ringback.client.messages import AsyncSubscription, OnGap, Presence, Published
from ringback.client.operation import AsyncOperation
from ringback.client.uploads import OnSent, Source


class AsyncClient:
    """An application that runs elsewhere. ``async with`` it."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        get_token: GetToken | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """``url`` is where the application is mounted, ``token`` a JWT.

        ``get_token`` gives a JWT when one is needed first, and a fresh one when the server
        refuses the last; it may be async. A stream whose server was reached before is tried again
        for ``patience`` seconds, a request for 30 at most.

        Raises ``ConfigurationError`` for the URL.
        """
        self._connection = Connection(url, token=token, get_token=get_token, patience=patience)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections. Operations go on."""
        await self._connection.__aexit__()

    async def submit(
        self,
        task: str,
        input: object = None,
        *,
        key: str | None = None,
        start_at: datetime | float | None = None,
        delay: timedelta | float | None = None,
    ) -> AsyncOperation:
        """Submit; returns once the server has stored it.

        ``input`` is anything that has a JSON form: a dict, a dataclass, a pydantic model. A lost
        answer is asked for again with the same idempotency ``key``, which is made if none is
        given, so the work is accepted once. ``start_at`` (a time, or seconds since the epoch) or
        ``delay`` (seconds) say when it may start.
        """
        parameters: dict[str, str] = {}
        if start_at is not None:
            parameters["start_at"] = values.moment(start_at)
        if delay is not None:
            parameters["delay"] = values.seconds(delay)
        accepted = await self._connection.submit(
            task,
            values.encode({} if input is None else input),
            key=key or str(uuid.uuid4()),
            parameters=parameters,
        )
        return self._operation(accepted, accepted.get("token"))

    async def follow(
        self, id: str, token: str | None = None, *, after: str | None = None
    ) -> AsyncOperation:
        """An operation that was submitted before, here or elsewhere.

        ``token`` is its own; without one the client's has to open it. ``after`` is a position of
        its events: its parts and events are told from there on, else from the first.
        """
        found = await self._connection.persist(lambda: self._connection.show(id, token=token))
        return self._operation(found, token, after)

    async def operations(
        self,
        *,
        status: str | None = None,
        task: str | None = None,
        parent: str | None = None,
        dead_letter: bool | None = None,
    ) -> AsyncGenerator[AsyncOperation]:
        """The caller's operations, newest first; those that fit all that is given."""
        letter = None if dead_letter is None else str(dead_letter).lower()
        given = {"status": status, "task": task, "parent": parent, "dead_letter": letter}
        parameters = {name: value for name, value in given.items() if value is not None}
        while True:
            page = await self._connection.persist(lambda: self._connection.find(parameters))
            for fields in page["operations"]:
                yield self._operation(fields, None)
            if page.get("next") is None:
                return
            (parameters["after"],) = parse_qs(urlsplit(page["next"]).query)["after"]

    def subscribe(
        self,
        filter: str | Sequence[str],
        *,
        after: str | None = None,
        on_gap: OnGap | None = None,
    ) -> AsyncSubscription:
        """The messages of the topics that match, as they come; or all after a position, or from
        the ``"earliest"`` that is kept.

        Lost connections are made again, with nothing missed and nothing twice. Where messages are
        no longer kept, ``on_gap`` is told of the ``Gap``; without it, that is raised.
        """
        filters = [filter] if isinstance(filter, str) else filter
        return AsyncSubscription(self._connection, filters, after, on_gap)

    async def publish(self, topic: str, data: object) -> Published:
        """Publish a message. It is tried once: nobody can tell whether a message whose answer was
        lost is there.
        """
        found = await self._connection.publish(topic, values.encode(data))
        return msgspec.convert(found, Published)

    async def presence(self, topic: str) -> Presence:
        """Who follows a topic. ``$presence/{topic}`` tells of each who joins or leaves."""
        found = await self._connection.persist(lambda: self._connection.presence(topic))
        return msgspec.convert(found, Presence)

    async def upload(
        self,
        source: Source,
        *,
        name: str | None = None,
        type: str | None = None,
        key: str | None = None,
        on_sent: OnSent | None = None,
    ) -> AsyncOperation:
        """Send a file; returns its operation once all bytes are stored.

        ``source`` is a path, bytes, or a file that is open for reading and can seek. ``name``
        chooses the handler; a path's last segment if none is given. A lost connection is made
        again, and the file goes on where it broke off; so does a program that is started again
        and gives the same ``key``. What goes straight into a bucket begins anew. ``on_sent`` is
        told of the bytes: how many, and of how many.
        """
        name = uploads.name_of(source) if name is None else name
        with uploads.opened(source) as file:
            sending = uploads.Sending(self._connection, file, on_sent)
            accepted = await sending.declare(name, type, key or str(uuid.uuid4()))
            operation = self._operation(accepted, accepted.get("token"))
            operation.heard(await sending.send(accepted))
        return operation

    def _operation(
        self, fields: dict[str, Any], token: str | None, after: str | None = None
    ) -> AsyncOperation:
        return AsyncOperation(self._connection, fields, token, after)
