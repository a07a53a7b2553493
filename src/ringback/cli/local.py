"""Operations in a store, without a server.

Whoever can read the data folder may see and do everything, so nobody is asked for rights here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec

from ringback.cli import remembered
from ringback.cli.target import Search, Where
from ringback.client.answers import Fields
from ringback.core.access import ANONYMOUS
from ringback.core.commands import Cancel, Redrive
from ringback.core.model import BEGINNING, Kind, OperationState, Query, Status
from ringback.core.view import operation_fields, timestamp
from ringback.engines.sqlite.engine import FILE, SqliteEngine
from ringback.errors import ConfigurationError, NotFinished
from ringback.home import open_engine
from ringback.hub import Bells, rung
from ringback.ids import child_trace, is_id, new_id, wall
from ringback.ports import FullEngine
from ringback.service import Service
from ringback.settings import Settings
from ringback.tasks import catalogue
from ringback.tasks.registry import Registry
from ringback.wire.sse_client import ReceivedEvent

PAGE = 500
"""Messages read at once."""
LOOK_EVERY = 5.0
"""Seconds between two looks when no hint comes."""


class LocalTarget:
    """What ``Target`` asks for, on an engine."""

    def __init__(self, service: Service, hub: Bells, where: Where) -> None:
        self._service = service
        self._hub = hub
        self._where = where

    @classmethod
    @asynccontextmanager
    async def open(cls, where: Where) -> AsyncIterator[LocalTarget]:
        """With the application, where it is named; else with what the store knows of it."""
        async with AsyncExitStack() as stack:
            if where.app is not None:
                from ringback.cli.load import load  # and all that serves, which no store needs

                rb, _ = load(where.app)
                rb.configure(data=where.data, engine=where.engine)
                running = await stack.enter_async_context(rb.running(worker=False))
                yield cls(running.service, running.hub, where)
                return
            settings = Settings.load(data=where.data, engine=where.engine)
            engine = await stack.enter_async_context(existing(open_engine(settings)))
            tasks = await engine.fact(catalogue.FACT)
            registry = Registry() if tasks is None else catalogue.read(tasks)
            service = Service("ringback", engine, registry, settings, clock=wall)
            await service.start()
            hub = Bells(engine)
            stack.callback(hub.close)
            yield cls(service, hub, where)

    def options(self, operation: str) -> str:
        if remembered.recall(operation):
            return ""
        where = self._where
        given = (("--data", where.data), ("--engine", where.engine), ("--app", where.app))
        return "".join(f" {name} {value}" for name, value in given if value is not None)

    async def submit(self, task: str, body: bytes, key: str) -> Fields:
        service = self._service
        if not service.registry.tasks:
            raise ConfigurationError(
                "No application has run on this store yet, so its tasks are not known. Start it "
                "once (`ringback run module:rb`), or name it with --app module:rb."
            )
        found = service.registry.submitted(task)
        accepted = await service.submit(found, body, ANONYMOUS, key=key)
        return self._acknowledged(accepted.operation)

    async def show(self, operation: str) -> Fields:
        state = await self._load(operation)
        return {**await self._view(state), "stored": _plain(_stored(state))}

    async def result(self, operation: str) -> bytes:
        state = await self._load(operation)
        if state.result is None:
            raise NotFinished
        return state.result

    async def find(self, search: Search) -> Fields:
        query = Query(
            status=None if search.status is None else Status(search.status),
            task=search.task,
            dead_letter=True if search.dead else None,
            after=search.after,
            limit=search.limit + 1,  # one more than is shown says whether there are others
        )
        found = await self._service.engine.list(query)
        shown = found[: search.limit]
        return {
            "operations": [_plain(operation_fields(state)) for state in shown],
            "next": shown[-1].id if len(found) > len(shown) else None,
        }

    async def cancel(self, operation: str) -> Fields:
        state = await self._load(operation)
        return await self._view(await self._service.apply(state, Cancel()))

    async def redrive(self, operation: str) -> Fields:
        state = await self._load(operation)
        again = new_id(wall())
        await self._service.apply(state, Redrive(again, child_trace(state.traceparent)))
        return self._acknowledged(await self._load(again))

    async def forget(self, operation: str) -> None:
        await self._service.engine.forget(_id(operation), wall())

    async def follow(
        self, operation: str, *, from_the_start: bool = False
    ) -> AsyncGenerator[ReceivedEvent]:
        state = await self._load(operation)
        after = BEGINNING
        if not from_the_start:
            after = self._service.position(state)
            yield await self._snapshot(state)
        with self._hub.bell(state.topic) as bell:
            while not (state.terminal and after.offset >= state.version):
                bell.clear()
                page = await self._service.engine.read(state.topic, after, PAGE)
                if page.gap:
                    state = await self._service.engine.load(state.id)
                    after = self._service.position(state)
                    yield await self._snapshot(state)
                    continue
                for message in page.messages:
                    yield ReceivedEvent(message.kind.value, message.data, str(message.position))
                if not page.messages:
                    await rung(bell, LOOK_EVERY)
                    continue
                after = page.position
                if any(message.kind is Kind.STATUS for message in page.messages):
                    state = await self._service.engine.load(state.id)

    async def token(self, operation: str) -> tuple[str, float]:
        """The operation's own token, and until when it is good."""
        state = await self._load(operation)
        tokens = self._service.tokens
        return tokens.make(state), tokens.expires_at(state)

    async def _load(self, operation: str) -> OperationState:
        return await self._service.engine.load(_id(operation))

    async def _view(self, state: OperationState) -> Fields:
        fields = operation_fields(state)
        fields["position"] = str(self._service.position(state))
        if state.part_count:
            fields["parts"] = await self._service.parts(state)
        return _plain(fields)

    async def _snapshot(self, state: OperationState) -> ReceivedEvent:
        shown = msgspec.json.encode(await self._view(state))
        return ReceivedEvent("snapshot", shown, str(self._service.position(state)))

    def _acknowledged(self, state: OperationState) -> Fields:
        tokens = self._service.tokens
        fields = operation_fields(state)
        fields["token"] = tokens.make(state)
        fields["token_expires_at"] = timestamp(tokens.expires_at(state))
        settings = self._service.settings
        place = settings.engine or str(settings.data.resolve())
        remembered.remember(remembered.make(fields, url=None, data=place))
        return _plain(fields)


def _plain(fields: Fields) -> Fields:
    """As it would come over HTTP: without JSON that is encoded already."""
    return msgspec.json.decode(msgspec.json.encode(fields), type=Fields)


def existing(engine: FullEngine) -> FullEngine:
    """The engine, if there is a store: looking at one must not make one."""
    if isinstance(engine, SqliteEngine) and not (engine.folder / FILE).exists():
        raise ConfigurationError(
            f"There is no store in {engine.folder}. Give the folder that `ringback run` uses: "
            "its start shows it."
        )
    return engine


def _id(operation: str) -> str:
    if not is_id(operation):
        raise ConfigurationError(f"{operation!r} is no operation's id. `ops list` shows them.")
    return operation


def _stored(state: OperationState) -> dict[str, Any]:
    """What only operators see of an operation."""
    return {
        "subject": state.subject,
        "input": msgspec.Raw(state.input),
        "priority": state.priority,
        "failures": state.failures,
        "worker": state.worker,
        "lease_until": None if state.lease_until is None else timestamp(state.lease_until),
        "expires_at": None if state.expires_at is None else timestamp(state.expires_at),
        "limit_key": state.limit_key,
        "traceparent": state.traceparent,
        "policy": state.policy,
        "diagnosis": state.diagnosis,
    }
