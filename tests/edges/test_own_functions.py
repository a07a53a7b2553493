"""What `key=` and `allow=` of an application do wrong: answered 500, and named in the log."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ringback import Claims, Ringback
from ringback.errors import ConfigurationError, Forbidden
from tests.edges.application import problem_of
from tests.serving import serve


def application(data: Path, **options: Any) -> Ringback:
    rb = Ringback("own", data=data, workers=0)

    @rb.task(**options)
    async def double(n: int) -> int:
        return 2 * n

    return rb


async def submitted(rb: Ringback) -> httpx.Response:
    async with serve(rb) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        return await client.post("/tasks/double", json={"n": 1})


def broken(_: object) -> Any:
    raise LookupError("the cause")


async def later(_: object) -> bool:
    return False


def keyed(function: Callable[..., Any]) -> dict[str, Any]:
    return {"key": function, "concurrency_per_key": 1}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (keyed(broken), "The key= function of the task double raised LookupError."),
        ({"allow": broken}, "The allow= function of the task double raised LookupError."),
        (keyed(lambda n: None), "The key= function of the task double returned NoneType."),
        (keyed(lambda n: object()), "The key= function of the task double returned object."),
        (keyed(lambda n: 1.5), "The key= function of the task double returned float."),
        ({"allow": lambda claims: later(claims)}, "The allow= function of the task double ret"),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine 'later' was never awaited")
async def test_a_mistake_is_named_in_the_log(
    data: Path, caplog: pytest.LogCaptureFixture, options: dict[str, Any], said: str
) -> None:
    problem_of(await submitted(application(data, **options)), 500, "internal-error")
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert f"POST /tasks/double: {said}" in record.getMessage()
    assert ("the cause" in caplog.text) is ("LookupError" in said), "with the traceback"


async def test_python_callers_are_told_too(data: Path) -> None:
    rb = application(data, **keyed(broken))
    async with rb.running():
        with pytest.raises(ConfigurationError, match="key= function") as caught:
            await rb.submit("double", {"n": 1})
        assert isinstance(caught.value.__cause__, LookupError)


@pytest.mark.parametrize(
    ("key", "text"), [("a", "a"), (7, "7"), (uuid.UUID(int=7), str(uuid.UUID(int=7)))]
)
async def test_what_a_key_may_be(data: Path, key: Any, text: str) -> None:
    rb = application(data, **keyed(lambda n: key))
    async with rb.running():
        assert (await rb.submit("double", {"n": 1})).limit_key == text


async def test_an_error_of_ours_is_the_answer(data: Path) -> None:
    def allow(claims: Claims) -> bool:
        raise Forbidden("Only on Mondays.")

    answer = await submitted(application(data, allow=allow))
    assert problem_of(answer, 403, "forbidden")["detail"] == "Only on Mondays."


@pytest.mark.parametrize(("truth", "status"), [("yes", 202), (None, 403), ([], 403)])
async def test_what_allow_says_counts_as_true_or_false(
    data: Path, truth: object, status: int
) -> None:
    assert (await submitted(application(data, allow=lambda claims: truth))).status_code == status
