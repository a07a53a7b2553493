"""Worker processes beside a server: started, started again when they die, stopped with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence

from ringback.settings import Settings
from ringback.worker.worker import STOP_GRACE

DEAF = ("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh") if os.name == "posix" else ()
"""Starts a process that does not hear Ctrl-C before it listens for it: a terminal sends it to all
of its processes, and one that is still importing would end with a traceback."""
RESTART_FIRST = 0.2
"""Seconds before a worker that died is replaced; doubles with each that dies young."""
RESTART_MAX = 15.0
"""Seconds between two starts at most: one that cannot start costs little, and comes back soon
after what kept it is mended."""
HEALTHY_AFTER = 10.0
"""Seconds after which a worker counts as having started well."""
LAST_GRACE = 5.0
"""Seconds beyond those a worker's drain may take, before it is killed."""

log = logging.getLogger("ringback.supervisor")


class Supervisor:
    """Keeps a number of worker processes running."""

    def __init__(self, command: Sequence[str], count: int, *, grace: float) -> None:
        """``command`` runs one worker. ``grace``: seconds in which it drains."""
        self._command = command
        self._count = count
        self._limit = grace + STOP_GRACE + LAST_GRACE
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [process.pid for process in self._processes.values() if process.returncode is None]

    async def start(self) -> None:
        """Start them all."""
        for number in range(1, self._count + 1):
            await self._spawn(number)
            keeper = asyncio.get_running_loop().create_task(self._keep(number))
            self._keepers.append(keeper)

    async def stop(self) -> None:
        """Have them drain; kill those that take too long."""
        self._stopping.set()
        for process in self._processes.values():
            _terminate(process)
        if not self._keepers:
            return
        _, late = await asyncio.wait(self._keepers, timeout=self._limit)
        if late:
            log.warning("Killing workers that did not stop within %g s.", self._limit)
            self.kill()
        await asyncio.gather(*self._keepers)

    def kill(self) -> None:
        """End them at once; their operations go on elsewhere when the leases are over."""
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def _spawn(self, number: int) -> None:
        # Standard input tells the child when this process is gone: then the pipe has an end.
        process = await asyncio.create_subprocess_exec(
            *DEAF, *self._command, stdin=asyncio.subprocess.PIPE
        )
        self._processes[number] = process
        if self._stopping.is_set():
            _terminate(process)

    async def _keep(self, number: int) -> None:
        pause = RESTART_FIRST
        started = time.monotonic()
        while True:
            process = self._processes[number]
            status = await process.wait()
            if self._stopping.is_set():
                return
            if time.monotonic() - started > HEALTHY_AFTER:
                pause = RESTART_FIRST
            log.warning(
                "Worker %d (process %d) %s; another starts in %g s.",
                number,
                process.pid,
                ended(status),
                pause,
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
                    return
            pause = min(pause * 2, RESTART_MAX)
            started = time.monotonic()
            try:
                await self._spawn(number)
            except OSError as error:  # no memory or no processes left, for the moment
                log.error("Worker %d cannot be started: %s", number, error)


def _terminate(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()


def ended(status: int) -> str:
    """How a process ended, in words."""
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def worker_command(target: str, settings: Settings, log_level: str) -> list[str]:
    """The command of one supervised worker for ``module:attribute``.

    What the environment or a settings file says, it reads itself; what was given in code or on
    the command line of this process, it is given too.
    """
    store = ["--engine", settings.engine] if settings.engine else []
    return [
        sys.executable,
        "-m",
        "ringback",
        "worker",
        target,
        "--supervised",
        f"--data={settings.data.resolve()}",
        *store,
        f"--concurrency={settings.concurrency}",
        f"--grace={settings.grace:g}",
        f"--log-level={log_level}",
    ]
