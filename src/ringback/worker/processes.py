"""Processes for CPU-heavy functions, seen from the worker: kept warm, one run at a time, killable.

A thread of the worker speaks with each that runs something; ``child`` is the other end.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
from typing import Any

from ringback.errors import ProcessDied
from ringback.tasks.operation import Channel
from ringback.worker.child import Job, serve
from ringback.worker.failures import Failure
from ringback.worker.threads import in_thread

EXIT_LIMIT = 1.0
"""Seconds to wait for the exit status of a process whose pipe has ended."""

_spawn = multiprocessing.get_context("spawn")


class _Child:
    """One process, and the pipe to it."""

    def __init__(self) -> None:
        """Start it. Raises ``OSError`` when there is no memory or no process left."""
        self._connection, theirs = _spawn.Pipe()
        life, self._life = _spawn.Pipe(duplex=False)
        self._cancelled: ctypes.c_uint64 = _spawn.RawValue(ctypes.c_uint64, 0)
        self._number = 0
        # No daemon in multiprocessing's sense, which could not use multiprocessing itself.
        self._process = _spawn.Process(
            target=serve, args=(theirs, life, self._cancelled), name="ringback-task", daemon=False
        )
        try:
            self._process.start()
        finally:
            theirs.close()
            life.close()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def cancel(self) -> None:
        """Tell the function that runs, or is about to, that it is to stop."""
        self._cancelled.value = self._number

    def next_run(self) -> int:
        """The number of the run that begins."""
        self._number += 1
        return self._number

    def run(self, job: Job, channel: Channel) -> bytes | Failure:
        """Run one job; in a thread. Raises ``ProcessDied``."""
        try:
            self._connection.send(("run", job))
            while True:
                match self._connection.recv():
                    case ("progress", fraction, message):
                        channel.progress(fraction, message)
                    case ("call", method, arguments):
                        failure = _call(channel, method, arguments)
                        self._connection.send(("reply", failure))
                    case (_, bytes() | Failure() as outcome):
                        return outcome
        except (EOFError, OSError) as broken:
            self.kill()
            self._process.join(EXIT_LIMIT)
            raise ProcessDied(exit_code=self._process.exitcode) from broken

    def kill(self) -> None:
        """End it, and what it has started."""
        try:
            if self._process.exitcode is not None or self._process.pid is None:
                return  # long gone: its number may be another's
        except ValueError:  # closed meanwhile
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has just been started, and leads no group yet
            self._process.kill()

    def close(self) -> None:
        """End it, and let go of all its pipes. Not while ``run`` runs."""
        self.kill()
        self._process.join(EXIT_LIMIT)
        self._connection.close()
        self._life.close()
        with contextlib.suppress(ValueError):  # it has not ended yet: the collector sees to it
            self._process.close()


def _call(channel: Channel, method: str, arguments: tuple[Any, ...]) -> Failure | None:
    try:
        channel.call(method, *arguments)
    except BaseException as error:
        return Failure.of(error)
    return None


class Execution:
    """One run in a process."""

    def __init__(self, pool: ProcessPool, job: Job, channel: Channel) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._cancelled = False
        self._killed = False
        self.result = in_thread(f"ringback-{channel.task}", lambda: self._work(job, channel))
        """What the function returns, as JSON. Raises what it raises, or ``ProcessDied``."""

    def cancel(self) -> None:
        """Tell the function that it is to stop."""
        with self._lock:
            self._cancelled = True
            if self._child is not None:
                self._child.cancel()

    def kill(self) -> None:
        """Stop the function, whatever it does."""
        with self._lock:
            self._killed = True
            if self._child is not None:
                self._child.kill()

    def _work(self, job: Job, channel: Channel) -> bytes:
        child = self._pool.take()
        reusable = False
        try:
            with self._lock:
                if self._killed:
                    raise ProcessDied
                self._child = child
                job = job._replace(number=child.next_run())
                if self._cancelled:
                    child.cancel()
            outcome = child.run(job, channel)
            reusable = True
        finally:
            with self._lock:
                self._child = None
                reusable = reusable and not self._killed
            self._pool.give_back(child, reusable=reusable)
        if isinstance(outcome, Failure):
            raise outcome.error()
        return outcome


class ProcessPool:
    """The processes of one worker."""

    def __init__(self, size: int) -> None:
        """``size``: how many are kept warm."""
        self._size = size
        self._idle: list[_Child] = []
        self._children: set[_Child] = set()
        self._lock = threading.Lock()
        self._closed = False

    def start(self, job: Job, channel: Channel) -> Execution:
        """Run a job; on the event loop."""
        return Execution(self, job, channel)

    def take(self) -> _Child:
        """A child with nothing to do; one is started if need be. Raises ``ProcessDied``."""
        while True:
            with self._lock:
                if not self._idle:
                    break
                child = self._idle.pop()
            if child.alive:
                return child
            self.give_back(child, reusable=False)
        try:
            child = _Child()  # outside the lock: starting one takes a while
        except OSError as error:
            raise ProcessDied(f"No process can be started: {error}.") from error
        with self._lock:
            if not self._children:
                # multiprocessing waits for its processes at the interpreter's exit.
                atexit.register(self.close)
            self._children.add(child)
            closed = self._closed
        if closed:
            self.give_back(child, reusable=False)
            raise ProcessDied
        return child

    def give_back(self, child: _Child, *, reusable: bool) -> None:
        """Keep a child for other runs, or end it."""
        with self._lock:
            if reusable and not self._closed and len(self._idle) < self._size:
                self._idle.append(child)
                return
            self._children.discard(child)
        child.close()

    def close(self) -> None:
        """End all children: idle ones at once, and with the others the runs they are in."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            self._children.difference_update(idle)
            busy = tuple(self._children)  # who is killed is taken out of the set by its thread
        atexit.unregister(self.close)
        for child in busy:
            with contextlib.suppress(OSError):
                child.kill()
        for child in idle:
            child.close()
