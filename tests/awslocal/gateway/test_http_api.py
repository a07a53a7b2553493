"""An HTTP API from the client's side."""

import asyncio
import base64
from typing import Any

import httpx
import pytest

from ringback.awslocal.gateway import Limits
from ringback.awslocal.model import Cors, FunctionError, Integration, Stage
from tests.awslocal.gateway.functions import Fails, Functions, Stand, later, ok, route

INTERNAL = {"message": "Internal Server Error"}


@pytest.mark.parametrize(
    ("payload", "status", "content_type", "body"),
    [
        ("Hello", 200, "application/json", "Hello"),
        ({"message": "hi"}, 200, "application/json", '{"message":"hi"}'),
        ([1, 2], 200, "application/json", "[1,2]"),
        (None, 200, "application/json", "null"),
        ({"statusCode": 201}, 201, None, ""),
        ({"statusCode": "404", "body": "x"}, 404, "text/plain;charset=UTF-8", "x"),
        (
            {"statusCode": 200, "headers": {"Content-Type": "text/html"}, "body": "<p>"},
            200,
            "text/html",
            "<p>",
        ),
        (
            {"statusCode": 200, "body": base64.b64encode(b"\x00\xff").decode(),
             "isBase64Encoded": True, "headers": {"content-type": "image/png"}},
            200,
            "image/png",
            None,
        ),
        ({"statusCode": 200, "body": {"no": "string"}}, 500, "application/json", None),
        ({"statusCode": "no"}, 500, "application/json", None),
        ({"statusCode": 200, "headers": [1]}, 500, "application/json", None),
        ({"statusCode": 200, "cookies": "a=1"}, 500, "application/json", None),
        ({"statusCode": 200, "body": "%", "isBase64Encoded": True}, 500, "application/json", None),
    ],
)  # fmt: skip
async def test_answers(
    stand: Stand,
    client: httpx.AsyncClient,
    payload: Any,
    status: int,
    content_type: str | None,
    body: str | None,
) -> None:
    base = await stand.http(Functions(fn=lambda _: payload), route("GET /"))
    answer = await client.get(base)
    assert answer.status_code == status
    assert answer.headers.get("content-type") == content_type
    if status == 500:
        assert answer.json() == INTERNAL
    elif body is not None:
        assert answer.text == body
    else:
        assert answer.content == b"\x00\xff"
    assert "apigw-requestid" in answer.headers


async def test_cookies_and_headers(stand: Stand, client: httpx.AsyncClient) -> None:
    payload = {
        "statusCode": 200,
        "cookies": ["a=1; HttpOnly", "b=2"],
        "headers": {"X-Number": 5, "X-Truth": True, "X-Nothing": None, "Connection": "close"},
        "body": "",
    }
    base = await stand.http(Functions(fn=lambda _: payload), route("GET /"))
    answer = await client.get(base)
    assert answer.headers.get_list("set-cookie") == ["a=1; HttpOnly", "b=2"]
    assert answer.headers["x-number"] == "5"
    assert answer.headers["x-truth"] == "true"
    assert "x-nothing" not in answer.headers
    assert "connection" not in answer.headers


async def test_format_1_has_headers_of_many_values_and_needs_a_status(
    stand: Stand, client: httpx.AsyncClient
) -> None:
    payloads = iter(
        [
            {"statusCode": 200, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}},
            {"message": "no status"},
        ]
    )
    integration = Integration(function="fn", payload_format="1.0")
    base = await stand.http(
        Functions(fn=lambda _: next(payloads)), route("GET /", integration=integration)
    )
    assert (await client.get(base)).headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert (await client.get(base)).json() == INTERNAL


async def test_errors_of_functions(stand: Stand, client: httpx.AsyncClient) -> None:
    def fails(kind: Any) -> Any:
        def handler(_: dict[str, Any]) -> None:
            raise Fails(FunctionError(kind=kind, type="E", message="secret detail"))

        return handler

    functions = Functions(
        unhandled=fails("unhandled"), timeout=fails("timeout"), throttled=fails("throttled")
    )
    base = await stand.http(
        functions, *(route(f"GET /{name}", name) for name in functions.handlers)
    )
    for name in ("unhandled", "timeout"):
        answer = await client.get(f"{base}/{name}")
        assert (answer.status_code, answer.json()) == (500, INTERNAL)
    answer = await client.get(f"{base}/throttled")
    assert (answer.status_code, answer.json()) == (503, {"message": "Service Unavailable"})


async def test_an_integration_that_takes_too_long(stand: Stand, client: httpx.AsyncClient) -> None:
    released = asyncio.Event()
    functions = Functions(slow=later(released))
    limits = Limits().scaled(0.001)
    base = await stand.http(functions, route("GET /", "slow"), limits=limits)
    answer = await client.get(base)
    released.set()
    assert (answer.status_code, answer.json()) == (503, {"message": "Service Unavailable"})


