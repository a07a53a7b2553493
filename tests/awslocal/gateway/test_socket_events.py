"""Events of WebSocket APIs, against those that AWS was seen to send."""

import re
from typing import Any

from aws_lambda_powertools.utilities.parser.models import (
    APIGatewayWebSocketConnectEventModel,
    APIGatewayWebSocketDisconnectEventModel,
    APIGatewayWebSocketMessageEventModel,
)
from websockets.asyncio.client import connect

from ringback.awslocal.model import LambdaAuthorizer, Stage
from tests.awslocal.gateway.functions import Functions, Stand, ok, route

ID = re.compile(r"[\w-]{15}=")

CONTEXT = {
    "routeKey", "eventType", "extendedRequestId", "requestTime", "messageDirection", "stage",
    "connectedAt", "requestTimeEpoch", "identity", "requestId", "domainName", "connectionId",
    "apiId",
}  # fmt: skip


def check(context: dict[str, Any], kind: str, key: str, *more: str) -> None:
    assert set(context) == CONTEXT | set(more)
    assert context["eventType"] == kind
    assert context["routeKey"] == key
    assert context["messageDirection"] == "IN"
    assert context["stage"] == "prod"
    assert context["apiId"] == "ws1234"
    assert context["requestId"] == context["extendedRequestId"]
    assert context["domainName"] == "sockets.example"
    for name in ("requestId", "connectionId"):
        assert ID.fullmatch(context[name])
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["requestTime"])
    assert isinstance(context["connectedAt"], int)
    assert context["requestTimeEpoch"] >= context["connectedAt"] > 1e12
    assert context["identity"]["sourceIp"] == "127.0.0.1"


async def test_a_life(stand: Stand) -> None:
    functions = Functions(fn=ok)
    address, _ = await stand.socket(
        functions,
        *(route(key) for key in ("$connect", "$disconnect", "$default", "chat")),
        domain="sockets.example",
    )
    async with connect(
        f"ws://{address}?token=a%20b&x=1&x=2",
        additional_headers=[("X-Mine", "1"), ("X-Mine", "2")],
        user_agent_header="agent",
    ) as socket:
        await socket.send('{"action": "chat", "message": "Hello from client"}')
        await functions.until("fn", 2)
        await socket.close(4001, "bye")
    joined, said, left = await functions.until("fn", 3)
    APIGatewayWebSocketConnectEventModel.model_validate(joined)
    APIGatewayWebSocketMessageEventModel.model_validate(said)
    APIGatewayWebSocketDisconnectEventModel.model_validate(left)

    assert set(joined) == {
        "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "requestContext", "isBase64Encoded",
    }  # fmt: skip
    assert joined["isBase64Encoded"] is False
    assert joined["queryStringParameters"] == {"token": "a b", "x": "2"}
    assert joined["multiValueQueryStringParameters"] == {"token": ["a b"], "x": ["1", "2"]}
    headers = joined["headers"]
    assert headers["Host"] == address.partition("/")[0]
    assert headers["Sec-WebSocket-Version"] == "13"
    assert "Sec-WebSocket-Key" in headers
    assert headers["X-Forwarded-Proto"] == "http"
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Amzn-Trace-Id"].startswith("Root=1-")
    assert not {"Connection", "Upgrade"} & set(headers)
    assert joined["multiValueHeaders"]["X-Mine"] == ["1", "2"]
    check(joined["requestContext"], "CONNECT", "$connect")
    assert joined["requestContext"]["identity"]["userAgent"] == "agent"

    assert set(said) == {"requestContext", "body", "isBase64Encoded"}
    assert said["body"] == '{"action": "chat", "message": "Hello from client"}'
    check(said["requestContext"], "MESSAGE", "chat", "messageId")
    assert ID.fullmatch(said["requestContext"]["messageId"])

    assert set(left) == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}
    assert left["headers"] == {
        "Host": "sockets.example",
        "x-api-key": "",
        "X-Forwarded-For": "",
        "x-restapi": "",
    }
    context = left["requestContext"]
    check(context, "DISCONNECT", "$disconnect", "disconnectStatusCode", "disconnectReason")
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (4001, "bye")

    ids = {each["requestContext"]["connectionId"] for each in (joined, said, left)}
    assert len(ids) == 1
    assert len({each["requestContext"]["requestId"] for each in (joined, said, left)}) == 3


async def test_what_an_authorizer_is_asked_and_where_its_context_goes(stand: Stand) -> None:
    def auth(event: dict[str, Any]) -> dict[str, Any]:
        return {
            "principalId": "me",
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "execute-api:Invoke",
                        "Resource": event["methodArn"],
                    }
                ],
            },
            "context": {"tenant": "t1", "count": 5, "admin": True},
        }

    functions = Functions(fn=ok, auth=auth)
    authorizer = LambdaAuthorizer(
        name="Auth",
        function="auth",
        identity_sources=("route.request.querystring.token",),
        ttl=300,
    )
    address, _ = await stand.socket(
        functions,
        route("$connect", authorization="CUSTOM", authorizer="Auth"),
        route("$default"),
        route("$disconnect"),
        authorizers={"Auth": authorizer},
        stages=(Stage(name="prod", variables={"colour": "blue"}),),
        domain="sockets.example",
    )
    async with connect(f"ws://{address}?token=t") as socket:
        await socket.send("hello")
        await functions.until("fn", 2)
    await functions.until("fn", 3)
    (asked,) = functions.of("auth")
    async with connect(f"ws://{address}?token=t"):
        pass
    assert len(functions.of("auth")) == 2  # nothing is kept for WebSockets
    assert set(asked) == {
        "type", "methodArn", "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "stageVariables", "requestContext",
    }  # fmt: skip
    assert asked["type"] == "REQUEST"
    assert asked["methodArn"] == "arn:aws:execute-api:eu-west-1:111122223333:ws1234/prod/$connect"
    assert asked["queryStringParameters"] == {"token": "t"}
    assert asked["stageVariables"] == {"colour": "blue"}
    assert asked["headers"]["Upgrade"] == "websocket"
    check(asked["requestContext"], "CONNECT", "$connect")
    for event in functions.of("fn")[:3]:
        said = dict(event["requestContext"]["authorizer"])
        assert isinstance(said.pop("integrationLatency"), int)
        assert said == {"principalId": "me", "tenant": "t1", "count": "5", "admin": "true"}
        assert event["stageVariables"] == {"colour": "blue"}
    assert asked["requestContext"]["connectionId"] == event["requestContext"]["connectionId"]
