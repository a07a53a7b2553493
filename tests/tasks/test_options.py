"""What can be said of a task, and what is answered to what cannot."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, assert_type

import pytest
from pydantic import BaseModel

from ringback import BlockingOperation, CloudEvent, Operation, Ringback, Upload
from ringback.core.model import Policy
from ringback.errors import ConfigurationError
from tests.worker import jobs


async def count(n: int) -> int:
    return n


def plain(n: int) -> int:
    return n


def test_the_defaults_are_those_of_the_records() -> None:
    rb = Ringback()
    rb.task(count)
    task = rb.registry.tasks["count"]
    assert task.policy == Policy()
    assert (task.run_in, task.priority, task.public, task.internal) == ("loop", 0, False, False)
    rb.task(plain)
    assert rb.registry.tasks["plain"].run_in == "thread"


def test_every_option_arrives() -> None:
    rb = Ringback()

    def key(n: int) -> str:
        return str(n)

    def allow(claims: object) -> bool:
        return True

    rb.task(
        name="counting",
        retries=1,
        retry_on=(OSError, ValueError),
        backoff=timedelta(seconds=2),
        backoff_max=60,
        timeout=timedelta(minutes=1),
        lease=5,
        concurrency=4,
        concurrency_per_key=2,
        rate_per_key=0.5,
        key=key,
        priority=-3,
        run_in="thread",
        idempotency_key=True,
        retention=timedelta(days=2),
        max_result=10,
        cancel_grace=1,
        resumable=True,
        public=True,
        allow=allow,
    )(plain)
    task = rb.registry.tasks["counting"]
    assert task.policy == Policy(
        max_attempts=2,
        backoff_base=2.0,
        backoff_cap=60.0,
        lease=5.0,
        timeout=60.0,
        retention=172800.0,
        concurrency=4,
        concurrency_per_key=2,
        rate_per_key=0.5,
        resumable=True,
    )
    assert task.retry_on == (OSError, ValueError)
    assert (task.key, task.allow, task.priority, task.max_result) == (key, allow, -3, 10)
    assert (task.idempotency_required, task.public, task.cancel_grace) == (True, True, 1.0)


NAN = float("nan")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"retries": -1}, "retries is a whole number, 0 or more; it is -1"),
        ({"retries": "3"}, "retries is a whole number, 0 or more; it is '3'"),
        ({"retries": True}, "retries is a whole number"),
        ({"retries": None}, "retries is a whole number"),
        ({"backoff": "1s"}, "backoff is a number of seconds or a timedelta; it is '1s'"),
        ({"backoff": NAN}, "backoff is a number of seconds"),
        ({"backoff_max": -1}, "backoff_max is a duration of 0 seconds or more"),
        ({"timeout": 0}, "timeout is a duration of 0.001 seconds or more; it is 0"),
        ({"timeout": float("inf")}, "timeout is a number of seconds"),
        ({"lease": 0.1}, "lease is a duration of 0.2 seconds or more"),
        ({"retention": timedelta(-1)}, "retention is a duration of 0 seconds or more"),
        ({"concurrency": 0}, "concurrency is a whole number, 1 or more"),
        ({"concurrency_per_key": 1.5}, "concurrency_per_key is a whole number"),
        ({"rate_per_key": 0}, "rate_per_key is a number, 1e-06 or more"),
        ({"priority": 2.5}, "priority is a whole number, from -1000000 to 1000000"),
        ({"priority": 10**12}, "priority is a whole number, from"),
        ({"max_result": 0}, "max_result is a whole number, 1 or more"),
        ({"cancel_grace": -1}, "cancel_grace is a duration"),
        ({"resumable": 1}, "resumable is True or False; it is 1"),
        ({"public": "yes"}, "public is True or False"),
        ({"idempotency_key": None}, "idempotency_key is True or False"),
        ({"run_in": "fork"}, "run_in is 'loop', 'thread' or 'process'; it is 'fork'"),
        ({"retry_on": ValueError()}, "retry_on is an exception class, or a tuple of some"),
        ({"retry_on": (ValueError, int)}, "retry_on is an exception class"),
        ({"key": "user", "rate_per_key": 1}, "key is a plain function; it is 'user'"),
        ({"allow": count}, "allow is a plain function"),
        ({"key": plain}, "key says what a limit counts by, so it needs concurrency_per_key or"),
        ({"retry": 3}, "no option 'retry'. Did you mean retry_on or retries"),
        ({"zzz": 3}, "no option 'zzz'. There are: allow, backoff"),
        ({"name": "a task"}, "'a task' is no name for a task: use letters"),
        ({"name": ""}, "'' is no name for a task"),
        ({"name": "x" * 101}, "at most 100"),
    ],
)
def test_a_wrong_option_says_what_it_takes(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Ringback().task(**options)(count)


async def generating() -> AsyncIterator[int]:
    yield 1


def generator() -> Iterator[int]:
    yield 1


async def blocking_handle(op: BlockingOperation) -> None: ...


def async_handle(op: Operation) -> None: ...


@pytest.mark.parametrize(
    ("function", "options", "says"),
    [
        (count, {"run_in": "thread"}, "is async.*plain function to run it in a thread"),
        (plain, {"run_in": "loop"}, "would block the event loop"),
        (generating, {}, "is a generator.*op.send"),
        (generator, {}, "is a generator.*op.send"),
        (blocking_handle, {}, "is async, so annotate op Operation"),
        (async_handle, {}, "runs in a thread, so annotate op BlockingOperation"),
        (async_handle, {"run_in": "process"}, "runs in a process, so annotate op Blocking"),
        (lambda: 1, {}, "has no name that a task could have. Give one with name="),
        (partial(plain, n=1), {}, "has no name that a task could have"),
        (lambda: 1, {"run_in": "process", "name": "one"}, "define it with def at the top level"),
        (partial(plain, n=1), {"run_in": "process", "name": "one"}, "define it with def at the"),
        ("plain", {"name": "one"}, "'plain' is not a function"),
    ],
)
def test_a_function_that_cannot_run_so_says_why(
    function: Callable[..., Any], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Ringback().task(**options)(function)


def test_a_closure_cannot_run_in_a_process() -> None:
    def closure() -> None: ...

    with pytest.raises(ConfigurationError, match="define it with def at the top level"):
        Ringback().task(run_in="process")(closure)


async def test_a_process_would_find_another_function(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rb = Ringback(data=data)
    rb.task(run_in="process")(jobs.double)
    monkeypatch.setattr(jobs, "double", plain)
    with pytest.raises(ConfigurationError, match=r"finds another there. Let @rb.task be the outer"):
        await asyncio.wait_for(_start(rb), 60)
    monkeypatch.delattr(jobs, "double")
    with pytest.raises(ConfigurationError, match="finds nothing there"):
        await asyncio.wait_for(_start(rb), 60)


async def test_a_program_that_is_no_file_has_no_processes(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rb = Ringback(data=data)
    rb.task(run_in="process")(jobs.double)
    monkeypatch.setattr(jobs.double, "__module__", "__main__")
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    with pytest.raises(ConfigurationError, match="a program that is no file"):
        await asyncio.wait_for(_start(rb), 60)


async def _start(rb: Ringback) -> None:
    async with rb.running():
        pass


def test_a_name_is_taken_once() -> None:
    rb = Ringback()
    rb.task(count)
    with pytest.raises(ConfigurationError, match=r"Two tasks are named 'count'.*name="):
        rb.task(name="count")(plain)


class Adder:
    async def __call__(self, n: int) -> int:
        return n

    def method(self, n: int) -> int:
        return n


def test_objects_and_methods_can_be_tasks() -> None:
    rb = Ringback()
    rb.task(name="object")(Adder())
    rb.task(Adder().method)
    assert rb.registry.tasks["object"].run_in == "loop"
    assert rb.registry.tasks["method"].run_in == "thread"


# Handlers


async def on_event(event: CloudEvent) -> None: ...


async def on_upload(upload: Upload) -> None: ...


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"retry": 3}, "no option 'retry'. Did you mean retry_on or retries"),
        ({"public": True}, "not submitted like a task, so it takes no public"),
        ({"key": plain}, "takes no key"),
        ({"idempotency_key": True}, "takes no idempotency_key"),
        ({"allow": plain}, "takes no allow"),
        ({"retries": -1}, "retries is a whole number"),
    ],
)
def test_a_wrong_option_of_a_handler_says_so(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Ringback().on("a", **options)(on_event)


def test_a_handler_takes_what_it_handles() -> None:
    with pytest.raises(ConfigurationError, match=r"handles events.*annotated CloudEvent"):
        Ringback().on("a")(count)
    with pytest.raises(ConfigurationError, match=r"handles uploads.*annotated Upload"):
        Ringback().on_upload("a")(on_event)
    with pytest.raises(ConfigurationError, match="handles events"):
        Ringback().on("a")(on_upload)


def test_handlers_have_names_that_tell_what_they_handle() -> None:
    rb = Ringback()
    rb.on("org.example/question *")(on_event)
    rb.on("question.*", name="second")(on_event)
    rb.on_upload("photos/", max_size=1)(on_upload)
    assert list(rb.registry.tasks) == [
        "on:org.example.question.*:on_event",
        "second",
        "upload:photos:on_upload",
    ]
    assert all(task.internal for task in rb.registry.tasks.values())
    assert not list(rb.registry.submittable())
    with pytest.raises(ConfigurationError, match="Two tasks are named"):
        rb.on("question.*", name="second")(on_event)


@pytest.mark.parametrize(
    ("pattern", "event", "matches"),
    [
        ("question.asked", "question.asked", True),
        ("question.asked", "question.askedd", False),
        ("question.*", "question.asked.again", True),
        ("question.*", "question.", True),
        ("question.*", "question", False),
        ("*", "anything at all\n", True),
        ("*.asked", "question.asked", True),
        ("a*b*c", "a-b-b-c", True),
        ("a?c", "abc", False),
        ("a[b]c", "abc", False),
        ("a[b]c", "a[b]c", True),
        ("A", "a", False),
        ("a.c", "abc", False),
    ],
)
def test_a_star_stands_for_any_text_and_nothing_else_does(
    pattern: str, event: str, matches: bool
) -> None:
    rb = Ringback()
    rb.on(pattern, name="handler")(on_event)
    assert bool(rb.registry.handlers(event)) is matches


# Types


class Answer(BaseModel):
    n: int


def test_decorators_keep_the_type_of_the_function() -> None:
    rb = Ringback()

    @rb.task
    async def bare(n: int) -> Answer:
        return Answer(n=n)

    @rb.task(retries=1)
    async def with_options(op: Operation, n: int) -> Answer:
        return Answer(n=n)

    @rb.on("a")
    def handler(event: CloudEvent[Answer]) -> None:
        assert_type(event.data, Answer)

    assert_type(asyncio.run(bare(1)), Answer)
    assert asyncio.run(bare(n=2)) == Answer(n=2)
    handler(CloudEvent(id="1", source="/a", type="a", data=Answer(n=1)))
    checked: Callable[..., Any] = with_options
    assert checked.__name__ == "with_options"
