"""Which route a request goes to."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.awslocal.gateway.routes import Routes, choose_stage
from ringback.awslocal.model import Route, Stage
from tests.awslocal.gateway.functions import route

KEYS = (
    "GET /pets/dog/1",
    "GET /pets/dog/{id}",
    "GET /pets/{proxy+}",
    "ANY /{proxy+}",
    "ANY /pets",
    "GET /pets",
    "POST /pets/{kind}/{id}",
    "GET /",
    "$default",
)


def find(method: str, path: str, keys: tuple[str, ...] = KEYS) -> tuple[str, dict[str, str]] | None:
    found = Routes([route(key) for key in keys]).find(method, path)
    return None if found is None else (found.route.key, found.parameters)


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        # The table of the documentation.
        ("GET", "/pets/dog/1", "GET /pets/dog/1", {}),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST", "/test/5", "ANY /{proxy+}", {"proxy": "test/5"}),
        # Beyond it.
        ("GET", "/pets", "GET /pets", {}),
        ("PUT", "/pets", "ANY /pets", {}),
        ("POST", "/pets/cat/7", "POST /pets/{kind}/{id}", {"kind": "cat", "id": "7"}),
        ("DELETE", "/pets/dog/1", "ANY /{proxy+}", {"proxy": "pets/dog/1"}),
        ("GET", "/", "GET /", {}),
        ("POST", "/", "$default", {}),
        ("GET", "/pets/a%2Fb/1", "GET /pets/{proxy+}", {"proxy": "a/b/1"}),
        ("GET", "/pets/", "ANY /{proxy+}", {"proxy": "pets/"}),
    ],
)
def test_takes_the_most_specific(
    method: str, path: str, key: str, parameters: dict[str, str]
) -> None:
    assert find(method, path) == (key, parameters)


def test_none_fits() -> None:
    assert find("GET", "/cats", ("GET /pets", "POST /cats")) is None


def test_the_order_of_the_template_does_not_count() -> None:
    for key in KEYS[:-1]:
        method, _, path = key.partition(" ")
        path = path.replace("{proxy+}", "x/y").replace("{id}", "9").replace("{kind}", "z")
        method = "PATCH" if method == "ANY" else method
        assert find(method, path, KEYS) == find(method, path, KEYS[::-1])


SEGMENT = st.text(min_size=1, max_size=6).filter(lambda each: not set(each) & set("{}"))


@given(st.lists(SEGMENT, min_size=1, max_size=4), st.data())
def test_gives_back_what_stands_in_the_path(values: list[str], data: st.DataObject) -> None:
    """Of any path each segment may be a variable: decoded, it is what was put there."""
    variable = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    values = [each.replace("/", "") or "x" for each in values]
    shape = "/".join(
        f"{{v{index}}}" if is_variable else value
        for index, (value, is_variable) in enumerate(zip(values, variable, strict=True))
    )
    path = "/" + "/".join(quote(each, safe="") for each in values)
    found = Routes([route(f"GET /{shape}"), route("GET /{proxy+}")]).find("GET", path)
    assert found is not None
    assert found.route.key == f"GET /{shape}"
    assert found.parameters == {
        f"v{index}": value
        for index, (value, is_variable) in enumerate(zip(values, variable, strict=True))
        if is_variable
    }


@given(st.sampled_from(["GET", "POST", "OPTIONS"]), st.text(max_size=30))
def test_any_path_finds_a_route_or_the_default(method: str, path: str) -> None:
    found = Routes([Route(key=key) for key in KEYS]).find(method, f"/{quote(path)}")
    assert found is not None


def test_stages() -> None:
    both = [Stage(name="$default"), Stage(name="dev")]
    assert choose_stage(both, "/dev/x") == (both[1], "/x")
    assert choose_stage(both, "/dev") == (both[1], "/")
    assert choose_stage(both, "/developers") == (both[0], "/developers")
    assert choose_stage([both[1]], "/x") is None
    assert choose_stage([], "/x") == (Stage(name="$default"), "/x")
