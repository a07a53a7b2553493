"""What a task function takes and gives, read from its annotations.

One parameter whose type is a model (pydantic model, dataclass, TypedDict, msgspec Struct) is
the whole body. Otherwise the body is an object with a member for each parameter. A parameter
annotated ``Operation`` or ``BlockingOperation``, or named ``op``, gets the operation itself.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import Any, is_typeddict

import msgspec
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic_core import PydanticSerializationError, to_json

from ringback.errors import ConfigurationError, InvalidInput
from ringback.tasks.operation import BlockingOperation, Operation

MAX_FAULTS = 20
"""Faults told of one input: enough to mend it, and no more of a hostile one."""


class Signature:
    """How one function is called with a JSON body, and how its result becomes JSON."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Raises ``ConfigurationError`` when the annotations cannot be used."""
        self.function = function
        name = getattr(function, "__qualname__", repr(function))
        try:
            hints = typing.get_type_hints(function, include_extras=True)
            parameters = inspect.signature(function).parameters
        except (NameError, TypeError, ValueError) as error:
            raise ConfigurationError(f"The annotations of {name} cannot be read: {error}") from None
        self.operation: str | None = None
        """The parameter that gets the operation."""
        wanted: dict[str, inspect.Parameter] = {}
        for parameter in parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise ConfigurationError(f"{name} takes *args or **kwargs; name its parameters.")
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise ConfigurationError(f"{name} has positional-only parameters; name them.")
            kind = hints.get(parameter.name)
            if self.operation is None and (
                kind in (Operation, BlockingOperation) or parameter.name == "op"
            ):
                self.operation = parameter.name
            else:
                wanted[parameter.name] = parameter
        self.whole: str | None = None
        """The parameter that is the whole body."""
        self._adapter: TypeAdapter[Any]
        try:
            only = next(iter(wanted)) if len(wanted) == 1 else None
            if only is not None and _is_model(hints.get(only, Any)):
                self.whole = only
                self._adapter = TypeAdapter(hints[only])
            else:
                fields: dict[str, Any] = {
                    key: (
                        hints.get(key, Any),
                        ... if value.default is value.empty else value.default,
                    )
                    for key, value in wanted.items()
                }
                model = create_model(
                    f"{_camel(getattr(function, '__name__', 'task'))}Input",
                    __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=False),
                    **fields,
                )
                self._adapter = TypeAdapter(model)
            self._names = tuple(wanted)
            result = hints.get("return", Any)
            self._result: TypeAdapter[Any] = TypeAdapter(None if result is type(None) else result)
        except Exception as error:  # pydantic raises many kinds, of the user's own types
            raise ConfigurationError(
                f"The parameters or the result of {name} have no JSON form: {error}"
            ) from error

    def validate(self, body: bytes) -> Any:
        """The input as the function's types. Raises ``InvalidInput`` with JSON Pointers."""
        try:
            return self._adapter.validate_json(body)
        except ValidationError as error:
            raise invalid_input(error) from None

    def arguments(self, value: Any) -> dict[str, Any]:
        """What ``validate`` returned, as keyword arguments."""
        if self.whole is not None:
            return {self.whole: value}
        return {name: getattr(value, name) for name in self._names}

    def encode_result(self, value: Any) -> bytes:
        """A result as JSON. Raises ``TypeError`` if it is not of the annotated type."""
        try:
            checked = self._result.validate_python(value)
            return self._result.dump_json(checked)
        except (ValidationError, PydanticSerializationError, ValueError) as error:
            raise TypeError(f"The result is not of the annotated type: {error}") from error

    def input_schema(self, template: str) -> dict[str, Any]:
        """JSON Schema (2020-12) of the body; ``template`` is where definitions will stand."""
        return self._adapter.json_schema(ref_template=template, mode="validation")

    def result_schema(self, template: str) -> dict[str, Any]:
        """JSON Schema of the result."""
        return self._result.json_schema(ref_template=template, mode="serialization")


def to_json_bytes(value: Any) -> bytes:
    """Any value as JSON: models, dataclasses, dates, and bytes already encoded as ``Raw``."""
    if isinstance(value, msgspec.Raw):
        return bytes(value)
    if isinstance(value, msgspec.Struct):
        return msgspec.json.encode(value)
    return to_json(value)


def invalid_input(error: ValidationError) -> InvalidInput:
    """The problem a caller gets: each fault with a JSON Pointer (RFC 6901) and what to mend."""
    faults = [
        {"pointer": _pointer(fault["loc"]), "detail": fault["msg"]}
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return InvalidInput(errors=faults[:MAX_FAULTS], error_count=len(faults))


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)


def _is_model(kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and (
        issubclass(origin, BaseModel | msgspec.Struct)
        or dataclasses.is_dataclass(origin)
        or is_typeddict(origin)
    )


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_") if part) or "Task"
