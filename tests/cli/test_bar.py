"""What people see on a terminal: the live bar, colours, narrow tables."""

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.program import HERE, LIMIT, Place, Server, Shell, command

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A program on a pseudo-terminal, and all it has written there."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str]) -> None:
        self.written = ""
        self._ours, theirs = pty.openpty()

        def take_terminal() -> None:
            import fcntl
            import termios

            fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that it is in the foreground, as in a shell

        self.process = subprocess.Popen(
            arguments,
            cwd=HERE,
            env={**environment, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(theirs)

    @property
    def text(self) -> str:
        """Without colours and movements."""
        return CONTROL.sub("", self.written)

    def read(self, enough: Callable[[], object], about: str) -> None:
        """Read until it is enough, or the program has ended."""
        deadline = time.monotonic() + LIMIT
        while not enough():
            assert time.monotonic() < deadline, f"never: {about}\n{self.text}"
            if not select.select([self._ours], [], [], 0.1)[0]:
                continue
            try:
                self.written += os.read(self._ours, 65536).decode("utf-8", "replace")
            except OSError:  # EIO: nobody has the other end open any more
                break

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def end(self) -> int:
        """The exit status, once it has ended; all it wrote is read by then."""
        self.read(lambda: False if self.process.poll() is None else not self._more(), "the end")
        return self.process.wait(LIMIT)

    def _more(self) -> bool:
        return bool(select.select([self._ours], [], [], 0)[0])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@contextmanager
def terminal(shell: Shell, *arguments: object, columns: int = 100) -> Iterator[Terminal]:
    opened = Terminal(command(*arguments), {**shell.environment, "COLUMNS": str(columns)})
    try:
        yield opened
    finally:
        opened.close()


def test_the_bar_moves_and_makes_room_for_parts(shell: Shell, served: Server, gates: Path) -> None:
    waiting = ["submit", "steps", f"folder={gates}", "count=2", "--wait", "--url", served.url]
    with terminal(shell, *waiting) as screen:
        (gates / "0").touch()
        screen.read(lambda: "50%" in screen.text, "the bar is at one half")
        assert "━" in screen.text
        assert "step 0" in screen.text
        assert '{"step":0}' in screen.text
        (gates / "1").touch()
        assert screen.end() == 0
        assert '{"step":1}' in screen.text
        last = screen.text.rpartition("succeeded after")[2]
        assert '"attempt": 1' in last
        assert "━" not in last, "the bar is gone when the result stands there"


def test_the_bar_keeps_out_of_a_pipe(shell: Shell, served: Server, gates: Path) -> None:
    (gates / "0").touch()
    program = " ".join(command("submit", "steps", f"folder={gates}", "count=1", "--wait"))
    piped = ["sh", "-c", f"{program} --url {served.url} | tee {gates}/out >/dev/null"]
    screen = Terminal(piped, shell.environment)
    try:
        assert screen.end() == 0
    finally:
        screen.close()
    assert "succeeded after" in screen.text
    part, result = (gates / "out").read_text().splitlines()
    assert part == '{"step":0}'
    assert result.startswith('{"attempt":1,')


def test_ctrl_c_takes_the_bar_away(shell: Shell, served: Server, gates: Path) -> None:
    operation = served.submit("steps", folder=str(gates))
    with terminal(shell, "ops", "watch", *Place(served, local=False).on(operation)) as screen:
        screen.read(lambda: "running" in screen.text, "it runs")
        screen.type(b"\x03")
        assert screen.end() == 130
        assert "The operation goes on" in screen.text
        assert "^C" not in screen.text


def test_control_characters_of_a_task_do_not_reach_the_terminal(
    shell: Shell, served: Server
) -> None:
    with terminal(shell, "submit", "paint", "--wait", "--url", served.url) as screen:
        assert screen.end() == 1
        assert "\x1b[2J" not in screen.written
        assert "[2Jcleared" in screen.text


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_the_table_fits(shell: Shell, served: Server, columns: int) -> None:
    operation = served.submit("explode", reason="because " * 20)
    assert served.ended(operation) == "failed"
    with terminal(shell, "ops", "list", "--data", served.data, columns=columns) as screen:
        assert screen.end() == 0
        lines = screen.text.splitlines()
    assert any(operation in line for line in lines), "the id is whole: it is there to be copied"
    assert max(map(len, lines)) <= columns


def test_colour_can_be_refused(shell: Shell, served: Server) -> None:
    listing = ["ops", "list", "--data", served.data]
    with terminal(shell, *listing) as screen:
        assert screen.end() == 0
        assert "\x1b[" in screen.written
    shell.environment["NO_COLOR"] = "1"
    with terminal(shell, *listing) as screen:
        assert screen.end() == 0
        assert "\x1b[" not in screen.written


def test_a_server_on_a_terminal_stops_at_ctrl_c(shell: Shell, data: Path) -> None:
    run = ["run", "sample_app", "--data", data, "--port", 0, "--workers", 1]
    with terminal(shell, *run) as screen:
        screen.read(lambda: "Stop with Ctrl-C" in screen.text, "it has started")
        screen.type(b"\x03")
        assert screen.end() == 0
        assert "Traceback" not in screen.text
