"""Routes that lead to a service and not to a function."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.awslocal.gateway import HttpGateway
from ringback.awslocal.gateway.http_events import begin
from ringback.awslocal.gateway.mapping import evaluate
from ringback.awslocal.gateway.messages import Request
from ringback.awslocal.model import HttpApi, Integration, Stage
from tests.awslocal.gateway.functions import PLACE, Functions, Stand, route

QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/questions"


class Services:
    """Keeps what it is asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    async def ask(self, service: str, operation: str, **arguments: Any) -> Any:
        self.asked.append((service, operation, arguments))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def serve(stand: Stand, services: Services | None, **integrations: Integration) -> str:
    api = HttpApi(
        name="Api",
        api_id="abc123",
        title="api",
        routes=tuple(
            route(f"POST /{name}/{{id}}", integration=integration)
            for name, integration in integrations.items()
        ),
        stages=(Stage(name="$default", variables={"bus": "main"}),),
    )
    gateway = HttpGateway(api, PLACE, Functions(), services=services)
    return f"http://127.0.0.1:{(await stand.serve(gateway)).port}"


async def test_a_queue(stand: Stand, client: httpx.AsyncClient) -> None:
    services = Services(
        {"MessageId": "m<1>", "MD5OfMessageBody": "x", "ResponseMetadata": {"RequestId": "r"}},
        ValueError("the queue is gone"),
    )
    integration = Integration(
        subtype="SQS-SendMessage",
        parameters={
            "QueueUrl": QUEUE,
            "MessageBody": '{"id": "${request.path.id}", "body": ${request.body}}',
            "DelaySeconds": "$request.querystring.delay",
            "MessageAttributes": '{"a": {"DataType": "String", "StringValue": "$"}}',
            "Region": "eu-west-1",
        },
    )
    base = await serve(stand, services, questions=integration)
    answer = await client.post(f"{base}/questions/7?delay=5", content=b'{"question": "why"}')
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/xml"
    assert "<SendMessageResult><MessageId>m&lt;1&gt;</MessageId>" in answer.text
    assert services.asked == [
        (
            "sqs",
            "send_message",
            {
                "QueueUrl": QUEUE,
                "MessageBody": '{"id": "7", "body": {"question": "why"}}',
                "DelaySeconds": 5,
                "MessageAttributes": {"a": {"DataType": "String", "StringValue": "$"}},
            },
        )
    ]
    assert (await client.post(f"{base}/questions/7?delay=soon")).status_code == 400
    answer = await client.post(f"{base}/questions/7", content=b"{}")
    assert (answer.status_code, answer.json()) == (500, {"message": "the queue is gone"})


async def test_a_bus_and_what_is_missing(stand: Stand, client: httpx.AsyncClient) -> None:
    services = Services({"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]})
    integration = Integration(
        subtype="EventBridge-PutEvents",
        parameters={
            "Detail": "$request.body",
            "DetailType": "$request.body.kind",
            "Source": "app",
            "EventBusName": "$stageVariables.bus",
        },
    )
    unknown = Integration(subtype="AppConfig-GetConfiguration")
    base = await serve(stand, services, events=integration, config=unknown)
    answer = await client.post(f"{base}/events/1", content=b'{"kind": "asked"}')
    assert answer.json() == {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}
    ((service, operation, arguments),) = services.asked
    assert (service, operation) == ("events", "put_events")
    assert arguments["Entries"] == [
        {
            "Detail": '{"kind": "asked"}',
            "DetailType": "asked",
            "Source": "app",
            "EventBusName": "main",
        }
    ]
    answer = await client.post(f"{base}/events/1", content=b"no json")
    assert answer.status_code == 400
    assert "DetailType" in answer.json()["message"]
    assert (await client.post(f"{base}/config/1")).status_code == 500
    base = await serve(stand, None, events=integration)
    assert (await client.post(f"{base}/events/1")).status_code == 500


def call(body: bytes = b"{}", target: str = "/a?x=1&x=2") -> Any:
    request = Request(
        method="POST", target=target, headers=(("X-Mine", "h"), ("Host", "h.example")), body=body
    )
    return begin(
        request,
        api_id="abc123",
        place=PLACE,
        stage=Stage(name="dev", variables={"colour": "blue"}),
        route_key="POST /{id}",
        path="/a",
        parameters={"id": "a"},
        now=1583348638.390,
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("static", "static"),
        ("costs $5", "costs $5"),
        ("$request.header.x-mine", "h"),
        ("$request.header.none", None),
        ("$request.querystring.x", "1,2"),
        ("$request.path.id", "a"),
        ("$request.path", "/a"),
        ("$request.body.a.b", "5"),
        ("$request.body.a", '{"b":5}'),
        ("$request.body.none", None),
        ("$stageVariables.colour", "blue"),
        ("$context.authorizer.claims.sub", "me"),
        ("$context.requestTimeEpoch", "1583348638390"),
        ("$context.identity.sourceIp", "127.0.0.1"),
        ("$context.stage", "dev"),
        ("${context.apiId}/${request.body.none}/${request.header.X-Mine}", "abc123//h"),
    ],
)
def test_mapping(value: str, expected: str | None) -> None:
    authorizer = {"jwt": {"claims": {"sub": "me"}, "scopes": None}}
    assert evaluate(value, call(b'{"a": {"b": 5}}'), authorizer) == expected


@given(st.text(max_size=40), st.binary(max_size=40))
def test_no_mapping_and_no_body_confuse_it(text: str, body: bytes) -> None:
    for value in (text, f"${{request.body.{text}}}", f"$request.body.{text}", "${" + text + "}"):
        found = evaluate(value, call(body), None)
        assert found is None or json.dumps(found)
