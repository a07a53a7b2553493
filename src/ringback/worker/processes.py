"""Processes for CPU-heavy functions: kept warm, one run at a time each, and killable.

A child imports the function by its module and name, so it has to be a function of a module.
Parent and child speak over a pipe; the child's reader ends the child when the parent is gone,
so that a killed worker leaves nothing running.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NamedTuple

from ringback.errors import ExecutionError
from ringback.tasks.operation import BlockingOperation, Channel

PROGRESS_EVERY = 0.05
"""Seconds between two progress messages over the pipe; the newest of the rest is sent later."""

_spawn = multiprocessing.get_context("spawn")


class ProcessDied(ExecutionError):
    """The process that ran the function ended without an answer: killed, out of memory, crashed."""

    code = "process-died"
    title = "Process died"


class RemoteError(Exception):
    """An exception of the child that could not be pickled; it has its text and traceback."""


class Job(NamedTuple):
    """What the parent sends for a run."""

    module: str
    function: str
    arguments: dict[str, Any]
    operation: str | None
    facts: dict[str, Any]


# In the child


class PipeChannel:
    """A blocking handle's way from its process to the worker."""

    def __init__(self, connection: Connection, facts: dict[str, Any]) -> None:
        self._connection = connection
        self._sent_at = 0.0
        self._unsent: tuple[float | None, str | None] | None = None
        self._cancelled = threading.Event()
        self.replies: SimpleQueue[BaseException | None] = SimpleQueue()
        self.id: str = facts["id"]
        self.task: str = facts["task"]
        self.attempt: int = facts["attempt"]
        self.subject: str | None = facts["subject"]
        self.traceparent: str = facts["traceparent"]
        self.earlier_parts: Sequence[Any] = facts["earlier_parts"]

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        self._cancelled.set()

    def progress(self, fraction: float | None, message: str | None) -> None:
        if self._unsent is not None:
            fraction = self._unsent[0] if fraction is None else fraction
            message = self._unsent[1] if message is None else message
        self._unsent = (fraction, message)
        if time.monotonic() - self._sent_at >= PROGRESS_EVERY:
            self._flush()

    def _flush(self) -> None:
        if self._unsent is not None:
            self._connection.send(("progress", *self._unsent))
            self._unsent = None
            self._sent_at = time.monotonic()

    def call(self, method: str, *arguments: Any) -> None:
        self._flush()
        self._connection.send(("call", method, arguments))
        error = self.replies.get()
        if error is not None:
            raise error

    def finish(self, message: tuple[Any, ...]) -> None:
        self._flush()
        self._connection.send(message)


def serve(connection: Connection) -> None:
    """The child's main: run what comes, until the parent goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, which drains
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    jobs: SimpleQueue[tuple[Job, PipeChannel]] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, jobs), daemon=True).start()
    while True:
        job, channel = jobs.get()
        channel.finish(_run(job, channel))


def _listen(connection: Connection, jobs: SimpleQueue[tuple[Job, PipeChannel]]) -> None:
    channel: PipeChannel | None = None
    try:
        while True:
            match connection.recv():
                case ("run", job):
                    channel = PipeChannel(connection, job.facts)
                    jobs.put((job, channel))
                case ("cancel",):
                    if channel is not None:
                        channel.cancel()
                case ("reply", error):
                    if channel is not None:
                        channel.replies.put(error)
    except (EOFError, OSError):
        os._exit(1)  # the worker is gone: whatever runs here no longer counts


def _run(job: Job, channel: PipeChannel) -> tuple[Any, ...]:
    try:
        function: Any = importlib.import_module(job.module)
        for name in job.function.split("."):
            function = getattr(function, name)
        arguments = dict(job.arguments)
        if job.operation is not None:
            arguments[job.operation] = BlockingOperation(channel)
        result = function(**arguments)
        pickle.dumps(result)
        return ("result", result)
    except BaseException as error:
        text = traceback.format_exc()
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        except Exception:  # whatever its reduction raises
            error = RemoteError(f"{type(error).__name__}: {error}")
        return ("error", error, text)


# In the worker


class _Child:
    """One process and the pipe to it."""

    def __init__(self) -> None:
        self.connection, theirs = _spawn.Pipe()
        self._sending = threading.Lock()
        self.process = _spawn.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def send(self, message: tuple[Any, ...]) -> None:
        with self._sending:
            self.connection.send(message)

    def kill(self) -> None:
        with contextlib.suppress(ValueError, OSError):
            self.process.kill()

    def run(self, job: Job, channel: Channel) -> Any:
        """Run one job; in a thread. Raises what the function raised, or ``ProcessDied``."""
        try:
            self.send(("run", job))
            while True:
                match self.connection.recv():
                    case ("progress", fraction, message):
                        channel.progress(fraction, message)
                    case ("call", method, arguments):
                        self.send(("reply", _outcome(channel, method, arguments)))
                    case ("result", result):
                        return result
                    case ("error", error, text):
                        error.add_note(f"In the process:\n{text}")
                        raise error
        except (EOFError, OSError) as broken:
            self.process.join(1.0)
            raise ProcessDied(exit_code=self.process.exitcode) from broken

    @property
    def usable(self) -> bool:
        return self.process.is_alive()


def _outcome(channel: Channel, method: str, arguments: tuple[Any, ...]) -> BaseException | None:
    try:
        channel.call(method, *arguments)
    except BaseException as error:
        return error
    return None


class ProcessPool:
    """Warm children; as many as run at once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._idle: list[_Child] = []
        self._busy: dict[str, _Child] = {}
        self._lock = threading.Lock()

    async def run(
        self,
        function: Callable[..., Any],
        arguments: dict[str, Any],
        operation: str | None,
        channel: Channel,
    ) -> Any:
        """Run a function in a child. Cancelling kills the child."""
        job = Job(
            function.__module__,
            function.__qualname__,
            arguments,
            operation,
            {
                "id": channel.id,
                "task": channel.task,
                "attempt": channel.attempt,
                "subject": channel.subject,
                "traceparent": channel.traceparent,
                "earlier_parts": list(channel.earlier_parts),
            },
        )
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()

        def finish(result: Any, error: BaseException | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)

        def work() -> None:
            result, error = None, None
            try:
                child = self._take(channel.id)
                try:
                    result = child.run(job, channel)
                finally:
                    self._give_back(channel.id, child)
            except BaseException as raised:
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(finish, result, error)

        threading.Thread(target=work, name=f"ringback-process-{channel.id}", daemon=True).start()
        try:
            return await done
        except asyncio.CancelledError:
            self.kill(channel.id)
            raise

    def cancel(self, operation: str) -> None:
        """Tell the function that it is to stop."""
        child = self._busy.get(operation)
        if child is not None:
            with contextlib.suppress(OSError, ValueError):
                child.send(("cancel",))

    def kill(self, operation: str) -> None:
        """Stop the function, whatever it does."""
        child = self._busy.get(operation)
        if child is not None:
            child.kill()

    def close(self) -> None:
        """Kill all children."""
        with self._lock:
            children = [*self._idle, *self._busy.values()]
            self._idle.clear()
        for child in children:
            child.kill()

    def _take(self, operation: str) -> _Child:
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.usable:
                    self._busy[operation] = child
                    return child
        child = _Child()  # outside the lock: starting one takes a while
        with self._lock:
            self._busy[operation] = child
        return child

    def _give_back(self, operation: str, child: _Child) -> None:
        with self._lock:
            self._busy.pop(operation, None)
            if child.usable and len(self._idle) < self._size:
                self._idle.append(child)
                return
        child.kill()
