"""Functions of tasks, for the loop and, at the top level of a module, for threads and processes.

No application is here: each test registers those it needs. ``TWINS`` has what does the same in
each of the three.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from ringback import BlockingOperation, CloudEvent, Operation, TaskFailed
from ringback.errors import (
    Forbidden,
    LeaseLost,
    LimitExceeded,
    OperationCancelled,
    QueueFull,
    UnknownOperation,
)
from tests.waiting import until

Kind = Literal["loop", "thread", "process"]
KINDS: tuple[Kind, ...] = ("loop", "thread", "process")
MANY = 100_000
"""Calls in a row that a tight loop makes."""
LONG = 300.0
"""Seconds that a function works which is to be ended before: more than a test waits."""


class Point(BaseModel):
    x: int


class Refusal(Exception):
    """An error of an application's own."""


class Unpicklable(Exception):
    """One that cannot be made anew from its arguments."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a} and {b}")


class UnpicklableRefusal(Unpicklable): ...


class UnpicklableLimit(LimitExceeded):
    """One that cannot be made anew from its arguments."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a} and {b}")


def note(log: Path, what: object) -> int:
    """Add a line to a file; the number of lines there are."""
    with log.open("a") as file:
        file.write(f"{what}\n")
    return len(log.read_text().splitlines())


def there(path: Path) -> bool:
    """Whether there is such a file."""
    return path.exists()


def double(n: int) -> int:
    return 2 * n


async def double_async(n: int) -> int:
    return 2 * n


def move(point: Point) -> Point:
    return Point(x=point.x + 1)


async def move_async(point: Point) -> Point:
    return Point(x=point.x + 1)


async def hurry_async(op: Operation) -> int:
    for call in range(MANY):
        await op.progress(call / MANY, f"call {call}")
    await op.progress(message="the last")
    return MANY


def hurry(op: BlockingOperation) -> int:
    for call in range(MANY):
        op.progress(call / MANY, f"call {call}")
    op.progress(message="the last")
    return MANY


async def tell_once_async(op: Operation, flag: Path) -> None:
    await op.progress(0.25, "first")
    await op.progress(0.5, "second")
    await until(lambda: there(flag), LONG)


def tell_once(op: BlockingOperation, flag: Path) -> None:
    op.progress(0.25, "first")
    op.progress(0.5, "second")
    while not flag.exists():
        time.sleep(0.01)


async def tell_twice_async(op: Operation, flag: Path) -> None:
    await op.progress(0.25)
    await asyncio.sleep(0.25)
    await op.progress(0.75)
    await until(lambda: there(flag), LONG)


def tell_twice(op: BlockingOperation, flag: Path) -> None:
    op.progress(0.25)
    time.sleep(0.25)
    op.progress(0.75)
    while not flag.exists():
        time.sleep(0.01)


async def tell_around_async(op: Operation, started: Path, end: Path, later: str | None) -> None:
    """As ``ignore``; tells something before, and perhaps after."""
    await op.progress(message="half")
    await ignore_async(op, started, end)
    await op.progress(message=later)
    await op.commit()


def tell_around(op: BlockingOperation, started: Path, end: Path, later: str | None) -> None:
    """As ``ignore``; tells something before. After it has been cancelled it can not."""
    op.progress(message="half")
    ignore(op, started, end)


async def report_async(op: Operation, parts: int) -> int:
    for part in range(parts):
        await op.send(Point(x=part))
        await op.publish("parts", {"n": part})
    await op.emit("reported", {"parts": parts}, subject="all")
    await op.commit()
    return parts


def report(op: BlockingOperation, parts: int) -> int:
    for part in range(parts):
        op.send(Point(x=part))
        op.publish("parts", {"n": part})
    op.emit("reported", {"parts": parts}, subject="all")
    op.commit()
    return parts


async def know_async(op: Operation) -> dict[str, Any]:
    return {
        "id": op.id,
        "task": op.task,
        "attempt": op.attempt,
        "subject": op.subject,
        "traceparent": op.traceparent,
        "cancelled": op.cancelled,
        "earlier": list(op.earlier_parts),
    }


def know(op: BlockingOperation) -> dict[str, Any]:
    return {
        "id": op.id,
        "task": op.task,
        "attempt": op.attempt,
        "subject": op.subject,
        "traceparent": op.traceparent,
        "cancelled": op.cancelled,
        "earlier": list(op.earlier_parts),
    }


async def linger_async(op: Operation, started: Path, seconds: float = LONG) -> int:
    """Work for a while; ends at once when cancelled."""
    note(started, op.attempt)
    await asyncio.sleep(seconds)
    return op.attempt


def linger(op: BlockingOperation, started: Path, seconds: float = LONG) -> int:
    """Work for a while; looks often whether it is to end."""
    note(started, op.attempt)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if op.cancelled:
            raise OperationCancelled
        time.sleep(0.005)
    return op.attempt


async def ignore_async(op: Operation, started: Path, end: Path) -> str:
    """Ends when told by a file, and takes no notice of anything else."""
    note(started, op.attempt)
    while not there(end):
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            continue
    return f"cancelled: {op.cancelled}"