async def test_bounds(stand: Stand, client: httpx.AsyncClient) -> None:
    functions = Functions(fn=ok)
    limits = Limits(http_body=10_000, function_payload=5_000)
    base = await stand.http(functions, route("$default"), limits=limits)
    too_large = {"message": "Request Entity Too Large"}
    for size in (10_001, 8_000):  # for the gateway; for the function, once in base64
        answer = await client.post(base, content=b"x" * size)
        assert (answer.status_code, answer.json()) == (413, too_large)
    answer = await client.get(base, headers={"x-long": "x" * 10_240})
    assert answer.status_code == 431
    assert functions.calls == []
    assert (await client.post(base, content=b"x" * 3_000)).status_code == 200


async def test_the_limits_are_those_of_aws() -> None:
    limits = Limits()
    assert (limits.http_timeout, limits.http_body) == (30, 10 * 1024 * 1024)
    assert (limits.socket_timeout, limits.frame, limits.message) == (29, 32_768, 131_072)
    assert (limits.idle, limits.duration) == (600, 7200)
    assert limits.scaled(0.5).idle == 300
    assert limits.scaled(0.5).message == limits.message


async def test_a_stage_that_is_throttled(stand: Stand, client: httpx.AsyncClient) -> None:
    stage = Stage(name="$default", rate=0.001, burst=2)
    base = await stand.http(Functions(fn=ok), route("GET /"), stages=(stage,))
    statuses = [(await client.get(base)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert (await client.get(base)).json() == {"message": "Too Many Requests"}


async def test_no_route(stand: Stand, client: httpx.AsyncClient) -> None:
    base = await stand.http(Functions(fn=ok), route("GET /pets"))
    for method, path in (("POST", "/pets"), ("GET", "/cats")):
        answer = await client.request(method, base + path)
        assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


CORS = Cors(
    allow_origins=("https://app.example",),
    allow_methods=("GET", "PUT"),
    allow_headers=("authorization",),
    expose_headers=("x-id",),
    max_age=300,
    allow_credentials=True,
)
ASKED = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}


async def test_cors_is_the_gateways(stand: Stand, client: httpx.AsyncClient) -> None:
    functions = Functions(
        fn=lambda _: {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "nobody"}}
    )
    base = await stand.http(functions, route("PUT /x"), route("ANY /any"), cors=CORS)
    preflight = await client.options(f"{base}/x", headers=ASKED)
    assert preflight.status_code == 204
    assert preflight.headers.get_list("vary") == ["Origin"]
    assert functions.calls == []
    given = {k: v for k, v in preflight.headers.items() if k.startswith("access-control")}
    assert given == {
        "access-control-allow-origin": "https://app.example",
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET,PUT",
        "access-control-allow-headers": "authorization",
        "access-control-max-age": "300",
    }
    answer = await client.put(f"{base}/x", headers={"Origin": "https://app.example"})
    assert answer.headers.get_list("access-control-allow-origin") == ["https://app.example"]
    assert answer.headers["access-control-expose-headers"] == "x-id"
    assert "access-control-allow-origin" not in (await client.put(f"{base}/x")).headers
    # ANY takes OPTIONS as well, so the function is asked.
    assert (await client.options(f"{base}/any", headers=ASKED)).status_code == 200
    assert len(functions.calls) == 3


async def test_pages_from_elsewhere_and_foreign_names_are_refused(
    stand: Stand, client: httpx.AsyncClient
) -> None:
    functions = Functions(fn=ok)
    base = await stand.http(functions, route("GET /"), origins=("https://mine.example",))
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Host": "evil.example"},
    ):
        answer = await client.get(base, headers=headers)
        assert answer.status_code == 403, headers
        assert answer.json()["message"] == "Forbidden"
    assert functions.calls == []
    for origin in ("http://localhost:5173", "https://mine.example", "http://[::1]:3000"):
        assert (await client.get(base, headers={"Origin": origin})).status_code == 200


async def test_hands_on_what_an_http_proxy_gets(stand: Stand, client: httpx.AsyncClient) -> None:
    functions = Functions(fn=lambda event: {"statusCode": 418, "body": event["rawPath"]})
    behind = await stand.http(functions, route("$default"))
    integration = Integration(type="HTTP_PROXY", uri=f"{behind}/base/{{proxy}}", method="ANY")
    nobody = Integration(type="HTTP_PROXY", uri="http://127.0.0.1:1/", method="GET")
    base = await stand.http(
        Functions(),
        route("ANY /p/{proxy+}", integration=integration),
        route("GET /nobody", integration=nobody),
    )
    answer = await client.post(f"{base}/p/a%20b/c?x=1", content=b"hello")
    assert (answer.status_code, answer.text) == (418, "/base/a b/c")
    (event,) = functions.of("fn")
    assert event["rawQueryString"] == "x=1"
    assert base64.b64decode(event["body"]) == b"hello"
    assert (await client.get(f"{base}/nobody")).status_code == 503


async def test_a_route_that_leads_nowhere(stand: Stand, client: httpx.AsyncClient) -> None:
    base = await stand.http(
        Functions(),
        route("GET /none", None),
        route("GET /aws", integration=Integration(subtype="SQS-SendMessage")),
        route("GET /who", authorization="CUSTOM", authorizer="missing"),
    )
    assert (await client.get(f"{base}/none")).json() == INTERNAL
    assert (await client.get(f"{base}/aws")).json() == INTERNAL
    assert (await client.get(f"{base}/who")).json() == {"message": "Forbidden"}
