"""One execution environment: a process that runs a function's handler, one event at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ringback.awslocal.model import Function, FunctionError
from ringback.awslocal.runtime.http import Answer, Listener, Request

VERSION = "/2018-06-01/runtime"
START = Path(__file__).with_name("start.py")
LIFE = "RINGBACK_LOCAL_LIFE"
"""Tells ``start.py`` the number of a pipe that ends with us."""
INIT = 60.0
"""Seconds that a start may take. Lambda allows ten, on machines that do nothing else."""
LONGEST_LINE = 256 * 1024
"""Bytes without a line's end after which what came is shown: CloudWatch's largest event."""
RESPONSE = 6 * 1024 * 1024 + 100
"""Bytes that a function may return."""

Log = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Call:
    """An invocation on its way into a process."""

    id: str
    payload: bytes
    timeout: float
    trace: str
    client_context: str = ""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How it came out."""

    payload: bytes | None = None
    error: FunctionError | None = None
    seconds: float = 0
    memory: int | None = None
    """MB at most so far, where the system tells."""


class Environment:
    """A process and the Runtime API it talks to."""

    def __init__(
        self,
        function: Function,
        variables: Mapping[str, str],
        log: Log,
        *,
        init: float = INIT,
        freeze: bool = True,
    ) -> None:
        """`freeze`: whether the process stands still between calls."""
        self.function = function
        self.init_seconds = 0.0
        self.idle_since = 0.0
        self._variables = variables
        self._log = log
        self._init = init
        self._freeze = freeze and self._bootstrap() is None
        self._listener = Listener(self._serve)
        self._process: asyncio.subprocess.Process
        self._readers: list[asyncio.Task[None]] = []
        self._ready: asyncio.Future[FunctionError | None]
        self._next: asyncio.Future[Answer] | None = None
        self._call: Call | None = None
        self._ended: asyncio.Future[bytes | FunctionError] | None = None
        self._watch: asyncio.Task[None]
        self._life: int | None = None
        """Our end of the process's life: it closes with us, however we end."""

    # Life

    async def start(self) -> FunctionError | None:
        """Start the process, and wait until it asks for work. What went wrong is returned."""
        begun = time.perf_counter()
        self._ready = asyncio.get_running_loop().create_future()
        await self._listener.start()
        try:
            self._process = await self._spawn()
        except OSError:
            self._listener.stop()
            raise
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                self._readers.append(asyncio.create_task(self._read(stream)))
        self._watch = asyncio.create_task(self._wait())
        try:
            error = await asyncio.wait_for(asyncio.shield(self._ready), self._init)
        except TimeoutError:
            error = FunctionError(
                kind="timeout",
                type="Sandbox.Timedout",
                message=f"Error: the start took more than {self._init:.0f} seconds",
            )
        except asyncio.CancelledError:
            await self.stop()
            raise
        self.init_seconds = time.perf_counter() - begun
        if error is not None:
            await self.stop()
        return error

    async def _spawn(self) -> asyncio.subprocess.Process:
        handler, executable = self.function.handler, self._bootstrap()
        command = [executable] if executable else [sys.executable, "-u", str(START), handler]
        theirs, self._life = os.pipe()
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                cwd=self.function.code,
                env={
                    **self._variables,
                    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._listener.port}",
                    "_HANDLER": handler,
                    **({} if executable else {LIFE: str(theirs)}),
                },
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=() if executable else (theirs,),
                # Ctrl-C is for us: what is under way shall end first. ``start.py`` makes a group
                # of its own, and no session: the system ends groups that stand still when whoever
                # started them is gone.
                start_new_session=executable is not None,
            )
        except BaseException:
            self._let_go()
            raise
        finally:
            os.close(theirs)

    def _let_go(self) -> None:
        if self._life is not None:
            os.close(self._life)
            self._life = None

    def _bootstrap(self) -> str | None:
        if not self.function.runtime.startswith("provided"):
            return None
        return str(self.function.code / "bootstrap")

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def stop(self) -> None:
        """End the process and all it started."""
        self._kill()
        with contextlib.suppress(asyncio.CancelledError):
            await self._process.wait()
        self._let_go()
        self._listener.stop()
        for reader in self._readers:
            # Something that it started may hold the pipe open.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader, 1)

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            # It has ended, or made no group yet.
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _wait(self) -> None:
        code = await self._process.wait()
        how = f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        error = FunctionError(
            kind="crash",
            type="Runtime.ExitError",
            message=f"{self._named()}Error: Runtime exited with error: {how}",
        )
        if not self._ready.done():
            self._ready.set_result(error)
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(error)

    def _named(self) -> str:
        return f"RequestId: {self._call.id} " if self._call else ""

    async def _read(self, stream: asyncio.StreamReader) -> None:
        kept = b""
        while piece := await stream.read(65536):
            kept += piece
            *lines, kept = kept.split(b"\n")
            if len(kept) > LONGEST_LINE:
                lines, kept = [*lines, kept], b""
            for line in lines:
                self._log(_shown(line))
        if kept:
            self._log(_shown(kept))

    # Calls

    async def invoke(self, call: Call) -> Ended:
        """Give `call` to the process. Of one that timed out or crashed, nothing is left."""
        self._call = call
        self._ended = asyncio.get_running_loop().create_future()
        begun = time.perf_counter()
        if not self.alive:
            await self._wait()
        elif self._next is not None and not self._next.done():
            if self._freeze:
                self._signal(signal.SIGCONT)
            self._next.set_result(self._given(call))
        try:
            came = await asyncio.wait_for(asyncio.shield(self._ended), call.timeout)
        except TimeoutError:
            came = FunctionError(
                kind="timeout",
                type="Sandbox.Timedout",
                message=(
                    f"RequestId: {call.id} Error: Task timed out after {call.timeout:.2f} seconds"
                ),
            )
        seconds = min(time.perf_counter() - begun, call.timeout)
        memory = peak(self._process.pid)
        self._call = self._ended = None
        if isinstance(came, FunctionError):
            if came.kind in ("timeout", "crash"):
                await self.stop()
            return Ended(error=came, seconds=seconds, memory=memory)
        if len(came) > RESPONSE:
            error = FunctionError(
                kind="unhandled",
                type="Function.ResponseSizeTooLarge",
                message=f"Response payload size exceeded maximum allowed payload size ({RESPONSE} "
                "bytes).",
            )
            return Ended(error=error, seconds=seconds, memory=memory)
        return Ended(payload=came, seconds=seconds, memory=memory)

    def _given(self, call: Call) -> Answer:
        deadline = int((time.time() + call.timeout) * 1000)
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": call.id,
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": self.function.arn,
            "Lambda-Runtime-Trace-Id": call.trace,
        }
        if call.client_context:
            headers["Lambda-Runtime-Client-Context"] = call.client_context
        return Answer(headers=headers, body=call.payload)

    # Runtime API

    async def _serve(self, request: Request) -> Answer:
        path = request.path.removeprefix(VERSION)
        if request.method == "GET" and path == "/invocation/next":
            return await self._wanted()
        if request.method == "POST" and path == "/init/error":
            if not self._ready.done():
                self._ready.set_result(failure(request.body))
            return Answer(status=202)
        parts = path.split("/")
        if request.method == "POST" and len(parts) == 4 and parts[1] == "invocation":
            if self._call is None or self._ended is None or parts[2] != self._call.id:
                return Answer(status=400, body=b'{"errorType":"InvalidRequestID"}')
            if not self._ended.done():
                error = parts[3] == "error"
                self._ended.set_result(failure(request.body) if error else request.body)
            return Answer(status=202)
        return Answer(status=404)

    async def _wanted(self) -> Answer:
        """The next event, once there is one."""
        self._next = asyncio.get_running_loop().create_future()
        if not self._ready.done():
            self._ready.set_result(None)
        if self._call is not None and self._ended is not None and not self._ended.done():
            # It came before the runtime had asked again.
            self._next.set_result(self._given(self._call))
        elif self._freeze:
            # As Lambda does: what a handler left undone waits for the next call.
            self._signal(signal.SIGSTOP)
        return await self._next


def _shown(line: bytes) -> str:
    # The runtime client ends and indents the lines of a traceback so that they stay one event.
    text = line.decode("utf-8", "replace").replace("\r", "\n").replace("\N{NO-BREAK SPACE}", " ")
    return text.rstrip()


def failure(body: bytes) -> FunctionError:
    """The error that a runtime tells of."""
    try:
        said: Any = json.loads(body)
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    trace = said.get("stackTrace") or ()
    kind: Literal["unhandled"] = "unhandled"
    return FunctionError(
        kind=kind,
        type=str(said.get("errorType", "Unknown")),
        message=str(said.get("errorMessage", "")),
        trace=tuple(map(str, trace)),
    )


def peak(process: int) -> int | None:
    """MB of memory that a process has had at most; Linux tells."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024)
    return None
