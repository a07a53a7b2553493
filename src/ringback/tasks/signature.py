"""What a task function takes and gives, read from its annotations.

One parameter whose type is a model (pydantic model, dataclass, TypedDict) is the whole body.
Otherwise the body is an object with a member for each parameter. A parameter annotated
``Operation`` or ``BlockingOperation``, or named ``op`` without an annotation, gets the operation
itself; ``Operation[Month]`` says what its partial results are.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from typing_extensions import is_typeddict

from ringback.errors import ConfigurationError, InvalidInput, UnfitResult
from ringback.tasks.operation import BlockingOperation, Operation
from ringback.tasks.parts import Parts

MAX_FAULTS = 20
"""Faults told of one input: enough to mend it, and no more of a hostile one."""
MAX_COUNTED = 2000
"""Faults beyond which none is told: a body of a megabyte can have half a million, and making a
list of them all, which is the only way to the first, would keep the event loop for seconds."""
HANDLES = (Operation, BlockingOperation)


class Signature:
    """How one function is called with a JSON body, and how its result becomes JSON."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Raises ``ConfigurationError`` when the annotations cannot be used."""
        name = name_of(function)
        hints = _hints(function, name)
        self.operation: str | None = None
        """The parameter that gets the operation."""
        self.handle: type[Operation] | type[BlockingOperation] | None = None
        """What it is annotated with, if it is."""
        part: Any = Any
        wanted: dict[str, inspect.Parameter] = {}
        for parameter in _parameters(function, name):
            handle, of = _handle(hints.get(parameter.name))
            if handle is None and not (parameter.name == "op" and "op" not in hints):
                wanted[parameter.name] = parameter
                continue
            if self.operation is not None:
                raise ConfigurationError(
                    f"{name} takes the operation twice, as {self.operation} and as "
                    f"{parameter.name}. Keep one."
                )
            self.operation, self.handle, part = parameter.name, handle, of
        only = next(iter(wanted)) if len(wanted) == 1 else None
        self.whole = only if only is not None and _is_model(hints.get(only)) else None
        """The parameter that is the whole body."""
        self.whole_type: Any = None if self.whole is None else _bare(hints[self.whole])
        self._names = {name: _field_name(name) for name in wanted}
        try:
            self._adapter: TypeAdapter[Any] = (
                TypeAdapter(hints[self.whole])
                if self.whole is not None
                else TypeAdapter(self._model(function, wanted, hints))
            )
            result = hints.get("return", Any)
            self._result: TypeAdapter[Any] = TypeAdapter(None if result is type(None) else result)
            self.parts = Parts(part)
            """What its partial results are."""
        except Exception as error:  # pydantic raises many kinds, of the user's own types
            raise ConfigurationError(
                f"The parameters, the result or the partial results of {name} have no JSON form: "
                f"{error}"
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
        return {name: getattr(value, field) for name, field in self._names.items()}

    def encode_result(self, value: Any) -> bytes:
        """A result as JSON. Raises ``UnfitResult`` if it is not of the annotated type, with what
        does not fit and where, as ``InvalidInput`` has it.
        """
        try:
            checked = self._result.validate_python(value)
            return self._result.dump_json(checked, by_alias=True, warnings="error")
        except ValidationError as error:
            raise UnfitResult(**invalid_input(error).fields) from error
        except Exception as error:  # whatever the user's own validators and serializers raise
            raise UnfitResult from error

    def input_schema(self, template: str) -> dict[str, Any]:
        """JSON Schema (2020-12) of the body; ``template`` is where definitions will stand."""
        return self._adapter.json_schema(ref_template=template, mode="validation")

    def result_schema(self, template: str) -> dict[str, Any]:
        """JSON Schema of the result."""
        return self._result.json_schema(ref_template=template, mode="serialization")

    def _model(
        self,
        function: Callable[..., Any],
        wanted: dict[str, inspect.Parameter],
        hints: dict[str, Any],
    ) -> type[BaseModel]:
        """An object with a member for each parameter, and no other."""
        fields: dict[str, Any] = {}
        for name, parameter in wanted.items():
            kind = hints.get(name, Any)
            if self._names[name] != name:
                kind = Annotated[kind, Field(alias=name)]
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[self._names[name]] = (kind, default)
        return create_model(
            f"{_camel(getattr(function, '__name__', 'task'))}Input",
            __config__=ConfigDict(extra="forbid"),
            **fields,
        )


def name_of(function: Callable[..., Any]) -> str:
    """What errors call a function by."""
    return getattr(function, "__qualname__", None) or repr(function)


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    annotated: Any = function
    while isinstance(annotated, functools.partial):
        annotated = annotated.func
    if not inspect.isroutine(annotated):
        annotated = type(annotated).__call__
    try:
        return typing.get_type_hints(annotated, include_extras=True)
    except NameError as error:
        raise ConfigurationError(
            f"The annotations of {name} cannot be read: {error}. They are needed when the program "
            "runs, so import that name outside of `if TYPE_CHECKING:`, and define it at the top "
            "level of its module."
        ) from None
    except (TypeError, ValueError, SyntaxError) as error:
        raise ConfigurationError(f"The annotations of {name} cannot be read: {error}") from None


def _parameters(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"The parameters of {name} cannot be read: {error}") from None
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ConfigurationError(
                f"{name} takes *args or **kwargs, which have no JSON form. Name its parameters."
            )
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise ConfigurationError(
                f"{name} has positional-only parameters, but the body's members have names. Drop "
                "the '/' from its parameters."
            )
    return parameters


def _handle(kind: Any) -> tuple[type[Operation] | type[BlockingOperation] | None, Any]:
    """The handle that an annotation stands for, also as ``Operation | None``; and the type of what
    it sends, as in ``Operation[Month]``.
    """
    kind = _bare(kind)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        members = [each for each in typing.get_args(kind) if each is not type(None)]
        kind = members[0] if len(members) == 1 else None
    part: Any = Any
    if typing.get_origin(kind) in HANDLES:
        (part,) = typing.get_args(kind)
        kind = typing.get_origin(kind)
    return (kind, part) if kind in HANDLES else (None, Any)


def _field_name(parameter: str) -> str:
    """A name that a model can give to a field: not one that ``BaseModel`` itself needs."""
    taken = hasattr(BaseModel, parameter) or parameter.startswith(("_", "model_"))
    return f"parameter_{parameter}" if taken else parameter


def invalid_input(error: ValidationError) -> InvalidInput:
    """The problem a caller gets: each fault with a JSON Pointer (RFC 6901) and what to mend."""
    count = error.error_count()
    if count > MAX_COUNTED:
        return InvalidInput(
            f"The input has {count} faults, too many to list. Does it have the right shape?",
            errors=[],
            error_count=count,
        )
    faults = [
        {"pointer": _pointer(fault["loc"]), "detail": fault["msg"]}
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return InvalidInput(errors=faults[:MAX_FAULTS], error_count=count)


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in location)


def _is_model(kind: Any) -> bool:
    kind = _bare(kind)
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and (
        issubclass(origin, BaseModel) or dataclasses.is_dataclass(origin) or is_typeddict(origin)
    )


def _bare(kind: Any) -> Any:
    """A type without what ``Annotated`` says of it."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_") if part) or "Task"
