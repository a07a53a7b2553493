"""What is chosen when the stack is deployed, not when the template is written."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from ringback.sam.plan import Plan
from ringback.sam.yaml import Tag, att, ref, sub, when
from ringback.settings import Settings

HEADERS = (
    "authorization",
    "cache-control",
    "content-range",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "prefer",
    "repr-digest",
    "traceparent",
    "upload-complete",
    "upload-length",
    "upload-offset",
)
"""Of Ringback's own routes. API Gateway takes no ``*`` for pages with credentials."""
LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 180, 365)

GROUPS = {
    "Who is asking": (
        "JwksUrl",
        "JwtIssuer",
        "JwtAudience",
        "JwtPublicKey",
        "JwtSecret",
        "JwtAtApi",
        "CorsOrigins",
        "CorsHeaders",
    ),
    "Functions": (
        "Architecture",
        "MemorySize",
        "WorkMemorySize",
        "WorkConcurrency",
        "ReservedForRequests",
        "AppPolicyArn",
    ),
    "Bounds": ("RequestRate", "RequestBurst"),
    "What is kept": ("PayloadDays", "LogRetention", "SocketAccessLogs", "DeletionProtection"),
    "Alarms": ("AlarmEmail",),
}


def parameters(plan: Plan, settings: Settings) -> dict[str, Any]:
    """Each with its default; those of tokens and pages are what the application has set."""
    return {
        "Architecture": _choice("arm64", ("arm64", "x86_64"), "What the code was built for."),
        "MemorySize": _number(512, 128, 10240, "MB of the functions that answer and tell."),
        "WorkMemorySize": _number(
            1024, 128, 10240, "MB of the functions that work; with 1769 comes one whole processor."
        ),
        "WorkConcurrency": _number(
            50, 2, 1000, "Environments of each class of work at once, at most."
        ),
        "ReservedForRequests": _number(
            0,
            0,
            1000,
            "Environments kept for each of HttpFunction, SocketFunction and AuthorizerFunction, so "
            "that work cannot take them all; 0: none.",
        ),
        "AppPolicyArn": _text(
            "", "ARN of a managed policy: what the application's own code may do; empty: nothing."
        ),
        "JwksUrl": _text(settings.jwks_url, "Where the issuer of JWTs publishes its keys."),
        "JwtIssuer": _text(settings.jwt_issuer, "Required iss of JWTs."),
        "JwtAudience": _text(settings.jwt_audience, "Required aud of JWTs."),
        "JwtPublicKey": _text(
            settings.jwt_public_key, "PEM of the key of JWTs, where there is no JwksUrl."
        ),
        "JwtSecret": _text("", "Key of HS256 tokens, where there is neither.") | {"NoEcho": True},
        **({"JwtAtApi": _JWT_AT_API} if plan.guarded else {}),
        "CorsOrigins": {
            "Type": "CommaDelimitedList",
            "Default": ",".join(plan.cors),
            "Description": "Origins whose pages may call; *: any, without credentials; "
            "empty: none but the API's own.",
        },
        "CorsHeaders": {
            "Type": "CommaDelimitedList",
            "Default": ",".join(HEADERS),
            "Description": "Headers that these pages may send.",
        },
        "RequestRate": _number(1000, 1, 10_000, "Requests and messages a second, of each API."),
        "RequestBurst": _number(2000, 1, 5000, "The same, at once."),
        "PayloadDays": _number(
            0,
            0,
            3650,
            "Days after which payloads are deleted, whoever may still need them: more than "
            "anything waits or is kept. 0: never; Ringback deletes what is past its retention.",
        ),
        "LogRetention": {
            "Type": "Number",
            "Default": 30,
            "AllowedValues": list(LOG_DAYS),
            "Description": "Days that logs are kept.",
        },
        "SocketAccessLogs": _flag(
            "false",
            "Whether the WebSocket API writes access logs; first set the CloudWatch role of API "
            "Gateway, once for the account and region.",
        ),
        "DeletionProtection": _flag("true", "Whether the table is kept from being deleted."),
        "AlarmEmail": _text("", "Address that alarms are sent to; empty: none."),
    }


