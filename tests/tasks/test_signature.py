"""What a function's annotations make of its body and its result."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Annotated, Any, cast

import pytest
from pydantic import BaseModel, Field, field_validator
from typing_extensions import TypedDict

from ringback import BlockingOperation, Operation
from ringback.errors import ConfigurationError, InvalidInput, UnfitResult
from ringback.tasks.signature import Signature


class Question(BaseModel):
    text: str = Field(max_length=10)
    day: date | None = None


@dataclass
class Point:
    x: int
    y: int = 0


class Row(TypedDict):
    n: int


def arguments(function: Callable[..., Any], body: object) -> dict[str, Any]:
    signature = Signature(function)
    return signature.arguments(signature.validate(json.dumps(body).encode()))


def test_a_model_is_the_whole_body() -> None:
    async def ask(op: Operation, question: Question) -> None: ...

    (question,) = arguments(ask, {"text": "why", "day": "2026-01-02"}).values()
    assert question == Question(text="why", day=date(2026, 1, 2))


def test_so_are_a_dataclass_a_typed_dict_and_what_annotated_wraps() -> None:
    def plot(point: Point) -> None: ...
    def store(row: Row) -> None: ...
    def ask(question: Annotated[Question, "a question"]) -> None: ...

    assert arguments(plot, {"x": "3"}) == {"point": Point(3, 0)}
    assert arguments(store, {"n": 1}) == {"row": {"n": 1}}
    assert arguments(ask, {"text": "why"}) == {"question": Question(text="why")}


def test_otherwise_each_parameter_is_a_member() -> None:
    def add(a: int, b: int = 2, *, question: Question | None = None) -> None: ...

    assert arguments(add, {"a": 1}) == {"a": 1, "b": 2, "question": None}
    assert arguments(add, {"a": 1, "b": 5, "question": {"text": "x"}}) == {
        "a": 1,
        "b": 5,
        "question": Question(text="x"),
    }


def test_a_function_of_nothing_takes_an_empty_object() -> None:
    def tick() -> None: ...

    assert arguments(tick, {}) == {}
    with pytest.raises(InvalidInput):
        arguments(tick, {"a": 1})


@pytest.mark.parametrize("name", ["copy", "schema", "json", "model_config", "_private", "dict"])
def test_names_that_a_model_keeps_for_itself_are_fine(name: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def task({name}: int) -> None: ...", scope)  # noqa: S102 - names of our own
    assert arguments(scope["task"], {name: 3}) == {name: 3}
    with pytest.raises(InvalidInput) as refused:
        arguments(scope["task"], {name: "x"})
    assert refused.value.fields["errors"][0]["pointer"] == f"/{name}"  # type: ignore[index]
    schema = Signature(scope["task"]).input_schema("#/{model}")
    assert list(schema["properties"]) == [name]


def test_each_fault_is_pointed_at() -> None:
    def ask(questions: list[Question], limit: Annotated[int, Field(ge=1)] = 5) -> None: ...

    with pytest.raises(InvalidInput) as refused:
        arguments(ask, {"questions": [{"text": "ok"}, {"text": "far too long"}], "a/b~c": 1})
    errors = refused.value.fields["errors"]
    assert isinstance(errors, list)
    assert {error["pointer"] for error in errors} == {"/questions/1/text", "/a~1b~0c"}
    assert refused.value.fields["error_count"] == 2


@pytest.mark.parametrize(
    ("annotation", "handle"), [(Operation, Operation), (Operation | None, Operation)]
)
def test_the_operation_is_found_by_its_annotation(annotation: Any, handle: type) -> None:
    async def ask(question: Question, task: Any) -> None: ...

    ask.__annotations__["task"] = annotation
    signature = Signature(ask)
    assert (signature.operation, signature.handle, signature.whole) == ("task", handle, "question")


def test_or_by_its_name_where_nothing_is_annotated() -> None:
    def plain(op, n: int): ...  # type: ignore[no-untyped-def]

    assert Signature(plain).operation == "op"
    assert arguments(plain, {"n": 1}) == {"n": 1}


def test_but_a_parameter_named_op_that_is_something_else_is_input() -> None:
    def calculate(op: str, n: int) -> None: ...

    assert Signature(calculate).operation is None
    assert arguments(calculate, {"op": "+", "n": 1}) == {"op": "+", "n": 1}


class Formless: ...


def twice(op: Operation, again: BlockingOperation) -> None: ...
def anything(*args: int) -> None: ...
def whatever(**kwargs: int) -> None: ...
def positional(a: int, /) -> None: ...
def formless(a: Formless, b: int) -> None: ...
def unknown(a: "Nowhere") -> None: ...  # type: ignore[name-defined] # noqa: F821
def unreadable(a: int) -> None: ...


unreadable.__annotations__["a"] = "1 +"


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (twice, "takes the operation twice, as op and as again. Keep one"),
        (anything, "no JSON form. Name its parameters"),
        (whatever, "no JSON form. Name its parameters"),
        (positional, "Drop the '/'"),
        (formless, "formless have no JSON form"),
        (unknown, "Nowhere.*import that name outside of `if TYPE_CHECKING:`"),
        (unreadable, "annotations of unreadable cannot be read"),
        (print, "takes \\*args"),
    ],
)
def test_what_cannot_be_used_says_why(function: Callable[..., Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Signature(function)


def test_partials_and_callable_objects_work() -> None:
    class Adder:
        def __call__(self, a: int) -> int:
            return a

    def add(a: int, b: int) -> None: ...

    assert arguments(Adder(), {"a": "3"}) == {"a": 3}
    assert arguments(partial(add, b=4), {"a": 3}) == {"a": 3, "b": 4}


def ask() -> Question:
    raise NotImplementedError


def count() -> int:
    raise NotImplementedError


def nothing() -> None: ...


def untyped(): ...  # type: ignore[no-untyped-def]


def result(function: Callable[..., Any], value: object) -> bytes:
    return Signature(function).encode_result(value)


def test_a_result_is_encoded_by_its_annotation() -> None:
    assert result(ask, Question(text="why")) == b'{"text":"why","day":null}'
    assert result(ask, {"text": "why", "day": "2026-01-02"}) == b'{"text":"why","day":"2026-01-02"}'
    assert result(count, 3) == b"3"
    assert result(nothing, None) == b"null"
    assert result(untyped, {"day": date(2026, 1, 2)}) == b'{"day":"2026-01-02"}'
    assert result(untyped, float("nan")) == b"null"


class Renamed(BaseModel):
    from_: int = Field(alias="from")


def renamed() -> Renamed:
    raise NotImplementedError


def test_a_result_has_the_names_that_its_schema_promises() -> None:
    assert result(renamed, Renamed(**{"from": 1})) == b'{"from":1}'
    assert list(Signature(renamed).result_schema("#/{model}")["properties"]) == ["from"]


class Moody(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def refuse(cls, n: int) -> int:
        raise RuntimeError("not a ValueError, which pydantic would take for a refusal")


def moody() -> Moody:
    raise NotImplementedError


UNVALIDATED = Question.model_construct(None, text=object())  # type: ignore[arg-type]


def test_what_is_not_of_the_annotated_type_is_unfit() -> None:
    for function, value in (
        (count, "many"),
        (nothing, 1),
        (untyped, object()),
        (ask, UNVALIDATED),
        (moody, {"n": 1}),
    ):
        with pytest.raises(UnfitResult) as unfit:
            result(function, value)
        assert unfit.value.__cause__ is not None, "operators read why in the diagnosis"


def test_an_unfit_result_says_what_does_not_fit() -> None:
    with pytest.raises(UnfitResult) as unfit:
        result(count, "many")
    (fault,) = cast(list[dict[str, str]], unfit.value.fields["errors"])
    assert fault["pointer"] == ""
    assert "integer" in fault["detail"]
    assert "many" not in str(unfit.value.fields), "whose data it is, is not known"


class Month(BaseModel):
    total: float


async def typed_parts(op: Operation[Month]) -> None: ...


class Strict(BaseModel, strict=True):
    day: date
    range: tuple[int, int]


async def strict_parts(op: Operation[Strict]) -> None: ...


def plain_typed_parts(op: BlockingOperation[list[Month]] | None) -> None: ...


def test_what_is_sent_is_of_the_annotated_type() -> None:
    parts = Signature(typed_parts).parts
    assert bytes(parts.encode(Month(total=1))) == b'{"total":1.0}'
    assert bytes(parts.encode({"total": 2})) == b'{"total":2.0}'
    assert parts.decode([{"total": 3}]) == (Month(total=3),)
    with pytest.raises(UnfitResult, match=r"total: Input should be a valid number.*Mend"):
        parts.encode({"total": "many"})
    with pytest.raises(UnfitResult, match="total: Field required"):
        parts.decode([{}])
    with pytest.raises(UnfitResult, match="Mend"):
        parts.encode(Month.model_construct(None, total=object()))  # type: ignore[arg-type]
    assert list(parts.schema("#/{model}")["properties"]) == ["total"]
    strict, sent = Signature(strict_parts).parts, Strict(day=date(2026, 1, 2), range=(1, 2))
    assert strict.decode([json.loads(bytes(strict.encode(sent)))]) == (sent,)
    several = Signature(plain_typed_parts).parts
    assert several.schema("#/{model}")["type"] == "array"


def test_without_a_type_whatever_has_a_json_form_is_sent() -> None:
    parts = Signature(untyped).parts
    assert bytes(parts.encode({"any": [1]})) == b'{"any":[1]}'
    assert parts.decode([{"any": 1}]) == [{"any": 1}]
    assert parts.schema("#/{model}") == {}


def test_a_part_without_a_json_form_is_told_at_once() -> None:
    async def wrong(op: Operation[object()]) -> None: ...  # type: ignore[valid-type]

    with pytest.raises(ConfigurationError):
        Signature(wrong)
