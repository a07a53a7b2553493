"""The command line as users run it: programs of their own, with their output and exit status."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple, Protocol, Self

import httpx
import msgspec

from tests.cli.template import Forked

HERE = Path(__file__).resolve().parent
APP = "sample_app:rb"
LIMIT = 80.0
"""Seconds anything may take on a busy machine; then a test fails, saying what it waited for."""


class Result(NamedTuple):
    """What a finished command left."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON lines."""
        return [msgspec.json.decode(line) for line in self.out.splitlines()]

    @property
    def problem(self) -> Any:
        """Standard error as a problem."""
        return msgspec.json.decode(self.err)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "ringback", *map(str, arguments)]


class Process(Protocol):
    """A program of its own."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...


class Shell:
    """A user's shell: a folder to be in, an environment, a home of one's own.

    Commands are forks of the template, which is quicker than to start each, unless it is `fresh`:
    as it always is on macOS, whose system libraries do not stand a fork.
    """

    def __init__(self, home: Path, *, fresh: bool = sys.platform == "darwin") -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self._fresh = fresh
        outside = {k: v for k, v in os.environ.items() if not k.startswith("RINGBACK_")}
        self.environment = {
            **outside,
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "PYTHONWARNINGS": "always::ResourceWarning",
            "NO_PROXY": "*",
            "COLUMNS": "80",
        }

    def run(
        self,
        *arguments: object,
        input: str | bytes = b"",
        cwd: Path = HERE,
        **environment: str,
    ) -> Result:
        """Run a command to its end."""
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(input.encode() if isinstance(input, str) else input)
            given.seek(0)
            process = self.process(arguments, cwd, environment, given, out, err)
            try:
                status = process.wait(LIMIT)
            except BaseException:
                process.send_signal(signal.SIGKILL)
                process.wait()
                raise
            for file in (out, err):
                file.seek(0)
            result = Result(status, out.read().decode(), err.read().decode())
        assert "Traceback" not in result.err, result.err
        assert "ResourceWarning" not in result.err, result.err
        return result

    def start(self, *arguments: object, **environment: str) -> "Running":
        """Start a command and go on."""
        return Running(self, arguments, environment)

    def fresh(self) -> "Shell":
        """This shell, which starts each program as a user's does: for what is about starting."""
        return Shell(self.home, fresh=True)

    def process(
        self,
        arguments: Sequence[object],
        folder: Path,
        environment: Mapping[str, str],
        *streams: IO[bytes],
    ) -> Process:
        """Start a command with these as its standard input, output and error."""
        variables = {**self.environment, **environment}
        if not self._fresh:
            files = [stream.fileno() for stream in streams]
            return Forked(list(map(str, arguments)), folder, variables, files)
        given, out, err = streams
        return subprocess.Popen(
            command(*arguments),
            cwd=folder,
            env=variables,
            stdin=given,
            stdout=out,
            stderr=err,
            start_new_session=True,  # so that a test can signal all it has started
        )


class Running:
    """A command that runs. As a context manager it is killed at the end, if need be."""

    def __init__(
        self, shell: Shell, arguments: Sequence[object], environment: Mapping[str, str]
    ) -> None:
        self._log = shell.home / f"{time.monotonic_ns()}.err"
        ours, theirs = os.pipe()
        self._out = os.fdopen(ours, "rb")
        none = Path(os.devnull)
        with self._log.open("wb") as err, os.fdopen(theirs, "wb") as out, none.open("rb") as given:
            self.process = shell.process(arguments, HERE, environment, given, out, err)

    @property
    def err(self) -> str:
        """Standard error so far."""
        return self._log.read_text("utf-8", "replace")

    def line(self) -> str:
        """The next line of standard output."""
        text = self._out.readline().decode()
        assert text, f"it ended with {self.process.wait(LIMIT)}:\n{self.err}"
        return text.rstrip("\n")

    def lines_to(self, last: str) -> list[str]:
        """Lines of standard output up to one that holds `last`."""
        lines = [self.line()]
        while last not in lines[-1]:
            lines.append(self.line())
        return lines

    def json_line(self) -> Any:
        return msgspec.json.decode(self.line())

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        try:
            return self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"It did not end:\n{self.err}") from None

    def rest(self) -> str:
        """What is left of standard output, once it has ended."""
        self.wait()
        return self._out.read().decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._out.close()


class Server(Running):
    """`ringback run` on a free port, once it answers."""

    def __init__(
        self, shell: Shell, data: Path, *options: object, target: str = APP, **environment: str
    ) -> None:
        port = [] if "--port" in options else ["--port", 0]
        arguments = ["run", target, "--data", data, "--json", *port, *options]
        super().__init__(shell, arguments, environment)
        try:
            self.started = self.json_line()
        except BaseException:
            self.__exit__()
            raise
        self.url: str = self.started["url"]
        self.data = data
        self.port = int(self.url.rpartition(":")[2])
        self.tokens: dict[str, str] = {}

    # What a test needs around the command it is about goes over HTTP, which is quicker.

    def submit(self, task: str, **input: object) -> str:
        """Submit to it; the id."""
        accepted = httpx.post(f"{self.url}/tasks/{task}", json=input)
        assert accepted.status_code == 202, accepted.text
        operation = str(accepted.json()["id"])
        self.tokens[operation] = accepted.json()["token"]
        return operation

    def view(self, operation: str) -> Any:
        """An operation that was submitted above, as it stands."""
        headers = {"authorization": f"Bearer {self.tokens[operation]}"}
        return httpx.get(f"{self.url}/operations/{operation}", headers=headers).json()

    def status(self, operation: str) -> str:
        return str(self.view(operation)["status"])

    def ended(self, operation: str) -> str:
        """Its status, once it has ended."""
        until(lambda: "finished_at" in self.view(operation), "it ends")
        return self.status(operation)


class Place(NamedTuple):
    """A running server, by its URL or by the data folder beside it."""

    server: Server
    local: bool

    @property
    def options(self) -> list[object]:
        """The options that name it."""
        server = self.server
        return ["--data", server.data] if self.local else ["--url", server.url]

    def on(self, operation: str) -> list[object]:
        """The options by which an operation is reached there."""
        token = [] if self.local else ["--token", self.server.tokens[operation]]
        return [operation, *self.options, *token]


@contextlib.contextmanager
def worker(shell: Shell, data: Path, *options: object) -> Iterator[Running]:
    """`ringback worker`, once it works."""
    with shell.start("worker", APP, "--data", data, "--json", *options) as running:
        running.json_line()
        yield running


def until(condition: Callable[[], Any], about: str) -> Any:
    """Wait until a condition holds; what it returned."""
    deadline = time.monotonic() + LIMIT
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"never: {about}"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