def ignore(op: BlockingOperation, started: Path, end: Path) -> str:
    """Ends when told by a file, and takes no notice of anything else."""
    note(started, op.attempt)
    while not there(end):
        time.sleep(0.01)
    return f"cancelled: {op.cancelled}"


async def late_reports_async(op: Operation, started: Path, end: Path, seen: Path) -> None:
    """As ``ignore``; then tries to report, and notes what comes of it."""
    await ignore_async(op, started, end)
    try:
        await op.send("too late")
    except LeaseLost:
        note(seen, "LeaseLost")


def late_reports(op: BlockingOperation, started: Path, end: Path, seen: Path) -> None:
    """As ``ignore``; then tries to report, and notes what comes of it."""
    ignore(op, started, end)
    try:
        op.send("too late")
    except OperationCancelled:
        note(seen, "OperationCancelled")


ERRORS: dict[str, Callable[[], BaseException]] = {
    "value": lambda: ValueError("a secret"),
    "refusal": lambda: Refusal("no"),
    "failed": lambda: TaskFailed("No such address.", street="Elm Street", seen={1, 2}),
    "exit": lambda: SystemExit(3),
    "interrupt": lambda: KeyboardInterrupt(),
    "stop": lambda: StopIteration(5),
    "unpicklable": lambda: Unpicklable(1, 2),
    "unpicklable refusal": lambda: UnpicklableRefusal(1, 2),
    "cancelled": lambda: asyncio.CancelledError(),
    "limit": lambda: LimitExceeded("a secret", limit=7),
    "unpicklable limit": lambda: UnpicklableLimit(1, 2),
    "another's": lambda: UnknownOperation("a secret"),
    "another's end": lambda: OperationCancelled("a secret"),
    "forbidden": lambda: Forbidden("a secret"),
    "full": lambda: QueueFull("a secret", retry_after=9),
}


async def fail_async(op: Operation, error: str, log: Path) -> None:
    note(log, op.attempt)
    raise ERRORS[error]()


def fail(op: BlockingOperation, error: str, log: Path) -> None:
    note(log, op.attempt)
    raise ERRORS[error]()


async def mend_async(op: Operation, log: Path) -> int:
    """Fails in the first attempt only."""
    if note(log, op.attempt) == 1:
        raise ValueError("not yet")
    return op.attempt


def mend(op: BlockingOperation, log: Path) -> int:
    """Fails in the first attempt only."""
    if note(log, op.attempt) == 1:
        raise ValueError("not yet")
    return op.attempt


async def resume_async(op: Operation, log: Path, parts: int) -> list[Any]:
    """Sends parts, failing once half-way, and goes on where it was."""
    for part in range(len(op.earlier_parts), parts):
        if part == parts // 2 and note(log, part) == 1:
            raise ValueError("half-way")
        await op.send(part)
    return [op.attempt, len(op.earlier_parts)]


def resume(op: BlockingOperation, log: Path, parts: int) -> list[Any]:
    """Sends parts, failing once half-way, and goes on where it was."""
    for part in range(len(op.earlier_parts), parts):
        if part == parts // 2 and note(log, part) == 1:
            raise ValueError("half-way")
        op.send(part)
    return [op.attempt, len(op.earlier_parts)]


TWINS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "double": (double_async, double),
    "move": (move_async, move),
    "hurry": (hurry_async, hurry),
    "tell_once": (tell_once_async, tell_once),
    "tell_twice": (tell_twice_async, tell_twice),
    "tell_around": (tell_around_async, tell_around),
    "report": (report_async, report),
    "know": (know_async, know),
    "linger": (linger_async, linger),
    "ignore": (ignore_async, ignore),
    "late_reports": (late_reports_async, late_reports),
    "fail": (fail_async, fail),
    "mend": (mend_async, mend),
    "resume": (resume_async, resume),
}


def twin(name: str, kind: Kind) -> Callable[..., Any]:
    """The function that does this in a loop, a thread or a process."""
    return TWINS[name][kind != "loop"]


# Only for processes


def die(op: BlockingOperation, how: str, log: Path) -> int:
    """Ends its whole process, in the first attempt only."""
    if note(log, os.getpid()) == 1:
        if how == "exit":
            os._exit(7)
        os.kill(os.getpid(), signal.SIGKILL)
    return op.attempt


def hold_the_lock(pids: Path) -> None:
    """Starts a program, then never lets another thread of this process run again."""
    child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({LONG})"])
    pids.with_suffix(".new").write_text(f"{os.getpid()} {child.pid}")
    pids.with_suffix(".new").rename(pids)
    re.match(r"(a+)+b", "a" * 64)


def spread(n: int) -> int:
    """Uses processes of its own."""
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(double, (n,))


def whoami() -> int:
    return os.getpid()


def leave_a_thread(op: BlockingOperation, seen: Path) -> None:
    """Leaves a thread behind that goes on telling, until it is told that nobody listens."""

    def tell() -> None:
        try:
            while True:
                op.progress(message="of the first")
                op.send("of the first")
        except (LeaseLost, OperationCancelled) as error:
            note(seen, type(error).__name__)

    threading.Thread(target=tell, daemon=True).start()
    time.sleep(0.2)


def handle(event: CloudEvent) -> int:
    """Handles an event in a process."""
    n: int = event.data["n"]
    return n + 1
