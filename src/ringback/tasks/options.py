"""The options of ``@rb.task``, ``@rb.on`` and ``@rb.on_upload``, and the task they make.

What belongs here: names, meanings, defaults and checks of options. An error names the option,
what it takes, and what was given.
"""

from __future__ import annotations

import difflib
import inspect
import math
import re
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeAlias, TypedDict, TypeGuard, TypeVar, get_args

from ringback.core.model import Policy
from ringback.errors import ConfigurationError
from ringback.tasks.operation import BlockingOperation, Operation
from ringback.tasks.registry import MAX_RESULT, LimitKey, Predicate, RunIn, Task
from ringback.tasks.signature import Signature, name_of

Seconds: TypeAlias = float | timedelta
"""A duration: a number of seconds, or a timedelta."""

Default = TypeVar("Default", int, float, None)

MIN_LEASE = 0.2
"""Seconds: a shorter lease would run out between two renewals on a busy machine."""
MIN_TIMEOUT = 0.001
MIN_RATE = 1e-6
"""Starts per second: one in some days."""
MAX_PRIORITY = 1_000_000
"""Either way: far more levels than anybody tells apart, and far less than any store can hold."""


_UNNAMEABLE = re.compile(r"[^A-Za-z0-9_.*-]")


class HandlerOptions(TypedDict, total=False):
    """How operations are run; what ``@rb.on`` takes."""

    retries: int
    """Further attempts after the first failed one; 3."""
    retry_on: type[BaseException] | tuple[type[BaseException], ...]
    """Exceptions that are tried again; any other fails the operation at once; ``Exception``."""
    backoff: Seconds
    """Seconds the first retry waits at most; doubles with each up to ``backoff_max``; the wait is
    drawn at random below that (full jitter); 1."""
    backoff_max: Seconds
    """Seconds no retry waits longer; 300."""
    timeout: Seconds | None
    """Seconds one attempt may take; None: no bound."""
    lease: Seconds
    """Seconds after which an operation whose worker is silent is tried elsewhere; 30."""
    concurrency: int | None
    """How many may run at once, over all workers; None: as many as workers take."""
    concurrency_per_key: int | None
    """How many may run at once for each key: the caller, unless ``key`` says otherwise."""
    rate_per_key: float | None
    """How many starts a second for each key."""
    priority: int
    """Higher runs first; 0."""
    run_in: RunIn | None
    """``"loop"`` (async functions), ``"thread"`` (plain ones) or ``"process"`` (plain ones that
    keep a CPU busy); None: by the kind of function."""
    retention: Seconds
    """Seconds a finished operation can still be read; a day."""
    max_result: int
    """Bytes of a result; 1 MiB."""
    cancel_grace: Seconds
    """Seconds a cancelled function has to end by itself: then one in a process is killed, and of
    any other the caller is told that it has not stopped yet; 5."""
    resumable: bool
    """Keep partial results over attempts; see ``Operation.earlier_parts``."""


class UploadOptions(HandlerOptions, total=False):
    """What ``@rb.on_upload`` takes beside its own arguments."""

    public: bool
    """Anybody may submit it, without a token."""
    allow: Predicate | None
    """A plain function of the caller's claims: who may submit it, beyond being signed in."""


class TaskOptions(UploadOptions, total=False):
    """What ``@rb.task`` takes."""

    key: Callable[..., LimitKey] | None
    """What per-key limits count by: a function of the input, called as the task is, without the
    operation; it returns a str, an int or a UUID."""
    idempotency_key: bool
    """Whether callers must send one."""