def conditions(plan: Plan) -> dict[str, Any]:
    given = ("JwksUrl", "JwtIssuer", "JwtAudience", "JwtPublicKey", "JwtSecret")
    origins = Tag("Join", ["", ref("CorsOrigins")])
    return {
        **{f"Has{name}": _given(ref(name)) for name in given},
        "HasAppPolicy": _given(ref("AppPolicyArn")),
        "HasAlarmEmail": _given(ref("AlarmEmail")),
        "HasCors": _given(origins),
        "HasAnyOrigin": Tag("Equals", [origins, "*"]),
        **({"ChecksJwtAtApi": _CHECKS_JWT} if plan.guarded else {}),
        "LogsSocketAccess": Tag("Equals", [ref("SocketAccessLogs"), "true"]),
        "ExpiresPayloads": Tag("Not", [Tag("Equals", [ref("PayloadDays"), 0])]),
        "ReservesForRequests": Tag("Not", [Tag("Equals", [ref("ReservedForRequests"), 0])]),
    }


def interface(known: Container[str]) -> dict[str, Any]:
    """How the console shows those there are."""
    return {
        "AWS::CloudFormation::Interface": {
            "ParameterGroups": [
                {"Label": {"default": label}, "Parameters": [*filter(known.__contains__, names)]}
                for label, names in GROUPS.items()
            ]
        }
    }


def environment(queues: Tag, files: str, uploads: str, stage: str) -> dict[str, Any]:
    """The settings of every function."""
    return {
        "RINGBACK_ENGINE": sub("dynamodb:${Table}"),
        "RINGBACK_AWS_BUCKET": sub(files),
        "RINGBACK_AWS_QUEUES": queues,
        "RINGBACK_AWS_SOCKET_URL": sub(
            "https://${SocketApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}/" + stage
        ),
        "RINGBACK_AWS_BUS": ref("Bus"),
        "RINGBACK_UPLOADS": sub(f"s3://{files}/{uploads.rstrip('/')}"),
        # Its own pages, too: for the WebSocket API those of the HTTP API are another host's.
        "RINGBACK_CORS_ORIGINS": when("HasCors", origins(), own_origin()),
        **{
            f"RINGBACK_{variable}": when(f"Has{name}", ref(name))
            for variable, name in (
                ("JWKS_URL", "JwksUrl"),
                ("JWT_ISSUER", "JwtIssuer"),
                ("JWT_AUDIENCE", "JwtAudience"),
                ("JWT_PUBLIC_KEY", "JwtPublicKey"),
                ("JWT_SECRET", "JwtSecret"),
            )
        },
    }


def _given(value: Tag) -> Tag:
    return Tag("Not", [Tag("Equals", [value, ""])])


def _text(default: str | None, description: str) -> dict[str, Any]:
    return {"Type": "String", "Default": default or "", "Description": description}


def _flag(default: str, description: str) -> dict[str, Any]:
    return _choice(default, ("true", "false"), description)


def _choice(default: str, values: tuple[str, ...], description: str) -> dict[str, Any]:
    return {
        "Type": "String",
        "Default": default,
        "AllowedValues": list(values),
        "Description": description,
    }


def _number(default: int, least: int, most: int, description: str) -> dict[str, Any]:
    return {
        "Type": "Number",
        "Default": default,
        "MinValue": least,
        "MaxValue": most,
        "Description": description,
    }


_JWT_AT_API = _flag(
    "false",
    "Whether API Gateway checks JWTs before a function is called. It takes RSA keys alone, and "
    "needs JwtIssuer with /.well-known/openid-configuration below it, and JwtAudience.",
)
_CHECKS_JWT = Tag("Equals", [ref("JwtAtApi"), "true"])


def own_origin() -> Tag:
    """Where pages come from that the application itself serves."""
    return att("HttpApi.ApiEndpoint")


def origins() -> Tag:
    """The same, and those of the parameter, between commas."""
    return Tag("Join", [",", [own_origin(), Tag("Join", [",", ref("CorsOrigins")])]])
