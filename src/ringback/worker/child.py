"""A process that runs functions for a worker: its main, and its end of the pipe.

It imports a function by its module and name, and runs one at a time. It never outlives the
worker: when the pipe ends, so do this process and those it started.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from ctypes import c_uint64
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NamedTuple

from ringback import tracing
from ringback.errors import OperationCancelled
from ringback.tasks.operation import BlockingOperation
from ringback.tasks.signature import Signature
from ringback.worker.calling import arguments_of, encode
from ringback.worker.failures import Failure

PROGRESS_EVERY = 0.05
"""Seconds between two progress messages over the pipe."""


class Facts(NamedTuple):
    """What the handle knows by itself."""

    id: str
    task: str
    attempt: int
    subject: str | None
    traceparent: str
    earlier_parts: Sequence[Any]


class Job(NamedTuple):
    """What the worker sends for a run."""

    module: str
    function: str
    input: bytes
    max_result: int
    facts: Facts
    number: int = 0
    """Which run of this process it is."""


class Pipe:
    """The pipe to the worker, for the threads of this process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._calling = threading.Lock()
        self._replies: SimpleQueue[Failure | None] = SimpleQueue()
        self._newest: tuple[float | None, str | None] | None = None
        self._merging = threading.Lock()
        self._dirty = threading.Event()
        self.running = 0
        """Which run the worker listens to. What one leaves behind, in a thread of its own, is not
        to be taken for what the next one says, which is of another operation."""
        self.jobs: SimpleQueue[Job] = SimpleQueue()

    def begin(self) -> None:
        """Start the threads that read, and that tell of progress."""
        for target in (self._listen, self._tell_progress):
            threading.Thread(target=target, daemon=True).start()

    def ended(self, outcome: tuple[Any, ...]) -> None:
        """It is over: send what came of it, and nothing more of it."""
        with self._sending:
            self._send(outcome, last=True)

    def _send(self, message: tuple[Any, ...] = (), *, last: bool = False) -> None:
        """Send a message, after the progress made before it."""
        with self._merging:
            newest, self._newest = self._newest, None
            if last:
                self.running = 0
        if newest is not None:
            self._connection.send(("progress", *newest))
        if message:
            self._connection.send(message)

    def progress(self, run: int, fraction: float | None, message: str | None) -> None:
        """Have progress sent soon, or what is newest by then."""
        with self._merging:
            if run != self.running:
                return
            earlier = self._newest or (None, None)
            self._newest = (
                earlier[0] if fraction is None else fraction,
                earlier[1] if message is None else message,
            )
        if not self._dirty.is_set():
            self._dirty.set()

    def call(self, run: int, method: str, arguments: tuple[Any, ...]) -> None:
        """Have a method of the attempt called, and wait for it."""
        with self._calling:
            with self._sending:
                if run != self.running:
                    raise OperationCancelled
                self._send(("call", method, arguments))
            failure = self._replies.get()
        if failure is not None:
            raise failure.error()

    def _tell_progress(self) -> None:
        while True:
            self._dirty.wait()
            self._dirty.clear()
            # The worker may be gone: the other thread sees to that.
            with contextlib.suppress(OSError), self._sending:
                self._send()
            time.sleep(PROGRESS_EVERY)

    def _listen(self) -> None:
        try:
            while True:
                match self._connection.recv():
                    case ("run", job):
                        self.jobs.put(job)
                    case ("reply", failure):
                        self._replies.put(failure)
        except (EOFError, OSError):
            os.killpg(0, signal.SIGKILL)  # the worker is gone: whatever runs here no longer counts


class PipeChannel:
    """A blocking handle's way from its process to the worker."""

    def __init__(self, pipe: Pipe, job: Job, cancelled: c_uint64) -> None:
        self._pipe = pipe
        self._number = job.number
        self._cancelled = cancelled
        self.id, self.task, self.attempt, self.subject, self.traceparent, parts = job.facts
        self.earlier_parts: Sequence[Any] = parts

    @property
    def cancelled(self) -> bool:
        return self._cancelled.value == self._number or self._pipe.running != self._number

    def progress(self, fraction: float | None, message: str | None) -> None:
        self._pipe.progress(self._number, fraction, message)

    def call(self, method: str, *arguments: Any) -> None:
        self._pipe.call(self._number, method, arguments)


def serve(connection: Connection, life: Connection, cancelled: c_uint64) -> None:
    """The main of the process: run what comes, until the worker goes.

    ``cancelled`` is shared memory: the number of the run that is to stop. Nothing ever comes out
    of ``life``, but it ends with the worker.
    """
    os.setsid()  # to be ended together with what it starts; and Ctrl-C is for the worker, to drain
    _end_with(life)
    pipe = Pipe(connection)
    pipe.begin()
    while True:
        job = pipe.jobs.get()
        pipe.running = job.number
        pipe.ended(_run(job, PipeChannel(pipe, job, cancelled)))


def _end_with(life: Connection) -> None:
    """Have the kernel end this process group with the worker, though a function that holds the
    interpreter lock (a hopeless regular expression) lets no thread here notice.
    """
    if sys.platform == "linux":  # where SIGIO ends a process that does not handle it
        fcntl.fcntl(life.fileno(), fcntl.F_SETOWN, -os.getpgrp())
        flags = fcntl.fcntl(life.fileno(), fcntl.F_GETFL)
        fcntl.fcntl(life.fileno(), fcntl.F_SETFL, flags | os.O_ASYNC)


def _run(job: Job, channel: PipeChannel) -> tuple[Any, ...]:
    try:
        function, signature = _imported(job.module, job.function)
        tracing.enter(channel.traceparent)
        arguments = arguments_of(signature, job.input, BlockingOperation(channel, signature.parts))
        return ("result", encode(signature, function(**arguments), job.max_result))
    except BaseException as error:  # SystemExit too: the process is kept for other runs
        return ("failure", Failure.of(error))


@functools.cache
def _imported(module: str, name: str) -> tuple[Callable[..., Any], Signature]:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found, Signature(found)
