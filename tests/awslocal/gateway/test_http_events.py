"""Events of HTTP APIs, against the documented ones."""

import base64
import json
import re

import httpx
import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventV2Model
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.awslocal.gateway.http_events import begin, body_of, version_1, version_2
from ringback.awslocal.gateway.messages import Request, clf_time
from ringback.awslocal.model import Integration, Stage
from tests.awslocal.gateway.functions import PLACE, Functions, Stand, ok, route

NOW = 1583348638.390


async def test_format_2_to_the_letter(stand: Stand, client: httpx.AsyncClient) -> None:
    functions = Functions(fn=ok)
    base = await stand.http(
        functions,
        route("POST /my/{name}"),
        clock=lambda: NOW,
        stages=(Stage(name="$default", variables={"colour": "blue"}),),
    )
    request = client.build_request(
        "POST",
        f"{base}/my/p%C3%A4th?parameter1=value1&parameter1=value2&parameter2=a%20b&empty",
        content="Hello from the client",
        headers=[
            ("Content-Type", "text/plain"),
            ("Header1", "value1"),
            ("Header2", "value1"),
            ("Header2", "value2"),
            ("Cookie", "cookie1=a; cookie2=b"),
            ("User-Agent", "agent"),
            ("Accept", "*/*"),
        ],
    )
    request.headers["Accept-Encoding"] = "identity"
    assert (await client.send(request)).status_code == 200
    (event,) = functions.of("fn")
    APIGatewayProxyEventV2Model.model_validate(event)
    port = base.rpartition(":")[2]
    trace = event["headers"].pop("x-amzn-trace-id")
    assert re.fullmatch(r"Root=1-5e5ffb9e-[0-9a-f]{24}", trace)
    id_ = event["requestContext"].pop("requestId")
    assert re.fullmatch(r"[\w-]{15}=", id_)
    assert event == {
        "version": "2.0",
        "routeKey": "POST /my/{name}",
        "rawPath": "/my/päth",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=a%20b&empty",
        "cookies": ["cookie1=a", "cookie2=b"],
        "headers": {
            "host": f"127.0.0.1:{port}",
            "accept": "*/*",
            "accept-encoding": "identity",
            "content-type": "text/plain",
            "content-length": "21",
            "header1": "value1",
            "header2": "value1,value2",
            "user-agent": "agent",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": port,
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": {
            "parameter1": "value1,value2",
            "parameter2": "a b",
            "empty": "",
        },
        "requestContext": {
            "accountId": "111122223333",
            "apiId": "abc123",
            "domainName": f"127.0.0.1:{port}",
            "domainPrefix": "127",
            "http": {
                "method": "POST",
                "path": "/my/päth",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "agent",
            },
            "routeKey": "POST /my/{name}",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "body": "Hello from the client",
        "pathParameters": {"name": "päth"},
        "isBase64Encoded": False,
        "stageVariables": {"colour": "blue"},
    }


async def test_what_is_empty_is_left_out_and_a_stage_is_in_the_path(
    stand: Stand, client: httpx.AsyncClient
) -> None:
    functions = Functions(fn=ok)
    base = await stand.http(functions, route("$default"), stages=(Stage(name="dev"),))
    assert (await client.get(f"{base}/dev/a/b")).status_code == 200
    assert (await client.get(f"{base}/a")).json() == {"message": "Not Found"}
    (event,) = functions.of("fn")
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/dev/a/b"
    assert event["rawQueryString"] == ""
    assert event["requestContext"]["stage"] == "dev"
    for name in ("cookies", "queryStringParameters", "pathParameters", "stageVariables", "body"):
        assert name not in event


async def test_format_1_to_the_letter(stand: Stand, client: httpx.AsyncClient) -> None:
    functions = Functions(fn=lambda _: {"statusCode": 200})
    integration = Integration(function="fn", payload_format="1.0")
    base = await stand.http(
        functions, route("ANY /{proxy+}", integration=integration), clock=lambda: NOW
    )
    await client.get(
        f"{base}/my/path?a=1&a=2",
        headers=[("X-One", "1"), ("X-One", "2"), ("User-Agent", "agent")],
    )
    (event,) = functions.of("fn")
    context = event.pop("requestContext")
    headers, many = event.pop("headers"), event.pop("multiValueHeaders")
    assert headers["X-One"] == "2"
    assert many["X-One"] == ["1", "2"]
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert event == {
        "version": "1.0",
        "resource": "/{proxy+}",
        "path": "/my/path",
        "httpMethod": "GET",
        "queryStringParameters": {"a": "2"},
        "multiValueQueryStringParameters": {"a": ["1", "2"]},
        "pathParameters": {"proxy": "my/path"},
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
    }
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["identity"]["cognitoIdentityId"] is None
    assert context["requestTime"] == "04/Mar/2020:19:03:58 +0000"
    assert context["resourcePath"] == "/{proxy+}"


TYPES = [
    ("text/html; charset=utf-8", True),
    ("application/json", True),
    ("Application/JSON;charset=UTF-8", True),
    ("application/xml", True),
    ("application/javascript", True),
    ("application/x-www-form-urlencoded", False),
    ("application/problem+json", False),
    ("multipart/form-data; boundary=x", False),
    ("application/octet-stream", False),
    (None, False),
]


@pytest.mark.parametrize(("content_type", "is_text"), TYPES)
def test_a_body_is_text_by_its_type_alone(content_type: str | None, is_text: bool) -> None:
    headers = () if content_type is None else (("Content-Type", content_type),)
    request = Request(method="POST", target="/", headers=headers, body='{"ä": 1}'.encode())
    text, encoded = body_of(request)
    assert encoded is not is_text
    assert (base64.b64decode(text).decode() if encoded else text) == '{"ä": 1}'


NAMES = st.text("abcdefgXYZ-", min_size=1, max_size=8)
VALUES = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=12)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(NAMES, VALUES), max_size=8),
    st.binary(max_size=40),
    st.text(max_size=20),
    st.sampled_from([content_type for content_type, _ in TYPES]),
)
def test_any_request_becomes_json_and_loses_nothing(
    headers: list[tuple[str, str]], body: bytes, query: str, content_type: str | None
) -> None:
    typed = [] if content_type is None else [("content-type", content_type)]
    request = Request(method="PUT", target=f"/x?{query}", headers=(*headers, *typed), body=body)
    call = begin(
        request,
        api_id="a",
        place=PLACE,
        stage=Stage(name="$default"),
        route_key="$default",
        path="/x",
        parameters={},
        now=NOW,
    )
    first, second = (json.loads(json.dumps(make(call))) for make in (version_1, version_2))
    for event in (first, second):
        said = event.get("body") or ""
        assert (base64.b64decode(said) if event["isBase64Encoded"] else said.encode()) == body
    assert second["rawQueryString"] == query
    for name, value in headers:
        assert value in second["headers"][name.lower()]
        assert value in first["multiValueHeaders"][name]


def test_months_are_english() -> None:
    assert clf_time(NOW) == "04/Mar/2020:19:03:58 +0000"
