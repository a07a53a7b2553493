"""``ringback types``: TypeScript that compiles, and that every value fits which is sent.

The compiler itself decides. A run of it takes long, so each looks at many tasks at once.
"""

import json
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NamedTuple, Optional, Union

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from ringback import Operation, Ringback
from ringback.cli.api_types import api_types
from ringback.edges.http.openapi import document
from tests.cli.program import APP, Server, Shell
from tests.clients.typescript import ROOT, complaints

CLIENT = ROOT / "clients/js/src/index.js"


class Case(NamedTuple):
    """A type of Python's, and values of it."""

    annotation: Any
    values: st.SearchStrategy[Any]


class Colour(Enum):
    RED = "red"
    ONE = 1


class Tree(BaseModel):
    """Contains */ itself."""

    name: str
    children: "list[Tree]" = []
    by_name: "dict[str, Tree]" = {}


TREES: st.SearchStrategy[Tree] = st.recursive(
    st.builds(Tree, name=st.text()),
    lambda inner: st.builds(
        Tree,
        name=st.text(),
        children=st.lists(inner, max_size=2),
        by_name=st.dictionaries(st.text(), inner, max_size=2),
    ),
    max_leaves=4,
)
LITERALS: list[Any] = [Literal["a", 'quo"te', "*/", "\\"], Literal[1, True, None], Literal["x"]]
LEAVES = [
    Case(int, st.integers(-(2**53), 2**53)),
    Case(float, st.floats(allow_nan=False, allow_infinity=False)),
    Case(str, st.text()),
    Case(bool, st.booleans()),
    Case(None, st.none()),
    Case(Any, st.sampled_from([None, 1, [1], {"a": "b"}])),
    Case(Colour, st.sampled_from(Colour)),
    Case(Tree, TREES),
    *(Case(each, st.sampled_from(each.__args__)) for each in LITERALS),
]
NAMES = st.sampled_from(["plain", "with space", "class", "1st", 'quo"te', "größe", "a-b", "$ref"])


def _listed(inner: Case) -> Case:
    return Case(list[inner.annotation], st.lists(inner.values, max_size=2))  # type: ignore[name-defined]


def _keyed(inner: Case) -> Case:
    return Case(
        dict[str, inner.annotation],  # type: ignore[name-defined]
        st.dictionaries(st.text(), inner.values, max_size=2),
    )


def _keyed_by_colour(inner: Case) -> Case:
    return Case(
        dict[Literal["left", "right"], inner.annotation],  # type: ignore[name-defined]
        st.dictionaries(st.sampled_from(["left", "right"]), inner.values),
    )


def _optional(inner: Case) -> Case:
    return Case(Optional[inner.annotation], st.none() | inner.values)  # noqa: UP045 - made at run time


def _pair(first: Case, second: Case) -> Case:
    return Case(
        tuple[first.annotation, second.annotation],  # type: ignore[name-defined]
        st.tuples(first.values, second.values),
    )


def _either(first: Case, second: Case) -> Case:
    return Case(
        Union[first.annotation, second.annotation],  # noqa: UP007 - made at run time
        first.values | second.values,
    )


@st.composite
def _model(draw: st.DrawFn, inner: st.SearchStrategy[Case]) -> Case:
    named = draw(st.dictionaries(NAMES, st.tuples(inner, st.booleans()), max_size=3))
    extras: list[Literal["ignore", "forbid", "allow"]] = ["ignore", "forbid", "allow"]
    extra = draw(st.sampled_from(extras))
    fields: dict[str, Any] = {}
    values: dict[str, st.SearchStrategy[Any]] = {}
    for number, (alias, (case, required)) in enumerate(named.items()):
        kind = case.annotation if required else _optional(case).annotation
        default = ... if required else None
        fields[f"f{number}"] = (kind, Field(default, alias=alias, description=f"The {alias} */"))
        values[alias] = case.values
    config = ConfigDict(extra=extra)
    # Models of one name, so that documents have to tell them apart.
    model = create_model(
        draw(st.sampled_from(["Thing", "Api", "my_thing"])), __config__=config, **fields
    )
    return Case(model, st.fixed_dictionaries(values).map(model.model_validate))


