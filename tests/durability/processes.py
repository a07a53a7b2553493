"""Workers in processes of their own, each in its own group, none of which outlives its test."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from ringback.core.model import Kind, Message, OperationState
from ringback.engines.sqlite import SqliteEngine
from tests.contract.acts import whole_log
from tests.durability.application import GATE, JOURNAL
from tests.durability.worker import READY
from tests.serving import ROOT, ServerProcess

APPLICATION = "tests.durability.application:rb"


class Scene:
    """The data folder, the journal and the gate of one test."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.journal = folder / "journal"
        self.gate = folder / "gate"

    @property
    def environment(self) -> dict[str, str]:
        return {
            JOURNAL: str(self.journal),
            GATE: str(self.gate),
            "RINGBACK_DATA": str(self.data),
        }

    def server(self, **settings: Any) -> ServerProcess:
        """A server, still to be started; it works only if it is given no `workers`."""
        return ServerProcess(APPLICATION, data=self.data, environment=self.environment, **settings)

    def worker(self, **settings: object) -> WorkerProcess:
        """A worker, still to be started."""
        return WorkerProcess(self, **settings)

    def lines(self, word: str) -> list[tuple[int, str, int]]:
        """The journal's entries of a kind: process, operation, attempt."""
        if not self.journal.exists():
            return []
        entries = [line.split() for line in self.journal.read_text().splitlines()]
        return [(int(e[1]), e[3], int(e[4])) for e in entries if len(e) > 4 and e[2] == word]

    async def look(self, numbers: list[str]) -> dict[str, tuple[OperationState, list[Message]]]:
        """The stored states and logs of operations, read from the store itself."""
        async with SqliteEngine(self.data) as engine:
            return {
                number: (
                    await engine.load(number),
                    await whole_log(engine, f"operations/{number}", limit=500),
                )
                for number in numbers
            }


class WorkerProcess:
    """A worker that can be killed, stopped for a while, and asked to end."""

    def __init__(self, scene: Scene, **settings: object) -> None:
        self._environment: Mapping[str, str] = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "src"))),
            **scene.environment,
            **{f"RINGBACK_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self._log = scene.data.parent / "worker.log"
        self._process: subprocess.Popen[str] | None = None

    @property
    def process(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("The worker was not started.")
        return self._process

    @property
    def output(self) -> str:
        """What all workers of this scene have logged."""
        return self._log.read_text("utf-8", "replace")

    def start(self) -> Self:
        """Start it, again if need be, and wait until it works."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.durability.worker"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if line.strip() != READY:
            self.kill()
            raise RuntimeError(f"The worker did not start:\n{self.output}")
        return self

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP, SIGCONT, SIGTERM."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut does, with whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self.start() if self._process is None else self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.kill()


def check_end(state: OperationState, log: list[Message]) -> None:
    """It ended once, and its log tells all of it."""
    assert state.terminal, f"{state.id} is {state.status.value} for ever"
    told = [msgspec.json.decode(message.data) for message in log if message.kind is Kind.STATUS]
    ends = [entry["status"] for entry in told if entry["status"] not in ("queued", "running")]
    assert ends == [state.status.value], "exactly one terminal state"
    assert [message.position.offset for message in log] == list(range(1, state.version + 1))
    parts: dict[int, list[Any]] = {}
    for message in log:
        if message.kind is Kind.PART:
            part = msgspec.json.decode(message.data)
            parts.setdefault(part["attempt"], []).append(part["index"])
    for attempt, indexes in parts.items():
        assert indexes == list(range(len(indexes))), f"each part once, in attempt {attempt}"
