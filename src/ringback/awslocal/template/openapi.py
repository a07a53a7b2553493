"""An HTTP API described by OpenAPI with Amazon's extensions: what SAM's ``HttpApi`` becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ringback.awslocal.model import Cors, JwtAuthorizer, LambdaAuthorizer, Route
from ringback.awslocal.template.authorizers import of_scheme
from ringback.awslocal.template.context import Context
from ringback.awslocal.template.integrations import cors, integration

ANY = "x-amazon-apigateway-any-method"
INTEGRATION = "x-amazon-apigateway-integration"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace", ANY}
WORDS = {
    "connectionId": "ConnectionId",
    "httpMethod": "IntegrationMethod",
    "integrationSubtype": "IntegrationSubtype",
    "payloadFormatVersion": "PayloadFormatVersion",
    "requestParameters": "RequestParameters",
    "subtype": "IntegrationSubtype",
    "timeoutInMillis": "TimeoutInMillis",
    "type": "IntegrationType",
    "uri": "IntegrationUri",
}
"""OpenAPI's names for what the resource's properties say."""


@dataclass(kw_only=True)
class Described:
    title: str = ""
    routes: list[Route] = field(default_factory=list)
    authorizers: dict[str, JwtAuthorizer | LambdaAuthorizer] = field(default_factory=dict)
    cors: Cors | None = None


def read(body: Mapping[str, Any], context: Context) -> Described:
    described = Described(
        title=str(body.get("info", {}).get("title", "")),
        cors=cors(body.get("x-amazon-apigateway-cors")),
    )
    schemes = body.get("components", {}).get("securitySchemes") or body.get(
        "securityDefinitions", {}
    )
    kinds: dict[str, str] = {}
    for name, scheme in schemes.items():
        made = of_scheme(name, scheme, context)
        if made is not None:
            described.authorizers[name] = made
        kinds[name] = str(scheme.get("x-amazon-apigateway-authtype", "")).lower()
    for path, operations in (body.get("paths") or {}).items():
        for method, operation in (operations or {}).items():
            if method.lower() not in METHODS or not isinstance(operation, Mapping):
                continue
            security = operation.get("security", body.get("security"))
            described.routes.append(
                _route(
                    _key(str(path), method.lower()), operation, security, kinds, described, context
                )
            )
    return described


def _key(path: str, method: str) -> str:
    if path.lstrip("/") == "$default":
        return "$default"
    return f"{'ANY' if method == ANY else method.upper()} {path}"


def _route(
    key: str,
    operation: Mapping[str, Any],
    security: Any,
    kinds: Mapping[str, str],
    described: Described,
    context: Context,
) -> Route:
    said = operation.get(INTEGRATION)
    made = None
    if isinstance(said, Mapping):
        made = integration(
            {WORDS[name]: value for name, value in said.items() if name in WORDS}, context
        )
    authorization: Literal["NONE", "JWT", "CUSTOM", "AWS_IAM"] = "NONE"
    authorizer: str | None = None
    scopes: tuple[str, ...] = ()
    for requirement in security or []:
        for name, wanted in requirement.items():
            if name in described.authorizers:
                authorizer, scopes = name, tuple(map(str, wanted or ()))
                jwt = isinstance(described.authorizers[name], JwtAuthorizer)
                authorization = "JWT" if jwt else "CUSTOM"
            elif kinds.get(name) == "awssigv4" or name == "AWS_IAM":
                authorization = "AWS_IAM"
    return Route(
        key=key,
        integration=made,
        authorization=authorization,
        authorizer=authorizer,
        scopes=scopes,
    )
