"""`ringback demo` as a user starts it: a server, and a worker process of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent


class Demonstration:
    """The demo, in processes of its own; restarted on the same port and store."""

    def __init__(
        self, folder: Path, show: str = "files", environment: Mapping[str, str] | None = None
    ) -> None:
        self._show = show
        self._environment = environment or {}
        self.data = folder / "data"
        self.log = folder / "demo.log"
        self.port = free_port()
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ringback", "demo", self._show, "--json"),
                    *("--port", str(self.port), "--data", str(self.data)),
                ],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        output = self._process.stdout
        line = output.readline() if output is not None else ""
        if not line.startswith("{"):
            self.kill()
            raise RuntimeError(f"The demo did not start:\n{line}{self.log.read_text()}")
        self.port = httpx.URL(json.loads(line)["url"]).port or 0

    def kill(self) -> None:
        """End all its processes as a power cut does."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    async def ask(self, told: dict[str, Any]) -> httpx.Response:
        """Ask for an operation, by what the page remembers of it."""
        async with httpx.AsyncClient(base_url=self.url) as client:
            return await client.get(
                told["links"]["self"], headers={"Authorization": f"Bearer {told['token']}"}
            )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
