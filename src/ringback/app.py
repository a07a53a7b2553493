"""The composition root: an application's tasks, its settings, an engine and the edges.

``Ringback`` is what users import. It is declared at module level, costs nothing until it is
started, and is started by ``ringback run``, by the lifespan of the ASGI application it is
mounted in, or by ``async with rb.running():`` in a script or a test.
"""

from __future__ import annotations

import dataclasses
import inspect
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Set
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar, get_type_hints, overload

from ringback.core.access import ANONYMOUS, Claims
from ringback.core.model import OperationState, Position
from ringback.edges.asgi import AsgiApp
from ringback.edges.http import HttpEdge
from ringback.edges.http.gate import Authenticate
from ringback.errors import ConfigurationError
from ringback.home import open_engine
from ringback.hub import Hub, wait_until_terminal
from ringback.ids import Clock, wall
from ringback.ports import FullEngine
from ringback.service import Authorize, Service
from ringback.settings import Settings
from ringback.tasks import catalogue
from ringback.tasks.registry import (
    MAX_RESULT,
    EventHandler,
    Predicate,
    Registry,
    RunIn,
    Seconds,
    Task,
    UploadHandler,
    policy,
    seconds,
    where_to_run,
)
from ringback.tasks.signature import Signature, to_json_bytes
from ringback.uploads import Upload, Uploads
from ringback.worker.worker import Worker

F = TypeVar("F", bound=Callable[..., Any])
log = logging.getLogger("ringback")


@dataclasses.dataclass(frozen=True)
class Running:
    """A started application: its parts, for whoever drives it."""

    service: Service
    hub: Hub
    uploads: Uploads
    worker: Worker | None
    http: HttpEdge


