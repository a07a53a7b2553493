"""Real servers for tests: one in this process, or one in a process of its own.

`serve` runs an application on a free port of this event loop. `ServerProcess` runs one in a
process that can be killed with SIGKILL and started again on the same port. Started as a
program (`python -m tests.serving module:attribute`), this file is that process.

What does not belong here: anything about what an application does.
"""

import argparse
import asyncio
import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import uvicorn

from ringback.edges.asgi import AsgiApp
from ringback.serve.protocol import speaking_for
from tests.ports import free_port
from tests.waiting import START_LIMIT as START_LIMIT
from tests.waiting import until as until

ROOT = Path(__file__).resolve().parent.parent
STOP_LIMIT = 2
"""Seconds a stopping server waits for its connections, so that a forgotten stream ends a test
with a failure of its own and not with its time-out."""
READY = "ready "
"""What the server process prints before its URL."""


def asgi_of(application: Any) -> Any:
    """The ASGI application of a `Ringback`, or the application itself."""
    return getattr(application, "asgi", application)


def spoken(application: Any) -> Any:
    """The protocol that `ringback run` would have uvicorn speak."""
    app = asgi_of(application)
    return speaking_for(app) if isinstance(app, AsgiApp) else "httptools"


def listener(port: int = 0) -> socket.socket:
    """A socket that listens on loopback; on any free port for 0."""
    # The protocol by name: asyncio sends without delay only where it reads TCP (40 ms an answer).
    bound = socket.socket(proto=socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    bound.listen(2048)
    return bound


async def forgetful(
    url: object, limit: int = 4096
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection for which little is kept while it does not read: by default the system may
    keep tens of megabytes, and then nobody is behind.
    """
    at = urlsplit(str(url))
    made = socket.socket(proto=socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    made.setblocking(False)
    await asyncio.get_running_loop().sock_connect(made, (at.hostname, at.port))
    return await asyncio.open_connection(sock=made, limit=limit)


class _Server(uvicorn.Server):
    """A server that leaves the signals of the test run alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serve(application: Any, **options: Any) -> AsyncIterator[str]:
    """Serve a `Ringback` or any ASGI application from this event loop; yields its URL.

    `options` are uvicorn's; without `http`, it is served as `ringback run` serves it. The
    application's lifespan runs, and an error in it fails the test.
    """
    settings: dict[str, Any] = {
        "http": spoken(application),
        "log_config": None,
        "lifespan": "on",
        "timeout_graceful_shutdown": STOP_LIMIT,
        **options,
    }
    server = _Server(uvicorn.Config(asgi_of(application), **settings))
    bound = listener()
    running = asyncio.ensure_future(_run(server, bound))
    try:
        await until(lambda: server.started or running.done(), START_LIMIT)
        if not server.started:
            raise RuntimeError("The application did not start; its log says why.")
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
        bound.close()


async def _run(server: uvicorn.Server, bound: socket.socket) -> None:
    # uvicorn exits the program when an application cannot start; here that fails a test.
    with contextlib.suppress(SystemExit):
        await server.serve(sockets=[bound])


class ServerProcess:
    """A server in a process of its own, with its logs in a file.

    `application` is `module:attribute`, importable from the repository's root or from one of
    `paths`; the attribute is a `Ringback` or an ASGI application. `data` is the folder of its
    store, `settings` are further ones, by name. As a context manager it starts, and at the end
    is killed if it still runs.
    """

    def __init__(
        self,
        application: str,
        *,
        data: Path,
        port: int | None = None,
        paths: tuple[Path, ...] = (),
        environment: Mapping[str, str] | None = None,
        **settings: object,
    ) -> None:
        self.application = application
        self.data = data
        self.port = port or free_port()
        self.log = data.parent / f"{data.name}.log"
        self._environment = {
            **os.environ,
            **(environment or {}),
            "PYTHONPATH": os.pathsep.join(str(path) for path in (*paths, ROOT, ROOT / "src")),
            "RINGBACK_DATA": str(data),
            **{f"RINGBACK_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it listens, once it was started; the same after a restart."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._running().pid

    @property
    def output(self) -> str:
        """All it has printed and logged so far, over restarts."""
        return self.log.read_text("utf-8", "replace")

    def start(self) -> None:
        """Start it, again if need be, and wait until it answers."""
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.serving", self.application, str(self.port)],
                cwd=ROOT,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        output = self._process.stdout
        line = output.readline() if output is not None else ""
        if not line.startswith(READY):
            self._process.wait()
            raise RuntimeError(f"{self.application} did not start:\n{self.output}")
        self.port = int(line.rpartition(":")[2])

    def kill(self) -> None:
        """End it as a power cut does: SIGKILL, to the processes it started too."""
        process = self._running()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        self._reap(process)

    def stop(self, limit: float = 30.0) -> int:
        """Ask it to stop (SIGTERM), wait until it has, and return its exit status; 0 is orderly."""
        process = self._running()
        process.terminate()
        try:
            return process.wait(limit)
        finally:
            self.kill()

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            raise RuntimeError("The server was not started.")
        return self._process

    def _reap(self, process: "subprocess.Popen[str]") -> None:
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.kill()


class _ToldServer(uvicorn.Server):
    """A server that says on standard output that it answers now."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            sys.stdout.write(f"{READY}http://127.0.0.1:{sockets[0].getsockname()[1]}\n")
            sys.stdout.flush()
            os.dup2(2, 1)  # what is logged on standard output belongs into the file, too


def main() -> None:
    """Serve `module:attribute` on a port; 0: any free one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("application")
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    module, _, attribute = arguments.application.partition(":")
    application = asgi_of(getattr(importlib.import_module(module), attribute))
    http = spoken(application)
    config = uvicorn.Config(application, http=http, lifespan="on", log_level="debug")
    # uvicorn stops in order, then raises the signal again for whoever had it before: for this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = _ToldServer(config)
    server.run(sockets=[listener(arguments.port)])
    raise SystemExit(0 if server.started else 3)


if __name__ == "__main__":
    main()
