"""The catalogue: what tasks an application has, as a value that a store can keep.

An application writes it when it starts. So a process without the application's code, such as
the command line on a data folder, knows which tasks there are and by which policy their
operations are stored. What it cannot know is the functions: input is then taken unchecked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from pydantic.errors import PydanticInvalidForJsonSchema

from ringback.core.model import Policy
from ringback.errors import ConfigurationError, MalformedRequest
from ringback.tasks.registry import Registry, Task
from ringback.tasks.signature import Signature

FACT = "tasks"
"""The name of the fact in the store."""
DEFINITIONS = "#/$defs/{model}"
"""Where a schema's definitions stand: within it."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One task that callers may submit."""

    name: str
    policy: Policy
    description: str = ""
    schema: dict[str, Any] = {}
    """JSON Schema of the input."""
    result_schema: dict[str, Any] = {}
    priority: int = 0
    idempotency_required: bool = False
    keyed: bool = False
    """Whether its limits count by a key that a function of the application makes."""


def write(registry: Registry) -> bytes:
    """The catalogue of an application's tasks, as JSON."""
    return msgspec.json.encode(
        [
            Entry(
                name=task.name,
                policy=task.policy,
                description=task.description,
                schema=_schema(task.signature.input_schema),
                result_schema=_schema(task.signature.result_schema),
                priority=task.priority,
                idempotency_required=task.idempotency_required,
                keyed=task.limited_by_key and task.key is not None,
            )
            for task in registry.submittable()
        ],
        order="deterministic",
    )


def read(catalogue: bytes) -> Registry:
    """Tasks that can be submitted, though not run. Raises ``ConfigurationError``."""
    try:
        entries = msgspec.json.decode(catalogue, type=list[Entry])
    except msgspec.MsgspecError as error:
        raise ConfigurationError(
            f"The store's catalogue of tasks is not one of this version ({error}). Start the "
            "application once with this version, or name it with --app."
        ) from None
    registry = Registry()
    for entry in entries:
        registry.add(
            Task(
                name=entry.name,
                function=_elsewhere,
                signature=_Unchecked(),
                policy=entry.policy,
                run_in="loop",
                key=_unknown_key if entry.keyed else None,
                priority=entry.priority,
                idempotency_required=entry.idempotency_required,
                description=entry.description,
            )
        )
    return registry


def _schema(describe: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """A JSON Schema; that of anything, for a type that has none."""
    try:
        return describe(DEFINITIONS)
    except PydanticInvalidForJsonSchema:
        return {}


async def _elsewhere() -> None:
    """Stands for a function that only the application has."""


def _unknown_key(*_: object) -> str:
    raise ConfigurationError(
        "The limits of this task count by a key that its application computes. "
        "Name the application with --app."
    )


class _Unchecked(Signature):
    """Any JSON is taken: the worker checks it against the task's model."""

    def __init__(self) -> None:
        super().__init__(_elsewhere)

    def validate(self, body: bytes) -> Any:
        try:
            return msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            raise MalformedRequest(f"The input is not JSON: {error}.") from None

    def arguments(self, value: Any) -> dict[str, Any]:
        return {}
