"""Authorizers of a template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringback.awslocal.model import JwtAuthorizer, LambdaAuthorizer
from ringback.awslocal.template.context import Context, listed, truth

Authorizer = JwtAuthorizer | LambdaAuthorizer
HEADER = "$request.header.Authorization"
KEPT = 300.0
"""Seconds that an HTTP API keeps an authorizer's answer where identity sources are named."""


def of_resource(name: str, properties: Mapping[str, Any], context: Context) -> Authorizer | None:
    sources = tuple(map(str, listed(properties.get("IdentitySource"))))
    if properties.get("AuthorizerType") == "JWT":
        said = properties.get("JwtConfiguration", {})
        return JwtAuthorizer(
            name=name,
            issuer=str(said.get("Issuer", "")),
            audience=tuple(map(str, listed(said.get("Audience")))),
            identity_source=sources[0] if sources else HEADER,
        )
    function = context.function(properties.get("AuthorizerUri"))
    if function is None:
        context.left_out.append((name, "authorizer whose function is not in the template"))
        return None
    return LambdaAuthorizer(
        name=name,
        function=function,
        identity_sources=sources,
        payload_format=str(properties.get("AuthorizerPayloadFormatVersion", "1.0")),
        simple=truth(properties.get("EnableSimpleResponses")),
        ttl=float(properties.get("AuthorizerResultTtlInSeconds", 0)),
    )


def of_scheme(name: str, scheme: Mapping[str, Any], context: Context) -> Authorizer | None:
    """Of an OpenAPI document's security scheme."""
    said = scheme.get("x-amazon-apigateway-authorizer")
    if not isinstance(said, Mapping):
        if scheme.get("type") == "openIdConnect":
            issuer = str(scheme.get("openIdConnectUrl", "")).removesuffix(
                "/.well-known/openid-configuration"
            )
            return JwtAuthorizer(name=name, issuer=issuer)
        return None
    sources = said.get("identitySource") or ()
    if isinstance(sources, str):
        sources = [each.strip() for each in sources.split(",")]
    jwt = said.get("jwtConfiguration", {})
    properties = {
        "AuthorizerType": "JWT" if str(said.get("type", "")).lower() == "jwt" else "REQUEST",
        "IdentitySource": sources,
        "JwtConfiguration": {"Issuer": jwt.get("issuer", ""), "Audience": jwt.get("audience")},
        "AuthorizerUri": said.get("authorizerUri"),
        "AuthorizerPayloadFormatVersion": said.get("authorizerPayloadFormatVersion", "1.0"),
        "EnableSimpleResponses": said.get("enableSimpleResponses"),
        "AuthorizerResultTtlInSeconds": said.get(
            "authorizerResultTtlInSeconds", KEPT if sources else 0
        ),
    }
    return of_resource(name, properties, context)
