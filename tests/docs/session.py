"""One document's examples, run as a reader would: in a fresh folder, from top to bottom.

The page says port 8000; a free one is put in its place. Nothing of the reader's own machine is
touched: the home, the state folder and the data folder are below the page's folder. Variables
of the shell live on from block to block.
"""

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.docs.blocks import Block
from tests.ports import free_port

PORT = "8000"
"""The port that the documents show."""
RUN_LIMIT = 120.0
"""Seconds that one block may take."""
START_LIMIT = 60.0
"""Seconds until a server answers, on a busy machine."""
STOP_LIMIT = 60.0
"""Seconds in which a server ends after SIGTERM."""
ANYTHING = "…"
VARIABLES = ".variables"
RESTORE = f"set -a; [ ! -f {VARIABLES} ] || . ./{VARIABLES}; set +a\n"
"""The shell's variables, as the block before left them."""
BINARIES = Path(sys.executable).parent


class Broken(AssertionError):
    """An example does not do what the document says."""


class Session:
    """Runs the blocks of one page. `with` it: what it started is ended."""

    def __init__(self, page: str, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self._port = free_port()
        self._printed = ""
        self._servers: list[_Background] = []
        self._others: list[_Background] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in (*self._servers, *self._others):
            process.end()

    @property
    def url(self) -> str:
        """Where the page's server listens."""
        return f"http://127.0.0.1:{self._port}"

    def run(self, blocks: Sequence[Block]) -> None:
        """Run them all. Raises `Broken` at the first that does not do what it says."""
        for block in blocks:
            try:
                self._one(block)
            except Broken as error:
                raise Broken(f"{self.page}:{block.line}: {error}{self._server_logs()}") from None

    def _one(self, block: Block) -> None:
        text = self._put(block.text)
        match block.role:
            case "file" | "append":
                self._write(block, text)
            case "fragment":
                _compile(text)
            case "server":
                self._start_server(text)
            case "background":
                self._others.append(_Background(text, self.folder, self._environment()))
            case "output":
                _compare(text, self._printed)
            case "run" if block.language == "console":
                self._console(text)
            case "run":
                self._shell(text, int(block.options.get("status", "0")))
            case "shown" if block.language == "json" and ANYTHING not in text:
                try:
                    json.loads(text)
                except ValueError as error:
                    raise Broken(f"it is no JSON: {error}") from None

    def _put(self, text: str) -> str:
        return text.replace(PORT, str(self._port))

    def _write(self, block: Block, text: str) -> None:
        if block.language == "python":
            _compile(text)
        path = self.folder / block.options[block.role]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if block.role == "append" else "w", encoding="utf-8") as file:
            file.write(text)

    # Commands

    def _environment(self) -> dict[str, str]:
        home = str(self.folder)
        return {
            "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}",
            "HOME": home,
            "XDG_STATE_HOME": f"{home}/.state",
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "RINGBACK_PORT": str(self._port),
            "RINGBACK_URL": self.url,
        }

    def _shell(self, text: str, status: int = 0) -> None:
        script = f"{RESTORE}set -eo pipefail\nset -a\n{text}\nset +a\nexport -p > {VARIABLES}\n"
        try:
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=RUN_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            printed = (late.output or b"").decode("utf-8", "replace")
            raise Broken(f"it did not end within {RUN_LIMIT:g} s:\n{text}\n{printed}") from None
        self._printed = done.stdout.decode("utf-8", "replace")
        if done.returncode != status:
            raise Broken(f"it ended with status {done.returncode}:\n{text}\n{self._printed}")

    def _console(self, text: str) -> None:
        command: list[str] = []
        expected: list[str] = []
        for line in [*text.splitlines(), "$ "]:
            if command and command[-1].endswith("\\"):
                command.append(line)
            elif line.startswith("$ "):
                if command:
                    self._shell("\n".join(command))
                    if expected:
                        _compare("\n".join(expected), self._printed)
                command, expected = [line[2:]], []
            else:
                expected.append(line)

    # Servers

    def _start_server(self, text: str) -> None:
        # A page that starts a server again has stopped the one before: there is one port.
        for earlier in self._servers:
            earlier.end()
        server = _Background(text, self.folder, self._environment())
        self._servers = [server]
        deadline = time.monotonic() + START_LIMIT
        while not _answers(self._port):
            if server.ended:
                raise Broken(f"the server ended:\n{server.log}")
            if time.monotonic() > deadline:
                raise Broken(f"the server does not answer after {START_LIMIT:g} s:\n{server.log}")
            time.sleep(0.02)

    def _server_logs(self) -> str:
        return "".join(
            f"\n--- what {each.command!r} said:\n{each.log}"
            for each in (*self._servers, *self._others)
        )


class _Background:
    """A command that runs on, with all it starts."""

    def __init__(self, text: str, folder: Path, environment: dict[str, str]) -> None:
        self.command = text.strip()
        self._file = folder / f".log-{time.monotonic_ns()}"
        with self._file.open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", f"{RESTORE}set -e\n{text}"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def log(self) -> str:
        return self._file.read_text("utf-8", "replace")

    def end(self) -> None:
        """Ask it to stop, as Ctrl-C and systemd do; after a while, insist."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_LIMIT)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _compile(text: str) -> None:
    try:
        # A fragment may stand in a coroutine.
        compile(text, "example", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        raise Broken(f"it is no Python: {error}") from None


def _compare(expected: str, printed: str) -> None:
    """Whether it printed what is shown: … in a line stands for anything, also for more lines."""
    pattern = ".*".join(re.escape(part) for part in _tidy(expected).split(ANYTHING))
    if not re.fullmatch(pattern, _tidy(printed), re.DOTALL):
        raise Broken(f"it should print\n{expected}\nand printed\n{printed}")


def _tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def _answers(port: int) -> bool:
    """Whether an HTTP server answers there, whatever it says."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
