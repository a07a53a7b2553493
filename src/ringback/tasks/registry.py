"""What an application registers: tasks, handlers of events, handlers of uploads.

What belongs here: names, options and look-up. What does not: running them (``worker``).
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from uuid import UUID

from ringback.core.access import Claims
from ringback.core.model import Policy
from ringback.errors import ConfigurationError, RingbackError, UnknownTask
from ringback.tasks.signature import Signature
from ringback.tasks.topics import DeclaredTopic, TopicOptions, declare_topic

RunIn = Literal["loop", "thread", "process"]

MAX_RESULT = 1024 * 1024
"""Bytes of a result unless the task says otherwise; more belongs in an object store."""
MAX_LIMIT_KEY = 200
"""Characters of a key that concurrency and rate are counted by."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:*-]{0,99}")

Predicate = Callable[[Claims], bool]

LimitKey: TypeAlias = str | int | UUID
"""What ``key=`` may return. Of other things no text is sure to tell two keys apart, or to be the
same for one: ``None`` for a forgotten return, an object's address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One registered function and how it is run."""

    name: str
    function: Callable[..., Any]
    signature: Signature
    policy: Policy
    run_in: RunIn
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    """Exceptions that are tried again; any other fails the operation at once."""
    key: Callable[..., LimitKey] | None = None
    """From the input, what per-key limits count by; None: the caller's subject."""
    priority: int = 0
    idempotency_required: bool = False
    public: bool = False
    """Whether anybody may submit it without a token."""
    allow: Predicate | None = None
    """Who may submit it, beyond being signed in."""
    max_result: int = MAX_RESULT
    cancel_grace: float = 5.0
    """Seconds a cancelled function has to end by itself: see ``options``."""
    internal: bool = False
    """A handler: run by events or uploads, never submitted over HTTP."""
    description: str = ""

    @property
    def limited_by_key(self) -> bool:
        """Whether operations of this task carry a limit key."""
        return self.policy.concurrency_per_key is not None or self.policy.rate_per_key is not None

    def limit_key(self, value: Any, subject: str | None) -> str | None:
        """What the per-key limits of an operation count by: with this validated input, of this
        subject. None where there are none.

        Raises ``ConfigurationError`` when the application's own function does not work.
        """
        if not self.limited_by_key:
            return None
        if self.key is None:
            key = subject or ""
        else:
            made = self._ask("key", self.key, *self.signature.arguments(value).values())
            if not isinstance(made, LimitKey):
                raise ConfigurationError(
                    f"The key= function of the task {self.name} returned {_kind(made)}. Let it "
                    "return a str, an int or a UUID."
                )
            key = str(made)
        if len(key) <= MAX_LIMIT_KEY:
            return key
        digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=16).hexdigest()
        return f"{key[: MAX_LIMIT_KEY - len(digest)]}{digest}"  # two long keys stay two

    def allows(self, claims: Claims) -> bool:
        """Whether the application lets these claims submit it. Raises as ``limit_key`` does."""
        if self.allow is None:
            return True
        answer = self._ask("allow", self.allow, claims)
        if inspect.isawaitable(answer):  # which would be true, whatever comes of it
            raise ConfigurationError(
                f"The allow= function of the task {self.name} returned {_kind(answer)}. Let it be "
                "a plain function, or use authorize=, which may be async."
            )
        return bool(answer)

    def _ask(self, option: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """What an option's function says; an error of ours that it raises is its answer."""
        try:
            return function(*arguments)
        except RingbackError:
            raise
        except Exception as error:
            raise ConfigurationError(
                f"The {option}= function of the task {self.name} raised {_kind(error)}."
            ) from error


def _kind(value: object) -> str:
    return type(value).__name__


@dataclass(frozen=True, kw_only=True, slots=True)
class EventHandler:
    """A task that is run for each event whose type matches."""

    pattern: str
    """``*`` stands for any text, and nothing else for anything but itself."""
    task: Task

    def matches(self, event_type: str) -> bool:
        parts = map(re.escape, self.pattern.split("*"))
        return re.fullmatch(".*".join(parts), event_type, re.DOTALL) is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadHandler:
    """A task that is run for each complete upload whose name begins with ``prefix``."""

    prefix: str
    task: Task
    max_size: int | None = None
    types: tuple[str, ...] = ()
    """Media types taken, with ``*`` as a wildcard; empty: any."""


@dataclass(slots=True)
class Registry:
    """All that an application registered."""

    tasks: dict[str, Task] = field(default_factory=dict)
    events: list[EventHandler] = field(default_factory=list)
    uploads: list[UploadHandler] = field(default_factory=list)
    topics: list[tuple[str, TopicOptions]] = field(default_factory=list)

    def add(self, task: Task) -> None:
        """Register a task. Raises ``ConfigurationError`` for a wrong or a taken name."""
        if not _NAME.fullmatch(task.name):
            raise ConfigurationError(
                f"{task.name!r} is no name for a task: use letters, digits, '_', '.', ':' and "
                "'-', at most 100."
            )
        if task.name in self.tasks:
            raise ConfigurationError(
                f"Two tasks are named {task.name!r}. Give one another name with name=."
            )
        self.tasks[task.name] = task

    def add_topic(self, pattern: str, options: TopicOptions) -> None:
        """Declare topics. Raises ``ConfigurationError`` for what cannot be meant."""
        if any(pattern == each for each, _ in self.topics):
            raise ConfigurationError(f"The topics {pattern!r} are declared twice. Keep one.")
        declare_topic(pattern, options, 1.0)
        self.topics.append((pattern, options))

    def declared_topics(self, retention: float) -> list[DeclaredTopic]:
        """All declarations, where ``retention`` seconds is how long messages are kept that are
        declared without an age.
        """
        return [declare_topic(pattern, options, retention) for pattern, options in self.topics]

    def submittable(self) -> Iterator[Task]:
        """Those that callers may submit."""
        return (task for task in self.tasks.values() if not task.internal)

    def submitted(self, name: str) -> Task:
        """The task a caller means. Raises ``UnknownTask``, with near names."""
        task = self.tasks.get(name)
        if task is None or task.internal:
            names = [task.name for task in self.submittable()]
            raise UnknownTask(
                f"No task is named {name[:100]!r}.",
                near=difflib.get_close_matches(name[:100], names, n=3, cutoff=0.5),
                tasks=len(names),
            )
        return task

    def handlers(self, event_type: str) -> list[EventHandler]:
        """The handlers an event of this type is for."""
        return [handler for handler in self.events if handler.matches(event_type)]

    def upload_handler(self, name: str) -> UploadHandler | None:
        """The handler with the longest prefix that ``name`` begins with."""
        matching = [handler for handler in self.uploads if name.startswith(handler.prefix)]
        return max(matching, key=lambda handler: len(handler.prefix), default=None)