def _wrapped(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    one: list[Callable[[Case], Case]] = [_listed, _keyed, _keyed_by_colour, _optional]
    two: list[Callable[[Case, Case], Case]] = [_pair, _either]
    return st.one_of(
        st.builds(lambda make, case: make(case), st.sampled_from(one), inner),
        st.builds(lambda make, a, b: make(a, b), st.sampled_from(two), inner, inner),
        _model(inner),
    )


CASES = st.recursive(st.sampled_from(LEAVES), _wrapped, max_leaves=5)


def module(rb: Ringback) -> str:
    """What the command prints for an application."""
    return api_types(document(rb.name, rb.registry, "", development=True))


def declared(rb: Ringback, name: str, kind: Any) -> None:
    """A task that takes and returns this type."""

    async def echo(value: Any) -> Any:
        return value

    echo.__annotations__ = {"value": kind, "return": kind}
    rb.task(name=name)(echo)


@given(st.data())
@settings(
    max_examples=4,
    deadline=None,
    # Making a case smaller would start the compiler again for each try.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_what_is_sent_and_what_comes_fits_its_type(
    tmp_path_factory: pytest.TempPathFactory, drawn: st.DataObject
) -> None:
    rb = Ringback("drawn", data=tmp_path_factory.mktemp("data"))
    lines: list[str] = []
    for number, case in enumerate(drawn.draw(st.lists(CASES, min_size=20, max_size=40))):
        declared(rb, f"task.{number}", case.annotation)
        adapter: TypeAdapter[Any] = TypeAdapter(case.annotation)
        for value in drawn.draw(st.lists(case.values, min_size=1, max_size=3)):
            shown = adapter.dump_json(value, by_alias=True).decode()
            task = f'Api["tasks"]["task.{number}"]'
            lines.append(f'export const r{len(lines)}: {task}["result"] = {shown};')
            whole = isinstance(case.annotation, type) and issubclass(case.annotation, BaseModel)
            taken = shown if whole else f'{{ "value": {shown} }}'
            lines.append(f'export const i{len(lines)}: {task}["input"] = {taken};')
    path = tmp_path_factory.mktemp("typescript") / "sample.ts"
    path.write_text("\n".join([module(rb), *lines]), "utf-8")
    found = complaints(path)
    assert found == "", f"{found}\n{path.read_text('utf-8')}"


class Sample(BaseModel):
    """A sample."""

    model_config = ConfigDict(extra="forbid")
    at: tuple[float, float]
    kind: Literal["stars", "place"]
    note: str | None = None
    marks: dict[str, int] = {}


def test_the_client_takes_what_fits_and_nothing_else(tmp_path: Path) -> None:
    rb = Ringback("typed", data=tmp_path / "data")

    @rb.task
    async def report(sample: Sample) -> Sample:
        """Reports."""
        return sample

    @rb.task
    async def idle() -> None: ...

    @rb.task
    async def count(op: Operation[Sample], upto: int) -> int:
        raise NotImplementedError

    rb.topic("rooms/{room}", model=Sample)
    rb.topic("free/#")

    usage = f"""
import {{ connect }} from {json.dumps(CLIENT.as_posix())};
const client = connect<Api>("http://127.0.0.1");
const operation = await client.submit("report", {{ at: [1, 2.5], kind: "stars" }});
const kind: "stars" | "place" = (await operation.result()).kind;
const note: string | null | undefined = (await operation.result()).note;
const mark: number | undefined = (await operation.result()).marks?.["a"];
const nothing: null = await (await client.submit("idle", {{}})).result();
const parts: string[] = [];
const counting = await client.submit("count", {{ upto: 3 }});
for await (const part of counting.parts()) parts.push(part.kind);
const rooms = client.subscribe("rooms/+", (message) => parts.push(message.data.kind));
await client.publish("rooms/1", {{ at: [1, 2], kind: "place" }});
client.subscribe<{{ a: 1 }}>("free/1", ({{ data }}) => parts.push(String(data.a)));
export {{ kind, note, mark, nothing, rooms }};
// @ts-expect-error: not what messages of rooms are
await client.publish("rooms/1", {{ at: [1], kind: "place" }});
// @ts-expect-error: there is no such task
await client.submit("reports", {{}});
// @ts-expect-error: a place is a pair
await client.submit("report", {{ at: [1], kind: "stars" }});
// @ts-expect-error: one of two
await client.submit("report", {{ at: [1, 2], kind: "star" }});
// @ts-expect-error: it is required
await client.submit("report", {{ at: [1, 2] }});
// @ts-expect-error: nothing else is taken
await client.submit("report", {{ at: [1, 2], kind: "place", other: 1 }});
// @ts-expect-error: numbers
await client.submit("report", {{ at: [1, 2], kind: "place", marks: {{ a: "b" }} }});
// @ts-expect-error: it takes nothing
await client.submit("idle", {{ n: 1 }});
"""
    path = tmp_path / "usage.mts"
    path.write_text(module(rb) + usage, "utf-8")
    assert complaints(path) == ""


def test_what_a_schema_says_of_itself_is_told_where_it_is_used(tmp_path: Path) -> None:
    rb = Ringback("told", data=tmp_path)

    @rb.task
    async def report(
        months: int = Field(3, description="How many.\nAt most 12. */", deprecated=True),
    ) -> Tree:
        """Report of some months.

        It takes a while.
        """
        raise NotImplementedError

    text = module(rb)
    assert (
        "    /**\n     * Report of some months.\n     *\n     * It takes a while.\n     */\n"
        "    report: {\n      input: ReportInput;\n      result: Tree;\n    };" in text
    )
    assert (
        "  /**\n   * How many.\n   * At most 12. *\\/\n   * @deprecated\n   * @default 3\n   */\n"
        "  months?: number;" in text
    )
    assert "/** Contains *\\/ itself. */\nexport interface Tree {" in text


def test_an_application_without_tasks_has_an_api_too(tmp_path: Path) -> None:
    path = tmp_path / "usage.mts"
    text = module(Ringback("empty", data=tmp_path / "data"))
    imported = f"import {{ connect }} from {json.dumps(CLIENT.as_posix())};"
    path.write_text(f'{text}{imported}\nconnect<Api>("http://127.0.0.1").close();\n', "utf-8")
    assert complaints(path) == ""


def test_a_server_tells_the_same_as_the_application(served: Server, shell: Shell) -> None:
    own = shell.run("types", APP)
    assert own.status == 0
    assert own.out == shell.run("types", "--url", served.url).out
    assert own.out == shell.run("types", RINGBACK_URL=served.url).out
    assert "    large: {\n      input: LargeInput;\n      result: string;\n    };\n" in own.out
    assert "listen" not in own.out
    assert own.out.endswith("}\n")


def test_what_cannot_be_told_says_why(shell: Shell) -> None:
    both = shell.run("types", APP, "--url", "http://127.0.0.1:1")
    assert (both.status, both.out) == (2, "")
    assert "not both" in both.err
    nobody = shell.run("types", "--url", "http://127.0.0.1:1")
    assert (nobody.status, nobody.out) == (4, "")
    assert "Nothing answers" in nobody.err
