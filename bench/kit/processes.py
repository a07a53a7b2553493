"""Child processes: pinned to a core, in a session of their own, and always ended.

Each child leads a process group. Ending it signals the group, so what it forked goes too, and
the kernel kills the child if the benchmark itself is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from bench.kit.errors import NotRun
from bench.kit.paths import ROOT

SERVER_CORE = 0
LOAD_CORE = 1
AVAILABLE = os.sched_getaffinity(0)  # before the benchmark pins itself
START_TIMEOUT_S = 30.0  # FastAPI and Celery import for seconds when the cache is cold
STOP_TIMEOUT_S = 3.0  # then SIGKILL: no data of a benchmark is worth waiting for
POLL_S = 0.02
LOG_TAIL_LINES = 1
PR_SET_PDEATHSIG = 1
MAX_FILES = 65536  # servers that make a table of this size must not make one of 2**30

_libc = ctypes.CDLL(None, use_errno=True)


def core(wanted: int) -> set[int]:
    """The core asked for, or everything where this machine has only one."""
    return {wanted} if wanted in AVAILABLE else AVAILABLE


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(kw_only=True)
class Child:
    """One started process and what is needed to end it."""

    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals

    def log_tail(self) -> str:
        """The last lines it wrote, for the table's "not run" text."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " ".join(lines[-LOG_TAIL_LINES:]) or "it wrote nothing"

    def stop(self) -> None:
        """Ask, wait a little, kill; and kill whatever of its group is left."""
        if self.process.poll() is None:
            self._signal(self.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_TIMEOUT_S)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


@dataclass
class Children:
    """The children of one run; leaving the block ends them all, newest first."""

    folder: Path
    # Where stores run: beside the server, unless a run asks what a core more would change.
    store_core: int = SERVER_CORE
    started: list[Child] = field(default_factory=list)

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self.started:
            self.started.pop().stop()

    def start(
        self,
        argv: Sequence[str | Path],
        *,
        name: str,
        on_core: int = SERVER_CORE,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> Child:
        """Start a process with its threads and children pinned to one core.

        `stop_signal` is what asks it to end; `death_signal` is what the kernel sends it should
        the benchmark itself be killed.
        """
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(part) for part in argv],
                cwd=self.folder if user else ROOT,
                env=environment(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=[] if user else None,
                preexec_fn=_prepare(core(on_core), death_signal),
            )
        child = Child(process=process, log=log, stop_signal=stop_signal)
        self.started.append(child)
        return child

    def stop(self, child: Child) -> None:
        """End one child before the others."""
        self.started.remove(child)
        child.stop()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every child: the checkout importable, nothing printed late."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONHOME")}
    return {
        **inherited,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "",
        **(extra or {}),
    }


def _prepare(cores: set[int], death_signal: signal.Signals) -> Callable[[], None]:
    def before_exec() -> None:
        os.sched_setaffinity(0, cores)
        # The soft limit is often 1,024.
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MAX_FILES)), hard))
        _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)

    return before_exec


def wait_for_port(child: Child, port: int, timeout: float = START_TIMEOUT_S) -> None:
    """Return when the child accepts connections; NotRun when it ends or takes too long."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if child.process.poll() is not None:
            raise NotRun(child.log_tail())
        with socket.socket() as probe:
            probe.settimeout(POLL_S * 10)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(POLL_S)
    raise NotRun(f"port {port} did not open within {timeout:.0f} s: {child.log_tail()}")
