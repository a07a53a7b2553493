"""What an application comes to on AWS: read from its registry, before any resource is written.

What belongs here: which resources there have to be, and what AWS cannot do, with the cure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ringback.app import Ringback
from ringback.errors import ConfigurationError
from ringback.sam.additions import Additions
from ringback.sam.events import STORED
from ringback.tasks.registry import RunIn, Task

CLASSES = (30, 60, 300, 900)
"""Seconds that an attempt may take, of each queue and its function. Few, so that a queue is seldom
idle and still no short task waits for the long time-out of another to be tried again."""
LONGEST = CLASSES[-1]
"""Seconds: no function runs longer."""
ROUTES = 280
"""Of the 300 that an API may have; the rest is the application's own need."""
RUNTIMES = ("python3.11", "python3.12", "python3.13", "python3.14")
RUNTIME = "python3.13"
CODE = "."
MAX_NAME = 29
"""Characters of a stack's name: a bucket's, made of it, the account and the region, has 63."""
PLACES: dict[RunIn, str] = {
    "loop": "on the event loop",
    "thread": "in a thread",
    "process": "in a process of its own, which shares the function's memory and processor",
}

_HANDLER = re.compile(r"[A-Za-z_][\w.]*\.[A-Za-z_]\w*")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")
"""Names that are a path's segment as they are; of others the function itself decides."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is written down in the template."""

    name: str
    """The application's; the source of its events."""
    target: str
    """``module:attribute``."""
    handler: str
    runtime: str = RUNTIME
    code: str = CODE
    prefix: str = ""
    """The path that the application is mounted under."""
    work: tuple[tuple[int, tuple[Task, ...]], ...]
    """The classes that are needed, with what is run in each."""
    patterns: tuple[str, ...]
    """Of the events that are handled."""
    uploads: bool
    """Whether uploads are handled."""
    inbox: bool
    """Whether files are that others put into the bucket."""
    guarded: tuple[str, ...]
    """Keys of the routes that nobody may call without a user's token."""
    decides: bool
    """Whether the application says by itself who is asking, or who may."""
    open: tuple[str, ...]
    """Keys of those which would be covered by them, and are open to anybody."""
    cors: tuple[str, ...]
    additions: Additions

    @property
    def classes(self) -> tuple[int, ...]:
        return tuple(seconds for seconds, _ in self.work)

    @property
    def takes_events(self) -> bool:
        """Whether something comes from outside by a bus, a topic or the bucket."""
        return bool(self.patterns or self.uploads)


def plan(
    rb: Ringback,
    target: str,
    *,
    handler: str = "",
    runtime: str = RUNTIME,
    code: str = CODE,
    prefix: str = "",
    additions: Additions | None = None,
) -> Plan:
    """What an application needs. Raises ``ConfigurationError`` for what AWS cannot run."""
    handler = handler or f"{target.partition(':')[0]}.handler"
    _check(
        _HANDLER.fullmatch(handler) is not None,
        f"{handler!r} is no handler; give module.name: app.handler",
    )
    _check(
        runtime in RUNTIMES,
        f"Lambda has no {runtime!r} that Ringback runs on; give one of: {', '.join(RUNTIMES)}.",
    )
    _check(
        _PREFIX.fullmatch(prefix) is not None,
        f"{prefix!r} is no path to be mounted under; give one like /background.",
    )
    tasks = list(rb.registry.tasks.values())
    for task in tasks:
        _check_length(task)
    work = tuple(
        (seconds, found)
        for seconds in CLASSES
        if (found := tuple(task for task in tasks if class_of(task) == seconds))
    )
    guarded, opened = _routes(rb, prefix)
    return Plan(
        name=rb.name,
        target=target,
        handler=handler,
        runtime=runtime,
        code=code,
        prefix=prefix,
        work=work,
        patterns=tuple(dict.fromkeys(handler.pattern for handler in rb.registry.events)),
        uploads=bool(rb.registry.uploads),
        inbox=bool(rb.registry.handlers(STORED)),
        guarded=guarded,
        decides=rb.decides,
        open=opened,
        cors=rb.settings.cors_origins,
        additions=additions or Additions(),
    )


def class_of(task: Task) -> int:
    """Seconds of the class that runs a task: the least that its time-out fits into. One without a
    time-out is given the most there is.
    """
    timeout = task.policy.timeout
    if timeout is None:
        return LONGEST
    return next(seconds for seconds in CLASSES if timeout <= seconds)


def _check_length(task: Task) -> None:
    timeout = task.policy.timeout
    if timeout is not None and timeout > LONGEST:
        raise ConfigurationError(
            f"The task {task.name} may take {timeout:g} seconds, and a function of Lambda "
            f"{LONGEST}. Set its timeout to {LONGEST} or less, and let a longer one do its work "
            "in steps: submit the next from the last. Or run it in a container: `ringback worker` "
            "with the engine dynamodb:TABLE."
        )


def _routes(rb: Ringback, prefix: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Routes that need a user, and open ones beside them.

    None where the application decides by itself who is asking: its callers' tokens need not be
    JWTs of the issuer.
    """
    if rb.decides:
        return (), ()
    guarded = [f"GET {prefix}/operations", f"POST {prefix}/revocations"]
    opened: list[str] = []
    tasks = list(rb.registry.submittable())
    public = [task.name for task in tasks if task.public]
    if len(public) < len(tasks) and len(public) < ROUTES and all(map(_SEGMENT.fullmatch, public)):
        guarded.append(f"POST {prefix}/tasks/{{task}}")
        opened += [f"POST {prefix}/tasks/{name}" for name in public]
    uploads = rb.registry.uploads
    if uploads and not any(handler.task.public for handler in uploads):
        guarded.append(f"POST {prefix}/uploads")
    return tuple(guarded), tuple(opened)


def told(tasks: Sequence[Task]) -> Iterator[str]:
    """A line for each task, for the comment above what runs it."""
    for task in tasks:
        policy = task.policy
        facts = [
            "no time-out" if policy.timeout is None else f"{policy.timeout:g} s",
            f"{policy.max_attempts} attempts" if policy.max_attempts > 1 else "1 attempt",
            *(f"{policy.concurrency} at once" for _ in "x" if policy.concurrency),
            PLACES[task.run_in],
        ]
        yield f"{task.name}: {', '.join(facts)}"


def _check(good: bool, cure: str) -> None:
    if not good:
        raise ConfigurationError(cure)
