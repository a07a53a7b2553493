"""Functions and their environments: cold starts, concurrency, reload."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import secrets
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ringback.awslocal.model import Function, FunctionError, Outcome
from ringback.awslocal.runtime.environment import Call, Ended, Environment
from ringback.awslocal.runtime.reload import Changes
from ringback.awslocal.runtime.variables import Surroundings, variables

log = logging.getLogger("ringback.aws.functions")

ACCOUNT = 100
"""Environments at once in the account. AWS gives 1,000, and new accounts 10: a machine has less
memory than a region."""
IDLE = 300.0
"""Seconds that an environment is kept without work. Lambda tells no number; it is minutes."""
EVENT = 6 * 1024 * 1024
"""Bytes of an event that a function may be called with."""


@dataclass(kw_only=True)
class Usage:
    """What a function has done: what the summary and the price are made of."""

    invocations: int = 0
    cold_starts: int = 0
    errors: int = 0
    timeouts: int = 0
    throttles: int = 0
    billed_ms: int = 0
    gb_seconds: float = 0
    memory: int = 0
    """MB at most."""
    init_ms: list[float] = field(default_factory=list)


class Functions:
    """An ``Invoker`` over processes."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        around: Surroundings,
        *,
        concurrency: int = ACCOUNT,
        watch: bool = True,
        freeze: bool = True,
    ) -> None:
        self.functions = functions
        self.around = around
        self.usage: dict[str, Usage] = {name: Usage() for name in functions}
        self._idle: dict[str, list[Environment]] = defaultdict(list)
        self._waiting: dict[str, deque[asyncio.Future[Environment]]] = defaultdict(deque)
        """Calls that would take what another leaves."""
        self._busy: dict[str, int] = defaultdict(int)
        reserved = sum(each.reserved or 0 for each in functions.values())
        self._unreserved = max(concurrency - reserved, 1)
        self._versions: dict[str, int] = defaultdict(int)
        """Counts changes of code: an environment of an older one is not called again."""
        self._of: dict[Environment, int] = {}
        self._running: set[asyncio.Task[Outcome]] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._watched = watch
        self._freeze = freeze
        self._stopping = False
        # More at once would all be later: a start is work for a processor. Two at least, for one
        # may call another.
        self._starting = asyncio.Semaphore(max(2, os.cpu_count() or 1))

    async def start(self) -> None:
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End every process. What is under way is given up."""
        self._stopping = True
        if self._keeping is not None:
            self._keeping.cancel()
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(*(each.stop() for each in list(self._of)), return_exceptions=True)

    async def drain(self, limit: float) -> None:
        """Wait, so many seconds at most, for the calls that are under way."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=limit)

    # Invoker

    async def invoke(self, function: str, event: dict[str, Any]) -> Outcome:
        """See ``model.Invoker``."""
        return await self.call(function, json.dumps(event, separators=(",", ":")).encode())

    async def call(self, name: str, payload: bytes, *, client_context: str = "") -> Outcome:
        """The same with the event as it is sent."""
        function = self.functions.get(name)
        if function is None:
            return _refused("missing", "ResourceNotFoundException", f"Function not found: {name}")
        if len(payload) > EVENT:
            message = f"{len(payload)} bytes are more than the {EVENT} an event may have."
            return _refused("unhandled", "RequestEntityTooLargeException", message)
        if self._stopping or not self._allowed(function):
            self.usage[name].throttles += 1
            self._say(function, "THROTTLED: as many environments run as may", logging.WARNING)
            return _refused("throttled", "TooManyRequestsException", "Rate Exceeded.")
        self._busy[name] += 1
        task = asyncio.create_task(self._run(function, payload, client_context))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        # Whoever gave up waiting leaves the function running, as on AWS.
        return await asyncio.shield(task)

    def _allowed(self, function: Function) -> bool:
        if function.reserved is not None:
            return self._busy[function.name] < function.reserved
        busy = sum(
            count for name, count in self._busy.items() if self.functions[name].reserved is None
        )
        return busy < self._unreserved

    async def _run(self, function: Function, payload: bytes, client_context: str) -> Outcome:
        call = Call(
            id=str(uuid.uuid4()),
            payload=payload,
            timeout=function.timeout,
            trace=f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};"
            f"Parent={secrets.token_hex(8)};Sampled=0",
            client_context=client_context,
        )
        try:
            ended, init = await self._inside(function, call)
        finally:
            self._busy[function.name] -= 1
        self._account(function, call, ended, init)
        if ended.error is not None:
            return Outcome(error=ended.error, request_id=call.id)
        try:
            made = json.loads(ended.payload or b"null")
        except ValueError:
            # Custom runtimes may answer anything.
            made = (ended.payload or b"").decode("utf-8", "replace")
        return Outcome(payload=made, request_id=call.id)

    async def _inside(self, function: Function, call: Call) -> tuple[Ended, float]:
        """Run `call`; with it the seconds that a start took."""
        environment, init = self._take(function), 0.0
        if environment is None:
            made = await self._obtain(function)
            if isinstance(made, Ended):
                return made, 0.0
            # One that another call has left was paid for by that call.
            environment, init = made
        self._say(function, f"START RequestId: {call.id} Version: $LATEST", logging.DEBUG)
        try:
            ended = await environment.invoke(call)
        except BaseException:
            await self._discard(environment)
            raise
        current = self._of.get(environment) == self._versions[function.name]
        if self._stopping or not current or not environment.alive:
            await self._discard(environment)
        else:
            self._leave(environment)
        return ended, init

    async def _obtain(self, function: Function) -> tuple[Environment, float] | Ended:
        """One that another call leaves, or a new one and the seconds it took to start: whichever
        is there first. Of an environment that could not start, how the call ends."""
        left: asyncio.Future[Environment] = asyncio.get_running_loop().create_future()
        self._waiting[function.name].append(left)
        turn = asyncio.create_task(self._starting.acquire())
        try:
            await asyncio.wait((left, turn), return_when=asyncio.FIRST_COMPLETED)
            if left.done():
                return left.result(), 0.0
            self._waiting[function.name].remove(left)
            made = await self._start(function)
            return made if isinstance(made, Ended) else (made, made.init_seconds)
        finally:
            left.cancel()
            if turn.done() and not turn.cancelled():
                self._starting.release()
            turn.cancel()

    def _leave(self, environment: Environment) -> None:
        """Hand it to the call that has waited longest, or keep it."""
        waiting = self._waiting[environment.function.name]
        while waiting:
            call = waiting.popleft()
            if not call.done():
                call.set_result(environment)
                return
        environment.idle_since = time.monotonic()
        self._idle[environment.function.name].append(environment)

    async def _start(self, function: Function) -> Environment | Ended:
        """A new environment; or how the call ends that wanted one."""
        environment = Environment(
            function,
            variables(function, self.around),
            lambda line: self._say(function, line),
            freeze=self._freeze,
        )
        self._of[environment] = self._versions[function.name]
        usage = self.usage[function.name]
        usage.cold_starts += 1
        try:
            error = await environment.start()
        except OSError as failed:
            why = str(failed)
            if not function.code.is_dir():
                why = f"{function.code}, which the template names as its code, is no folder"
            error = FunctionError(
                kind="crash",
                type="Runtime.InvalidEntrypoint",
                message=f"Error: the runtime cannot be started: {why}",
            )
        except BaseException:
            self._of.pop(environment, None)
            raise
        if error is not None:
            del self._of[environment]
            return Ended(error=error, seconds=environment.init_seconds)
        init = environment.init_seconds * 1000
        usage.init_ms.append(init)
        self._say(function, f"INIT_START Runtime: {function.runtime or 'python'}  {init:.0f} ms")
        return environment

    def _take(self, function: Function) -> Environment | None:
        idle = self._idle[function.name]
        while idle:
            environment = idle.pop()
            if environment.alive:
                return environment
            self._of.pop(environment, None)
        return None

    async def _discard(self, environment: Environment) -> None:
        self._of.pop(environment, None)
        await environment.stop()

    def _account(self, function: Function, call: Call, ended: Ended, init: float) -> None:
        usage = self.usage[function.name]
        milliseconds = ended.seconds * 1000
        # Since August 2025 the start is billed too.
        billed = math.ceil(milliseconds + init * 1000)
        usage.invocations += 1
        usage.billed_ms += billed
        usage.gb_seconds += billed / 1000 * function.memory / 1024
        usage.memory = max(usage.memory, ended.memory or 0)
        if ended.error is not None:
            usage.errors += 1
            if ended.error.kind == "timeout":
                usage.timeouts += 1
            self._tell(function, call, ended.error)
        line = (
            f"REPORT RequestId: {call.id}\tDuration: {milliseconds:.2f} ms\t"
            f"Billed Duration: {billed} ms\tMemory Size: {function.memory} MB"
        )
        if ended.memory is not None:
            line += f"\tMax Memory Used: {ended.memory} MB"
        if init:
            line += f"\tInit Duration: {init * 1000:.2f} ms"
        self._say(function, line)
        if ended.memory is not None and ended.memory > function.memory:
            self._say(
                function,
                f"It took {ended.memory} MB of memory, and its size is {function.memory} MB: "
                "Lambda would have ended it.",
                logging.WARNING,
            )

    def _tell(self, function: Function, call: Call, error: FunctionError) -> None:
        if error.kind == "timeout" and error.type == "Sandbox.Timedout":
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            text = f"{moment} {call.id} {error.message.partition('Error: ')[2]}"
            self._say(function, text, logging.ERROR)
        elif error.kind == "crash" or error.type == "Function.ResponseSizeTooLarge":
            self._say(function, error.message, logging.ERROR)

    def _say(self, function: Function, text: str, level: int = logging.INFO) -> None:
        log.log(level, "%s", text, extra={"function": function.name})

    # Keeping

    async def _keep(self) -> None:
        """Take over changed code, and end what has been idle for long."""
        changes = Changes({name: each.code for name, each in self.functions.items()})
        while True:
            await asyncio.sleep(changes.pause)
            names = await asyncio.to_thread(changes.look) if self._watched else ()
            for name in names:
                await self.reload(name)
            for idle in self._idle.values():
                old = [each for each in idle if time.monotonic() - each.idle_since > IDLE]
                for environment in old:
                    idle.remove(environment)
                    await self._discard(environment)

    async def reload(self, name: str) -> None:
        """Have `name` called with the code as it is now."""
        self._versions[name] += 1
        idle, self._idle[name] = self._idle[name], []
        if idle or self._busy[name]:
            self._say(self.functions[name], "The code has changed: the next call starts anew")
        for environment in idle:
            with contextlib.suppress(Exception):
                await self._discard(environment)


def _refused(kind: Any, error: str, message: str) -> Outcome:
    return Outcome(
        error=FunctionError(kind=kind, type=error, message=message), request_id=str(uuid.uuid4())
    )
