"""The two APIs: HTTP, and WebSocket for those who follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ringback.edges.cors import EXPOSED
from ringback.sam.alarms import alarm
from ringback.sam.functions import SKIP_LOGS
from ringback.sam.plan import Plan
from ringback.sam.policies import SOCKET_STAGE
from ringback.sam.yaml import Note, att, ref, sub, when
from ringback.wire.channel import ACTIONS

Resources = Iterator[tuple[str, Any]]

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
PREFLIGHT_AGE = 600
"""Seconds: browsers keep an answer no longer than that or two hours."""
EXECUTE = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}"
INVOKE = (
    "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
    "${HttpFunction.Arn}/invocations"
)
LIFE = ("$connect", "$disconnect", "$default")
LOG_FIELDS = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "route": "$context.routeKey",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "latency": "$context.responseLatency",
    "error": "$context.integrationErrorMessage",
}
"""Of an access log: no path, which may have an operation's token in its query."""


def http_api(plan: Plan) -> Resources:
    yield (
        "HttpApi",
        Note(
            {
                "Type": "AWS::ApiGatewayV2::Api",
                "Properties": {
                    "Name": ref("AWS::StackName"),
                    "ProtocolType": "HTTP",
                    "CorsConfiguration": when("HasCors", _cors()),
                },
            },
            above="Requests. Every route leads to one function, which knows them; those that "
            "stand here beside $default are looked at by API Gateway first.",
        ),
    )
    yield (
        "HttpStage",
        {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {
                "ApiId": ref("HttpApi"),
                "StageName": "$default",
                "AutoDeploy": True,
                "DefaultRouteSettings": {
                    "ThrottlingRateLimit": ref("RequestRate"),
                    "ThrottlingBurstLimit": ref("RequestBurst"),
                },
                "AccessLogSettings": {
                    "DestinationArn": att("HttpAccessLogGroup.Arn"),
                    "Format": _log_format(),
                },
            },
        },
    )
    yield "HttpAccessLogGroup", Note(_LOGS, inside=(SKIP_LOGS,))
    yield (
        "HttpIntegration",
        {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": ref("HttpApi"),
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": sub(INVOKE),
                "PayloadFormatVersion": "2.0",
                "TimeoutInMillis": 30_000,
            },
        },
    )
    yield (
        "HttpPermission",
        {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": ref("HttpFunction"),
                "Principal": "apigateway.amazonaws.com",
                "SourceArn": sub(f"{EXECUTE}:${{HttpApi}}/*"),
            },
        },
    )
    if plan.guarded:
        yield (
            "JwtAuthorizer",
            Note(
                {
                    "Type": "AWS::ApiGatewayV2::Authorizer",
                    "Condition": "ChecksJwtAtApi",
                    "Properties": {
                        "ApiId": ref("HttpApi"),
                        "Name": "jwt",
                        "AuthorizerType": "JWT",
                        "IdentitySource": ["$request.header.Authorization"],
                        "JwtConfiguration": {
                            "Issuer": ref("JwtIssuer"),
                            "Audience": [ref("JwtAudience")],
                        },
                    },
                },
                above="Refuses callers without a user's token before a function is called. Other "
                "routes take an operation's own token too, which is no JWT; the function looks at "
                "those, and at these once more.",
            ),
        )
    yield "DefaultRoute", _route("$default")
    names: set[str] = {"DefaultRoute"}
    for key in plan.guarded:
        yield (
            _logical(key, names),
            _route(key)
            | {
                "Properties": _route(key)["Properties"]
                | {
                    "AuthorizationType": when("ChecksJwtAtApi", "JWT", "NONE"),
                    "AuthorizerId": when("ChecksJwtAtApi", ref("JwtAuthorizer")),
                }
            },
        )
    for key in plan.open:
        yield _logical(key, names), _route(key)
    yield alarm(
        "HttpApi",
        "The HTTP API answered with errors of its own or of HttpFunction.",
        "AWS/ApiGateway",
        "5xx",
        {"ApiId": ref("HttpApi")},
    )


def socket_api() -> Resources:
    connect = {"FunctionArn": att("SocketFunction.Arn")}
    yield (
        "SocketApi",
        Note(
            {
                "Type": "AWS::Serverless::WebSocketApi",
                "Properties": {
                    "Name": sub("${AWS::StackName}-socket"),
                    "RouteSelectionExpression": "$request.body.action",
                    "StageName": SOCKET_STAGE,
                    "Auth": {"AuthType": "CUSTOM", "AuthArn": att("AuthorizerFunction.Arn")},
                    "Routes": dict.fromkeys(
                        ("$connect", "$disconnect", "$default", *ACTIONS), connect
                    ),
                    "DefaultRouteSettings": {
                        "ThrottlingRateLimit": ref("RequestRate"),
                        "ThrottlingBurstLimit": ref("RequestBurst"),
                    },
                    "AccessLogSettings": when(
                        "LogsSocketAccess",
                        {
                            "DestinationArn": att("SocketAccessLogGroup.Arn"),
                            "Format": _log_format(),
                        },
                    ),
                },
            },
            above="Those who follow: a route for each action of ringback.v1. Answers are posted "
            "to the connection like everything else, in order; no route has a response.",
        ),
    )
    yield "SocketAccessLogGroup", _LOGS | {"Condition": "LogsSocketAccess"}


_LOGS = {
    "Type": "AWS::Logs::LogGroup",
    "Properties": {"RetentionInDays": ref("LogRetention")},
}


def _cors() -> dict[str, Any]:
    return {
        "AllowOrigins": ref("CorsOrigins"),
        "AllowMethods": list(METHODS),
        "AllowHeaders": ref("CorsHeaders"),
        "ExposeHeaders": [name.lower() for name in EXPOSED],
        "AllowCredentials": when("HasAnyOrigin", False, True),
        "MaxAge": PREFLIGHT_AGE,
    }


def _route(key: str) -> dict[str, Any]:
    return {
        "Type": "AWS::ApiGatewayV2::Route",
        "Properties": {
            "ApiId": ref("HttpApi"),
            "RouteKey": key,
            "Target": sub("integrations/${HttpIntegration}"),
        },
    }


def _log_format() -> str:
    pairs = (f'"{name}":"{value}"' for name, value in LOG_FIELDS.items())
    return f"{{{','.join(pairs)}}}"


def _logical(key: str, taken: set[str]) -> str:
    """A logical id made of a route's key."""
    words = "".join(c if c.isalnum() else " " for c in key).split()
    name = made = "".join(word[:1].upper() + word[1:].lower() for word in words) + "Route"
    count = 1
    while made in taken:
        count += 1
        made = f"{name}{count}"
    taken.add(made)
    return made