class Ringback:
    """An application: tasks, handlers of events and uploads, and how to serve them."""

    def __init__(
        self,
        name: str = "ringback",
        *,
        authenticate: Authenticate | None = None,
        authorize: Authorize | None = None,
        clock: Clock = wall,
        **settings: Any,
    ) -> None:
        """``name`` is the source of its events.

        ``authenticate`` takes a request's headers and returns ``Claims``, or None for an
        anonymous caller; it replaces the verification of JWTs. ``authorize`` takes an action,
        claims, and the task or operation it is about; it replaces the rules of
        ``ringback.core.access``. Both may be async. Further arguments are settings; see
        ``ringback.settings.Settings``.
        """
        self.name = name
        self.registry = Registry()
        self._authenticate = authenticate
        self._authorize = authorize
        self._clock = clock
        self._given = settings
        self._settings: Settings | None = None
        self._running: Running | None = None
        self.asgi = AsgiApp(self)
        """The ASGI application, to be served or mounted under any prefix."""

    # Registering

    @overload
    def task(self, function: F, /) -> F: ...

    # fmt: off
    @overload
    def task(
        self, function: None = None, /, *, name: str | None = ..., retries: int = ...,
        retry_on: type[BaseException] | tuple[type[BaseException], ...] = ...,
        backoff: Seconds = ..., backoff_max: Seconds = ..., timeout: Seconds | None = ...,
        lease: Seconds = ..., concurrency: int | None = ..., concurrency_per_key: int | None = ...,
        rate_per_key: float | None = ..., key: Callable[..., str] | None = ...,
        priority: int = ..., run_in: RunIn | None = ..., idempotency_key: bool = ...,
        retention: Seconds = ..., max_result: int = ..., cancel_grace: Seconds = ...,
        resumable: bool = ..., public: bool = ..., allow: Predicate | None = ...,
    ) -> Callable[[F], F]: ...
    # fmt: on

    def task(
        self,
        function: F | None = None,
        /,
        *,
        name: str | None = None,
        retries: int = 3,
        retry_on: type[BaseException] | tuple[type[BaseException], ...] = Exception,
        backoff: Seconds = 1.0,
        backoff_max: Seconds = 300.0,
        timeout: Seconds | None = None,
        lease: Seconds = 30.0,
        concurrency: int | None = None,
        concurrency_per_key: int | None = None,
        rate_per_key: float | None = None,
        key: Callable[..., str] | None = None,
        priority: int = 0,
        run_in: RunIn | None = None,
        idempotency_key: bool = False,
        retention: Seconds = timedelta(days=1),
        max_result: int = MAX_RESULT,
        cancel_grace: Seconds = 5.0,
        resumable: bool = False,
        public: bool = False,
        allow: Predicate | None = None,
    ) -> Any:
        """Register a function as a task; ``@rb.task`` and ``@rb.task(…)`` both work.

        - ``name``: as in ``POST /tasks/{name}``; the function's own by default.
        - ``retries``: further attempts after the first failed one.
        - ``retry_on``: exceptions that are tried again; any other fails the operation at once.
        - ``backoff``: seconds the first retry waits at most; doubles up to ``backoff_max``; the
          wait is drawn at random below that (full jitter).
        - ``timeout``: seconds one attempt may take.
        - ``lease``: seconds after which an operation whose worker is silent is tried elsewhere.
        - ``concurrency``: how many may run at once, over all workers.
        - ``concurrency_per_key``, ``rate_per_key``: how many at once, and how many starts a
          second, for each ``key``; that is a function of the input, by default the caller.
        - ``priority``: higher runs first.
        - ``run_in``: ``"loop"`` (async functions), ``"thread"`` (plain ones) or ``"process"``
          (plain ones that keep a CPU busy).
        - ``idempotency_key``: whether callers must send one.
        - ``retention``: seconds a finished operation can still be read.
        - ``max_result``: bytes.
        - ``cancel_grace``: seconds a cancelled function in a process has to end by itself.
        - ``resumable``: keep partial results over attempts; see ``Operation.earlier_parts``.
        - ``public``: anybody may submit it, without a token.
        - ``allow``: a predicate on the caller's claims.

        Raises ``ConfigurationError`` when the function or an option cannot be used.
        """

        def register(function: F) -> F:
            where = where_to_run(function, run_in)
            self.registry.add(
                Task(
                    name=name or function.__name__,
                    function=function,
                    signature=Signature(function),
                    policy=policy(
                        retries=retries,
                        backoff=backoff,
                        backoff_max=backoff_max,
                        timeout=timeout,
                        lease=lease,
                        retention=retention,
                        concurrency=concurrency,
                        concurrency_per_key=concurrency_per_key,
                        rate_per_key=rate_per_key,
                        resumable=resumable,
                    ),
                    run_in=where,
                    retry_on=retry_on if isinstance(retry_on, tuple) else (retry_on,),
                    key=key,
                    priority=priority,
                    idempotency_required=idempotency_key,
                    public=public,
                    allow=allow,
                    max_result=max_result,
                    cancel_grace=seconds(cancel_grace),
                    description=inspect.getdoc(function) or "",
                )
            )
            return function

        return register if function is None else register(function)

    def on(
        self, event_type: str, /, *, name: str | None = None, **options: Any
    ) -> Callable[[F], F]:
        """Register a handler of emitted events whose type matches; ``*`` stands for any text.

        The function takes the ``CloudEvent`` (and the ``Operation``, if it wants). Each handler
        of each event is an operation of its own: run at least once, retried by its own
        ``options`` (those of ``task``), and belonging to whoever made the event.
        """

        def register(function: F) -> F:
            task = self._internal(function, name or f"on:{event_type}:{function.__name__}", options)
            self.registry.events.append(EventHandler(pattern=event_type, task=task))
            return function

        return register

    def on_upload(
        self,
        prefix: str = "",
        /,
        *,
        name: str | None = None,
        max_size: int | None = None,
        types: Iterable[str] = (),
        **options: Any,
    ) -> Callable[[F], F]:
        """Register a handler of uploads whose name begins with ``prefix``.

        The function takes the ``Upload`` (and the ``Operation``). Its operation exists from the
        moment the upload is declared, and starts when the bytes are complete. ``max_size`` in
        bytes and ``types`` (media types, ``image/*``) bound what is taken. The file is kept as
        long as the operation can be read: the ``retention`` among ``options``, those of ``task``.
        """

        def register(function: F) -> F:
            if any(handler.prefix == prefix for handler in self.registry.uploads):
                raise ConfigurationError(f"Two handlers take the uploads of {prefix!r}. Keep one.")
            label = re.sub(r"[^A-Za-z0-9_.-]", ".", prefix.strip("/")) or "any"
            task = self._internal(
                function,
                name or f"upload:{label}:{function.__name__}",
                options,
                unusable={"idempotency_key", "key"},
            )
            if get_type_hints(function).get(task.signature.whole or "") is not Upload:
                raise ConfigurationError(
                    f"{function.__qualname__} handles uploads, so it takes one parameter that is "
                    "annotated Upload, and the operation if it wants."
                )
            self.registry.uploads.append(
                UploadHandler(prefix=prefix, task=task, max_size=max_size, types=tuple(types))
            )
            return function

        return register

    def _internal(
        self,
        function: Callable[..., Any],
        name: str,
        options: dict[str, Any],
        unusable: Set[str] = frozenset({"public", "allow", "idempotency_key", "key"}),
    ) -> Task:
        wrong = sorted(unusable & options.keys())
        if wrong:
            raise ConfigurationError(
                f"A handler is not submitted like a task, so it takes no {', '.join(wrong)}."
            )
        other = Ringback(self.name)
        other.task(name=name, **options)(function)
        task = other.registry.tasks[name]
        task = dataclasses.replace(task, internal=True)
        self.registry.add(task)
        return task

    # Settings and life

    @property
    def settings(self) -> Settings:
        """The settings in force. Raises ``ConfigurationError`` for wrong ones."""
        if self._settings is None:
            self._settings = Settings.load(**self._given)
        return self._settings

    @property
    def development(self) -> bool:
        """Whether no caller can be known: there is neither a key nor ``authenticate``."""
        return self.settings.development and self._authenticate is None

    def configure(self, **settings: Any) -> None:
        """Change settings before the start; None leaves one as it is."""
        if self._running is not None:
            raise ConfigurationError("The application runs; configure it before it is started.")
        self._given |= {name: value for name, value in settings.items() if value is not None}
        self._settings = None

    @asynccontextmanager
    async def running(
        self, *, worker: bool | None = None, engine: FullEngine | None = None
    ) -> AsyncIterator[Running]:
        """Run the application while the context lasts: store, hub and, unless told, a worker."""
        if self._running is not None:
            raise ConfigurationError(f"{self.name} runs already in this process.")
        settings = self.settings
        if worker is None:
            worker = settings.workers is None
        async with AsyncExitStack() as stack:
            opened = await stack.enter_async_context(
                engine if engine is not None else open_engine(settings)
            )
            service = Service(
                self.name,
                opened,
                self.registry,
                settings,
                clock=self._clock,
                authorize=self._authorize,
                development=self.development,
            )
            await service.start()
            await opened.set_fact(catalogue.FACT, catalogue.write(self.registry))
            hub = Hub(opened)
            stack.callback(hub.close)
            uploads = Uploads(service)
            started = None
            if worker:
                started = Worker(service, chores=uploads.chores)
                await started.start()
                stack.push_async_callback(started.stop, settings.grace)
            http = HttpEdge(service, hub, uploads, self._authenticate)
            self._running = Running(service, hub, uploads, started, http)
            self.asgi.serve(self._running)
            try:
                yield self._running
            finally:
                self.asgi.withdraw()
                self._running = None

    @property
    def started(self) -> Running:
        """The running application. Raises ``ConfigurationError`` when it does not run."""
        if self._running is None:
            raise ConfigurationError(
                f"{self.name} is not running. Serve it, or use `async with rb.running():`."
            )
        return self._running

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """For the host application: ``FastAPI(lifespan=rb.lifespan)``."""
        async with AsyncExitStack() as stack:
            if self._running is None:  # else whoever serves the host has started it
                await stack.enter_async_context(self.running())
            yield

    # Using it from Python

    async def submit(
        self,
        task: str,
        input: Any = None,
        *,
        subject: str | None = None,
        key: str | None = None,
        start_at: float | None = None,
        traceparent: str | None = None,
    ) -> OperationState:
        """Submit from Python, as ``POST /tasks/{task}`` does; returns the stored operation.

        ``input`` is anything that has a JSON form; ``start_at`` is seconds since the epoch.
        """
        service = self.started.service
        accepted = await service.submit(
            service.registry.submitted(task),
            to_json_bytes({} if input is None else input),
            Claims(subject=subject) if subject is not None else ANONYMOUS,
            key=key,
            start_at=start_at,
            traceparent=traceparent,
        )
        return accepted.operation

    async def get(self, operation: str) -> OperationState:
        """An operation as it stands; from Python there is no question of who asks."""
        return await self.started.service.engine.load(operation)

    async def wait(self, operation: str, timeout: Seconds | None = None) -> OperationState:
        """An operation once it has ended. Raises ``TimeoutError`` after ``timeout`` seconds."""
        engine, limit = self.started.service.engine, None if timeout is None else seconds(timeout)
        return await wait_until_terminal(self.started.hub, engine, operation, limit)

    async def publish(self, topic: str, data: Any) -> Position:
        """Publish a message to a topic; returns its position."""
        return await self.started.service.publish(topic, data)
