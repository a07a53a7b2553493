"""A program that has imported the command line, and forks for each command: `Forked` is one.

Only the imports of a start are saved. A fork is a process with a session, folder, environment and
streams of its own; it runs `ringback` as `python -m` does, and ends as an interpreter ends. What a
start itself does is for the tests that use `Shell.fresh`.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

NUMBER = struct.Struct("i")
"""How a fork says its process id, and the template its exit status."""
STREAMS = 3
"""Standard input, output and error."""
LAZY = (
    "anyio._backends._asyncio",
    "httpcore._backends.anyio",
    "rich.progress",
    "rich.table",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
"""What libraries import when they are first used."""


class Forked:
    """A command in a fork, as `subprocess.Popen` shows one."""

    def __init__(
        self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str], streams: Sequence[int]
    ) -> None:
        self.returncode: int | None = None
        self._answers, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(_template(), [b"."], [*streams, theirs.fileno()])
        ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        request = json.dumps([arguments, str(cwd), dict(env), ignored])
        self._answers.sendall(request.encode() + b"\n")
        self.pid = self._next()

    def _next(self) -> int:
        found = self._answers.recv(NUMBER.size, socket.MSG_WAITALL)
        assert len(found) == NUMBER.size, "the template has ended"
        return int(NUMBER.unpack(found)[0])

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("ringback", timeout or 0)
            self.returncode = self._next()
            self._answers.close()
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


@cache
def _template() -> socket.socket:
    """The template of this process. It ends when nobody can ask it any more."""
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.run(
            [sys.executable, "-W", "always::ResourceWarning", __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C is for the tests
            check=True,
        )
    return ours


def served(requests: socket.socket) -> socket.socket | None:
    """Fork for each request. In a fork: where its request is to be read; none at the end."""
    running: dict[int, socket.socket] = {}
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            for pid in tuple(running):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    with running.pop(pid) as answers, contextlib.suppress(BrokenPipeError):
                        answers.send(NUMBER.pack(os.waitstatus_to_exitcode(status)))
        if requests in ready:
            asked, files, _, _ = socket.recv_fds(requests, 1, STREAMS + 1)
            if not asked:
                woken.close()
                wake.close()
                return None
            answers = socket.socket(fileno=files.pop())
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for each in (woken, wake, *running.values()):
                    each.close()
                for number, file in enumerate(files):
                    os.dup2(file, number)
                    os.close(file)
                return answers
            running[pid] = answers
            for file in files:
                os.close(file)


def become(answers: socket.socket) -> None:
    """Make of a fork what the start of a program would have made."""
    os.setsid()
    with answers, answers.makefile() as lines:
        arguments, folder, environment, ignored = json.loads(lines.readline())
        answers.send(NUMBER.pack(os.getpid()))
    signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[0] = folder
    sys.argv = ["ringback", *arguments]


def main() -> None:
    import ringback

    for module in pkgutil.walk_packages(ringback.__path__, "ringback."):
        # The demo and the examples are applications: they are made from the environment.
        if not module.name.startswith(("ringback.demo", "ringback.examples", "ringback.__main__")):
            importlib.import_module(module.name)
    for name in LAZY:
        importlib.import_module(name)
    gc.freeze()  # a fork need not look through, and so copy, what is there for good
    if os.fork():
        os._exit(0)  # it is ready, and no child of the tests, some of which count theirs
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        answers = served(requests)
    if answers is not None:
        become(answers)
        runpy.run_module("ringback", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