def declare(
    function: Callable[..., Any],
    name: str | None,
    options: Mapping[str, Any],
    known: type[TaskOptions] | type[UploadOptions] | type[HandlerOptions] = TaskOptions,
) -> Task:
    """The task that a function and options make; ``known`` has those it may have.

    Raises ``ConfigurationError`` when the function or an option cannot be used.
    """
    if not callable(function):
        raise ConfigurationError(f"{function!r} is not a function.")
    _check_names(options, known)
    read = _Reader(options)
    run_in = where_to_run(function, options.get("run_in"))
    signature = Signature(function)
    _check_handle(signature, function, run_in)
    retry_on = options.get("retry_on", Exception)
    task = Task(
        name=name if name is not None else _own_name(function),
        function=function,
        signature=signature,
        policy=_policy(read),
        run_in=run_in,
        retry_on=_exceptions(retry_on),
        key=read.function("key"),
        priority=read.whole("priority", 0, -MAX_PRIORITY, MAX_PRIORITY),
        idempotency_required=read.flag("idempotency_key"),
        public=read.flag("public"),
        allow=read.function("allow"),
        max_result=read.whole("max_result", MAX_RESULT, 1),
        cancel_grace=read.duration("cancel_grace", 5.0),
        internal=known is not TaskOptions,
        description=inspect.getdoc(function) or "",
    )
    if task.key is not None and not task.limited_by_key:
        raise ConfigurationError(
            "key says what a limit counts by, so it needs concurrency_per_key or rate_per_key."
        )
    return task


def _policy(read: _Reader) -> Policy:
    return Policy(
        max_attempts=1 + read.whole("retries", 3, 0),
        backoff_base=read.duration("backoff", 1.0),
        backoff_cap=read.duration("backoff_max", 300.0),
        timeout=read.duration("timeout", None, MIN_TIMEOUT),
        lease=read.duration("lease", 30.0, MIN_LEASE),
        concurrency=read.whole("concurrency", None, 1),
        concurrency_per_key=read.whole("concurrency_per_key", None, 1),
        rate_per_key=read.number("rate_per_key", None, MIN_RATE),
        retention=read.duration("retention", 86400.0),
        resumable=read.flag("resumable"),
    )


