"""`/openapi.json`: valid, complete, and true of what is registered."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, InstanceOf

from ringback import Ringback
from ringback.edges.http.openapi import document
from ringback.errors import MethodNotAllowed, RingbackError
from tests.edges.application import Caller, served
from tests.security.keys import SECRET, bearer

Json = dict[str, Any]


def described(rb: Ringback, prefix: str = "", *, development: bool = True) -> Json:
    return checked(document(rb.name, rb.registry, prefix, development=development))


def checked(found: Json) -> Json:
    """The document, valid and with every reference leading somewhere."""
    errors = list(OpenAPIV31SpecValidator(found).iter_errors())
    assert not errors, errors
    for reference in references(found):
        place: Any = found
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    names = [op["operationId"] for path in found["paths"].values() for op in operations(path)]
    assert len(names) == len(set(names))
    return found


def operations(path: Json) -> list[Json]:
    return [value for method, value in path.items() if method != "parameters"]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(references(each) for each in value))
    return set()


def schema_of(found: Json, task: str, status: str = "") -> Json:
    """What a task takes; or, with a status, what it is answered with."""
    post = found["paths"][f"/tasks/{task}"]["post"]
    place = post["responses"][status] if status else post["requestBody"]
    schema: Json = place["content"]["application/json"]["schema"]
    return schema


async def test_it_is_served_to_anybody(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        answer = await caller.http.get("/openapi.json")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert checked(answer.json())["openapi"].startswith("3.1")
        assert answer.json()["servers"] == [{"url": "/"}]
        again = await caller.http.get("/openapi.json")
        assert again.content == answer.content


async def test_every_task_has_a_path_with_its_models(caller: Caller) -> None:
    found = checked((await caller.http.get("/openapi.json")).json())
    schemas = found["components"]["schemas"]
    assert schema_of(found, "ask") == {"$ref": "#/components/schemas/Question"}
    assert schemas["Question"]["properties"]["text"]["maxLength"] == 100
    assert schema_of(found, "ask", "200")["properties"] == {
        "result": {"$ref": "#/components/schemas/Answer"}
    }
    assert schema_of(found, "double") == {"$ref": "#/components/schemas/DoubleInput"}
    assert schema_of(found, "double", "200")["properties"] == {"result": {"type": "integer"}}
    assert found["paths"]["/tasks/double"]["post"]["summary"] == "Twice a number."
    assert not found["paths"]["/tasks/trace"]["post"]["requestBody"]["required"]
    assert found["paths"]["/tasks/double"]["post"]["requestBody"]["required"]
    for task, required in (("pay", True), ("double", False)):
        parameters = found["paths"][f"/tasks/{task}"]["post"]["parameters"]
        (key,) = [each for each in parameters if each["name"] == "Idempotency-Key"]
        assert key["required"] is required
    assert "/tasks/upload:photos:thumbnail" not in found["paths"]


async def test_every_path_is_answered_by_the_server(caller: Caller) -> None:
    """What is described exists, with exactly these methods, and the other way round."""
    found = (await caller.http.get("/openapi.json")).json()
    for path, described_ in found["paths"].items():
        concrete = path.replace("{id}", "01a1ffbd-a5eb-77f2-afca-7e37c437d37e")
        options = await caller.http.options(concrete)
        allowed = set(options.headers["allow"].split(", ")) - {"OPTIONS", "HEAD"}
        assert allowed == {m.upper() for m in described_} - {"PARAMETERS", "HEAD"}, path


def test_models_of_one_name_do_not_overwrite_one_another() -> None:
    def model(**fields: Any) -> type[BaseModel]:
        return type("Model", (BaseModel,), {"__annotations__": fields})

    rb = Ringback("names")
    for name, taken, given in (
        ("a", model(x=int), model(x=int)),
        ("b", model(y=str), model(z=str)),
        ("c", model(x=int), list[model(y=str)]),  # type: ignore[misc]
        ("Operation", model(id=int), model(id=str)),
    ):
        rb.task(name=name)(function(taken, given))
    found = described(rb)

    def resolved(schema: Json) -> Json:
        name = schema.get("$ref", "").rpartition("/")[2]
        target: Json = found["components"]["schemas"][name] if name else schema
        return target

    def members(task: str) -> tuple[set[str], set[str]]:
        result = schema_of(found, task, "200")["properties"]["result"]
        result = result.get("items", result)
        return set(resolved(schema_of(found, task))["properties"]), set(
            resolved(result)["properties"]
        )

    assert members("a") == ({"x"}, {"x"})
    assert members("b") == ({"y"}, {"z"})
    assert members("c") == ({"x"}, {"y"})
    assert members("Operation") == ({"id"}, {"id"})
    assert schema_of(found, "a") == schema_of(found, "c")
    assert "version" in found["components"]["schemas"]["Operation"]["properties"]


def function(taken: type, given: Any) -> Callable[..., Any]:
    async def run(value: Any) -> Any:
        return value

    run.__annotations__ = {"value": taken, "return": given}
    return run


class Tree(BaseModel):
    name: str
    children: list["Tree"] = []


def test_models_may_refer_to_themselves_and_to_others() -> None:
    rb = Ringback("trees")

    @rb.task
    async def grow(tree: Tree, forest: list[Tree]) -> dict[str, Tree]:
        return {}

    @rb.task
    async def prune(tree: Tree) -> Tree:
        return tree

    found = described(rb)
    assert "Tree" in found["components"]["schemas"]
    reference = schema_of(found, "prune")["$ref"].rpartition("/")[2]
    assert "children" in found["components"]["schemas"][reference]["properties"]


def test_names_of_tasks_need_not_be_names_of_components() -> None:
    rb = Ringback("names")
    for name in ("a:b", "a*b", "a.b-c"):
        rb.task(name=name)(function(dict[str, int], set[int]))
    found = described(rb)
    assert {"/tasks/a:b", "/tasks/a*b", "/tasks/a.b-c"} <= found["paths"].keys()


def test_a_type_without_a_schema_may_be_anything() -> None:
    class Own:
        pass

    rb = Ringback("own")
    rb.task(name="t")(function(dict[str, InstanceOf[Own]], InstanceOf[Own]))
    found = described(rb)
    assert schema_of(found, "t") == {}
    assert schema_of(found, "t", "200")["properties"] == {"result": {}}


def test_the_prefix_is_the_server() -> None:
    assert described(Ringback("x"), "/api/v1")["servers"] == [{"url": "/api/v1"}]


def test_uploads_are_there_if_an_application_handles_some() -> None:
    assert "/uploads" not in described(Ringback("x"))["paths"]


def test_who_may_submit_is_said() -> None:
    rb = Ringback("x")
    rb.task(name="open", public=True)(function(dict[str, int], int))
    rb.task(name="closed")(function(dict[str, int], int))
    serving = described(rb, development=False)["paths"]
    assert serving["/tasks/open"]["post"]["security"] == [{}, {"bearer": []}]
    assert serving["/tasks/closed"]["post"]["security"] == [{"bearer": []}]
    assert described(rb)["paths"]["/tasks/closed"]["post"]["security"] == []


def test_every_error_that_http_can_show_is_described() -> None:
    """An error that is added to the tree has to be added to the paths that answer it."""

    def below(kind: type[RingbackError]) -> list[type[RingbackError]]:
        found = [sub for sub in kind.__subclasses__() if sub.__module__ == kind.__module__]
        return [kind, *(each for sub in found for each in below(sub))]

    rb = Ringback("x")
    rb.task(name="t", idempotency_key=True)(function(dict[str, int], int))
    from tests.edges.application import rb as with_uploads

    rb.registry.uploads += with_uploads.registry.uploads
    text = str(described(rb))
    # These are of no single path, of the work itself, or of Python alone.
    elsewhere = {MethodNotAllowed.code, "unknown-task", "bad-request", "access-denied"} | {
        "unavailable",
        "conflict",
        "configuration-error",
    }
    from ringback.errors import ExecutionError

    for kind in below(RingbackError):
        if kind.code not in elsewhere and not issubclass(kind, ExecutionError):
            assert re.search(rf"`{kind.code}`", text), kind


async def test_an_operation_shows_no_member_that_is_not_described(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        found = (await caller.http.get("/openapi.json")).json()
        schemas = found["components"]["schemas"]
        described_ = set(schemas["Operation"]["properties"])
        token = set(schemas["Acknowledgement"]["properties"])
        authorization = bearer("ann")

        async def shown(task: str, body: object, query: str = "") -> Json:
            answer = await caller.http.post(
                f"/tasks/{task}{query}",
                json=body,
                headers={"Authorization": authorization, "Prefer": "wait=20"},
            )
            assert answer.json().keys() <= described_ | token, task
            headers = {"Authorization": authorization}
            operation: httpx.Response = await caller.http.get(
                answer.json()["links"]["self"], headers=headers
            )
            assert operation.json().keys() <= described_, task
            assert operation.json().keys() >= set(schemas["Operation"]["required"])
            return dict(operation.json())

        seen: set[str] = set()
        seen |= (await shown("steps", {"count": 2})).keys()
        crashed = await shown("crash", {})
        seen |= crashed.keys()
        again = await caller.http.post(
            crashed["links"]["self"] + "/redrive", headers={"Authorization": authorization}
        )
        seen |= again.json().keys() - token
        seen |= (await shown("announce", {"text": 40_000 * "x"})).keys()
    async with served(data / "2", workers=0) as caller:
        delayed = await caller.http.post("/tasks/double?delay=60", json={"n": 1})
        seen |= delayed.json().keys() - token
        query = {"token": delayed.json()["token"]}
        own = delayed.json()["links"]["cancel"]
        seen |= (await caller.http.post(own, params=query)).json().keys()
    assert seen == described_


@pytest.mark.parametrize("development", [True, False])
def test_the_document_of_the_tests_application_is_valid(development: bool) -> None:
    from tests.edges.application import rb

    described(rb, development=development)
