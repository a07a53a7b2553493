"""The composition root: an application's tasks, its settings, an engine and the edges.

``Ringback`` is what users import. It is declared at module level, costs nothing until it is
started, and is started by ``ringback run``, by the lifespan of the ASGI application it is
mounted in, or by ``async with rb.running():`` in a script or a test.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

import msgspec

from ringback.core.access import ANONYMOUS, Claims
from ringback.core.model import OperationState, Status
from ringback.edges.asgi import AsgiApp
from ringback.edges.http import HttpEdge
from ringback.edges.http.gate import Authenticate
from ringback.edges.mercure import MercureEdge
from ringback.edges.websocket import WebSocketEdge
from ringback.errors import ConfigurationError, OperationCancelled, TaskFailed
from ringback.home import note, open_engine
from ringback.hub import Hub, sending, wait_until_terminal
from ringback.ids import Clock, wall
from ringback.ports import FullEngine
from ringback.service import Authorize, Service
from ringback.settings import Settings
from ringback.tasks import catalogue
from ringback.tasks.events import CloudEvent
from ringback.tasks.inputs import encode
from ringback.tasks.options import (
    HandlerOptions,
    Seconds,
    TaskOptions,
    UploadOptions,
    check_takes,
    declare,
    label,
    seconds,
)
from ringback.tasks.registry import EventHandler, Registry, UploadHandler
from ringback.tasks.topics import Published, Topic, TopicOptions
from ringback.uploads import Upload, Uploads

if TYPE_CHECKING:
    from ringback.lambdas.handler import LambdaHandler
    from ringback.worker.worker import Worker

F = TypeVar("F", bound=Callable[..., Any])
log = logging.getLogger("ringback")

PROBLEM_MEMBERS = frozenset({"type", "title", "status", "detail", "instance", "attempt"})
"""What every problem of an operation has (RFC 9457 §3.1, and the attempt)."""


@dataclasses.dataclass(frozen=True)
class Running:
    """A started application: its parts, for whoever drives it."""

    service: Service
    hub: Hub
    uploads: Uploads
    worker: Worker | None
    http: HttpEdge
    websocket: WebSocketEdge


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

        ``authenticate`` takes a request's headers and returns ``Claims``, or None for an anonymous
        caller; it replaces the verification of JWTs. ``authorize`` takes an action, claims, and
        the task or operation it is about; it replaces the rules of ``ringback.core.access``. Both
        may be async. Further arguments are settings; see ``ringback.settings.Settings``.
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

    @overload
    def task(
        self, function: None = None, /, *, name: str | None = None, **options: Unpack[TaskOptions]
    ) -> Callable[[F], F]: ...

    def task(
        self, function: F | None = None, /, *, name: str | None = None, **options: Any
    ) -> F | Callable[[F], F]:
        """Register a function as a task; ``@rb.task`` and ``@rb.task(…)`` both work.

        ``name`` is that of ``POST /tasks/{name}``; the function's own by default. ``options``
        are those of ``ringback.tasks.options.TaskOptions``: retries, timeout, lease,
        concurrency, … each is explained there.

        Raises ``ConfigurationError`` when the function or an option cannot be used.
        """

        def register(function: F) -> F:
            self.registry.add(declare(function, name, options))
            return function

        return register if function is None else register(function)

    def on(
        self, event_type: str, /, *, name: str | None = None, **options: Unpack[HandlerOptions]
    ) -> Callable[[F], F]:
        """Register a handler of emitted events whose type matches; ``*`` stands for any text.

        The function takes the ``CloudEvent`` (and the ``Operation``, if it wants). Each handler
        of each event is an operation of its own: run at least once, retried by its own
        ``options`` (``ringback.tasks.options.HandlerOptions``), and belonging to whoever made
        the event.
        """

        def register(function: F) -> F:
            task = declare(
                function, name or label("on", event_type, function), options, HandlerOptions
            )
            check_takes(task, CloudEvent, "handles events")
            self.registry.add(task)
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
        **options: Unpack[UploadOptions],
    ) -> Callable[[F], F]:
        """Register a handler of uploads whose name begins with ``prefix``.

        The function takes the ``Upload`` (and the ``Operation``). Its operation exists from the
        moment the upload is declared, and starts when the bytes are complete. ``max_size`` in
        bytes and ``types`` (media types, ``image/*``) bound what is taken. The file is kept as
        long as the operation can be read: the ``retention`` among ``options``, which are those of
        ``ringback.tasks.options.UploadOptions``.
        """

        def register(function: F) -> F:
            if any(handler.prefix == prefix for handler in self.registry.uploads):
                raise ConfigurationError(f"Two handlers take the uploads of {prefix!r}. Keep one.")
            task = declare(
                function, name or label("upload", prefix, function), options, UploadOptions
            )
            check_takes(task, Upload, "handles uploads")
            self.registry.add(task)
            self.registry.uploads.append(
                UploadHandler(prefix=prefix, task=task, max_size=max_size, types=tuple(types))
            )
            return function

        return register

    def topic(self, pattern: str, /, **options: Unpack[TopicOptions]) -> Topic:
        """Declare topics: ``questions/{cell}`` stands for one for each cell.

        ``options`` say what is kept of their messages, and who may follow and publish
        (``ringback.tasks.topics.TopicOptions``). Where several declarations match a topic, the
        first counts. Raises ``ConfigurationError``.
        """
        self.registry.add_topic(pattern, options)
        return Topic(pattern, self.publish)

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

    @property
    def decides(self) -> bool:
        """Whether the application says by itself who is asking, or who may."""
        return self._authenticate is not None or self._authorize is not None

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
        worker = settings.workers is None if worker is None else worker
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
            await note(opened, catalogue.FACT, catalogue.write(self.registry))
            if not settings.io_uring:
                sending.avoid()
            hub = Hub(opened, service.publisher.topics)
            stack.callback(hub.close)
            service.revocations.listen(lambda covers: hub.ring_all())
            stack.callback(service.revocations.follow())
            uploads = Uploads(service)
            started = None
            if worker:
                from ringback.worker.worker import Worker

                started = Worker(service, chores=uploads.chores)
                await started.start()
                stack.push_async_callback(started.stop, settings.grace)
            http = HttpEdge(service, hub, uploads, self._authenticate)
            if settings.mercure:
                http.beside = MercureEdge(service, hub, http)
            websocket = WebSocketEdge(service, hub, http)
            self._running = Running(service, hub, uploads, started, http, websocket)
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
                await stack.enter_async_context(self.hosted())
            yield

    def hosted(self) -> AbstractAsyncContextManager[Running]:
        """The same as ``running``, under a server that starts no processes for the work."""
        if self.settings.workers:
            log.warning(
                "workers=%d is for `ringback run`, which starts them. Under another server none "
                "is started and no work is done: run `ringback worker` beside it, or leave "
                "workers out and the work is done in this process.",
                self.settings.workers,
            )
        return self.running()

    def lambda_handler(self, app: Any = None) -> LambdaHandler:
        """The handler of every function on AWS Lambda; ``app``: what this one is mounted in."""
        from ringback.lambdas.handler import LambdaHandler

        return LambdaHandler(self, app)

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
            encode(input),
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

    async def result(self, operation: str, timeout: Seconds | None = None) -> Any:
        """What an operation returned, decoded from its JSON, once it has ended.

        Raises ``OperationCancelled`` if it was cancelled, ``TaskFailed`` with the detail and the
        further fields of its problem if it failed, and ``TimeoutError`` after ``timeout`` seconds.
        """
        state = await self.wait(operation, timeout)
        if state.status is Status.SUCCEEDED:
            return msgspec.json.decode(state.result or b"null")
        if state.status is Status.CANCELLED:
            raise OperationCancelled(f"{operation} was cancelled.")
        problem = msgspec.json.decode(state.error or b"{}", type=dict[str, Any])
        # A task that lets this pass fails with it: then what kind of problem it is, and in which
        # attempt, is to be that task's own.
        own = {name: problem[name] for name in problem.keys() - PROBLEM_MEMBERS}
        raise TaskFailed(problem.get("detail"), **own)

    async def cancel(self, operation: str) -> OperationState:
        """Ask an operation to stop; it may still succeed. Idempotent."""
        service = self.started.service
        return await service.cancel(await service.engine.load(operation))

    async def redrive(self, operation: str) -> OperationState:
        """Do a dead letter's work again; the new operation.

        Raises ``TransitionError`` for an operation that is none.
        """
        service = self.started.service
        return await service.again(await service.engine.load(operation))

    def token(self, operation: OperationState) -> str:
        """The token of one operation: whoever has it may follow and cancel it.

        For a route of the host that submits and hands the operation to its caller, who shows it
        as ``Authorization: Bearer``, or as ``?token=`` where no header can be set (EventSource).
        """
        return self.started.service.tokens.make(operation)

    async def revoke(self, *, subject: str | None = None, operation: str | None = None) -> None:
        """End what tokens allow: those of a subject that were issued until now, or an operation's.

        Requests with them are refused from now on, in every process, and open connections are
        cut. A subject's fresh token is good.
        """
        if (subject is None) == (operation is None):
            raise ConfigurationError("Name either a subject or an operation to revoke.")
        await self.started.service.revocations.revoke(subject=subject, operation=operation)

    async def publish(self, topic: str, data: Any) -> Published:
        """Publish a message to a topic: from a route, a script, a handler.

        The answer says where it stands, and whether anybody was listening. Raises
        ``UnknownTopic`` for one that is not declared, ``InvalidInput`` for what its model does
        not fit, ``PayloadTooLarge``, and ``StoreUnavailable``.
        """
        running = self.started
        publisher = running.service.publisher
        (position,) = await publisher.publish([publisher.publication(topic, data)])
        return Published(topic, position, running.hub.listeners(topic))