class _Reader:
    """Options by name, each checked as it is taken."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options

    def whole(
        self, option: str, default: Default, least: int, most: int | None = None
    ) -> int | Default:
        value: object = self._options.get(option, default)
        if value is None and default is None:
            return default
        if (
            not isinstance(value, int)
            or isinstance(value, bool)
            or value < least
            or (most is not None and value > most)
        ):
            bounds = f"{least} or more" if most is None else f"from {least} to {most}"
            raise _wrong(option, f"is a whole number, {bounds}", value)
        return value

    def number(self, option: str, default: Default, least: float) -> float | Default:
        value: object = self._options.get(option, default)
        if value is None and default is None:
            return default
        if not _is_number(value) or value < least:
            raise _wrong(option, f"is a number, {least:g} or more", value)
        return float(value)

    def duration(self, option: str, default: Default, least: float = 0.0) -> float | Default:
        value: object = self._options.get(option, default)
        if value is None and default is None:
            return default
        if not isinstance(value, timedelta) and not _is_number(value):
            raise _wrong(option, "is a number of seconds or a timedelta", value)
        if seconds(value) < least:
            raise _wrong(option, f"is a duration of {least:g} seconds or more", value)
        return seconds(value)

    def flag(self, option: str) -> bool:
        value = self._options.get(option, False)
        if not isinstance(value, bool):
            raise _wrong(option, "is True or False", value)
        return value

    def function(self, option: str) -> Callable[..., Any] | None:
        value = self._options.get(option)
        if value is None:
            return None
        if not callable(value) or inspect.iscoroutinefunction(value):
            raise _wrong(option, "is a plain function", value)
        found: Callable[..., Any] = value
        return found


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _wrong(option: str, takes: str, value: object) -> ConfigurationError:
    return ConfigurationError(f"{option} {takes}; it is {value!r}.")


def _exceptions(value: object) -> tuple[type[BaseException], ...]:
    classes = value if isinstance(value, tuple) else (value,)
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise _wrong("retry_on", "is an exception class, or a tuple of some", value)
    return classes


def _check_names(options: Mapping[str, Any], known: type[Any]) -> None:
    names = sorted(known.__annotations__)
    for option in options:
        if option in names:
            continue
        if option in TaskOptions.__annotations__:
            raise ConfigurationError(
                f"A handler is not submitted like a task, so it takes no {option}."
            )
        near = difflib.get_close_matches(option, names, n=2)
        guess = f"Did you mean {' or '.join(near)}? " if near else ""
        raise ConfigurationError(
            f"There is no option {option!r}. {guess}There are: {', '.join(names)}."
        )


def _own_name(function: Callable[..., Any]) -> str:
    name: str | None = getattr(function, "__name__", None)
    if name is None or name == "<lambda>":
        raise ConfigurationError(
            f"{name_of(function)} has no name that a task could have. Give one with name=."
        )
    return name


def _check_handle(signature: Signature, function: Callable[..., Any], run_in: RunIn) -> None:
    """An async function awaits what the operation does; a plain one cannot."""
    fitting = Operation if run_in == "loop" else BlockingOperation
    if signature.handle not in (None, fitting):
        raise ConfigurationError(
            f"{name_of(function)} {_RUNS[run_in]}, so annotate {signature.operation} "
            f"{fitting.__name__}."
        )


_RUNS: dict[RunIn, str] = {
    "loop": "is async",
    "thread": "is a plain function and runs in a thread",
    "process": "runs in a process",
}


def where_to_run(function: Callable[..., Any], asked: RunIn | None) -> RunIn:
    """Async functions run on the loop, plain ones in a thread, unless the task says otherwise."""
    name = name_of(function)
    if asked is not None and asked not in get_args(RunIn):
        raise _wrong("run_in", "is 'loop', 'thread' or 'process'", asked)
    called = function if inspect.isroutine(function) else type(function).__call__
    if any(
        kind(each)
        for kind in (inspect.isgeneratorfunction, inspect.isasyncgenfunction)
        for each in (function, called)
    ):
        raise ConfigurationError(
            f"{name} is a generator, and a task returns its result. Send what it yields with "
            "op.send(…)."
        )
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)
    if asked is None:
        return "loop" if is_async else "thread"
    if is_async and asked != "loop":
        raise ConfigurationError(
            f"{name} is async and runs on the event loop; make it a plain function to run it in "
            f"a {asked}."
        )
    if not is_async and asked == "loop":
        raise ConfigurationError(
            f"{name} is a plain function and would block the event loop; make it async, or run it "
            "in a thread."
        )
    if asked == "process":
        _check_importable(function)
    return asked


def _check_importable(function: Callable[..., Any]) -> None:
    """A process imports the function anew, by its module and its name there."""
    qualname = getattr(function, "__qualname__", "")
    if not qualname or "<" in qualname:
        raise ConfigurationError(
            f"{name_of(function)} runs in a process, which imports it anew: define it with def at "
            "the top level of a module."
        )


def label(kind: str, what: str, function: Callable[..., Any]) -> str:
    """The name of a handler that was given none."""
    return f"{kind}:{_UNNAMEABLE.sub('.', what.strip('/')) or 'any'}:{_own_name(function)}"


def check_takes(task: Task, kind: type, does: str) -> None:
    """Raise ``ConfigurationError`` unless the function takes one of ``kind`` and nothing else."""
    takes = task.signature.whole_type
    if not (isinstance(takes, type) and issubclass(takes, kind)):
        raise ConfigurationError(
            f"{name_of(task.function)} {does}, so it takes one parameter that is annotated "
            f"{kind.__name__}, and the operation if it wants."
        )


def check_found(task: Task) -> None:
    """What a process will find under the function's name. To be called once all is imported.

    Raises ``ConfigurationError`` if it is nothing, or another function.
    """
    function = task.function
    found: Any = sys.modules.get(function.__module__)
    if function.__module__ == "__main__" and not hasattr(found, "__file__"):
        raise ConfigurationError(
            f"The task {task.name} runs in a process, which cannot import a program that is no "
            "file. Put the function into a module."
        )
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    if found != function:  # a bound method is made anew each time it is asked for
        raise ConfigurationError(
            f"The task {task.name} runs in a process, which imports {function.__qualname__} from "
            f"{function.__module__}, and finds {'another' if found else 'nothing'} there. Let "
            "@rb.task be the outermost decorator, and keep the name."
        )


def seconds(value: Seconds) -> float:
    """A duration as a number of seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
