"""The events of an HTTP API: what a function and a Lambda authorizer are called with."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringback.awslocal.gateway.messages import (
    Event,
    Request,
    clf_time,
    every,
    forwarded,
    joined,
    last,
    short_id,
    trace_id,
)
from ringback.awslocal.gateway.routes import DEFAULT
from ringback.awslocal.model import Place, Stage

TEXTS = frozenset(("application/json", "application/xml", "application/javascript"))
"""Beside ``text/*`` the only media types whose bodies are handed on as text; all others, forms
too, and no type at all, come in base64."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request on its way through an API: everything its events are made of."""

    request: Request
    api_id: str
    place: Place
    stage: Stage
    route_key: str
    path: str
    """Behind the stage, decoded."""
    parameters: Mapping[str, str]
    now: float
    id: str
    trace: str

    @property
    def arn(self) -> str:
        """What a policy has to allow."""
        place = self.place
        return (
            f"arn:aws:execute-api:{place.region}:{place.account}:{self.api_id}/{self.stage.name}/"
            f"{self.request.method}{self.path}"
        )

    @property
    def full_path(self) -> str:
        """With the stage, as ``rawPath`` has it."""
        return self.path if self.stage.name == DEFAULT else f"/{self.stage.name}{self.path}"

    @property
    def domain(self) -> str:
        return self.request.header("host") or (
            f"{self.api_id}.execute-api.{self.place.region}.amazonaws.com"
        )


def begin(
    request: Request,
    *,
    api_id: str,
    place: Place,
    stage: Stage,
    route_key: str,
    path: str,
    parameters: Mapping[str, str],
    now: float,
) -> Call:
    return Call(
        request=request,
        api_id=api_id,
        place=place,
        stage=stage,
        route_key=route_key,
        path=path,
        parameters=parameters,
        now=now,
        id=short_id(),
        trace=trace_id(now),
    )


def is_text(content_type: str | None) -> bool:
    """Whether a body of this type is handed on as text."""
    media = (content_type or "").partition(";")[0].strip().lower()
    return media.startswith("text/") or media in TEXTS


def body_of(request: Request) -> tuple[str, bool]:
    """A request's body, and whether it is in base64."""
    if is_text(request.header("content-type")):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(request.body).decode(), True


def version_2(call: Call, authorizer: Mapping[str, Any] | None = None) -> Event:
    """Format 2.0. What is empty is left out."""
    event = _common_2(call)
    event["version"] = "2.0"
    if authorizer is not None:
        context = event["requestContext"]
        # In the order of the documented event, where it stands behind the API.
        event["requestContext"] = {
            "accountId": context.pop("accountId"),
            "apiId": context.pop("apiId"),
            "authorizer": authorizer,
            **context,
        }
    encoded = False
    if call.request.body:
        event["body"], encoded = body_of(call.request)
    event["isBase64Encoded"] = encoded
    return event


def authorizer_2(call: Call, sources: list[str]) -> Event:
    """Format 2.0 of a Lambda authorizer."""
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": call.arn,
        "identitySource": sources or None,
        **{name: value for name, value in _common_2(call).items() if name != "version"},
    }


def _common_2(call: Call) -> Event:
    request = call.request
    headers = joined((name.lower(), value) for name, value in forwarded(request, call.trace))
    cookies = headers.pop("cookie", None)
    event: Event = {
        "version": "2.0",
        "routeKey": call.route_key,
        "rawPath": call.full_path,
        "rawQueryString": request.raw_query,
    }
    if cookies is not None:
        event["cookies"] = [
            stripped
            for line in request.every("cookie")
            for each in line.split(";")
            if (stripped := each.strip())
        ]
    event["headers"] = headers
    if query := joined(request.query):
        event["queryStringParameters"] = query
    event["requestContext"] = {
        "accountId": call.place.account,
        "apiId": call.api_id,
        "domainName": call.domain,
        "domainPrefix": call.domain.partition(".")[0],
        "http": {
            "method": request.method,
            "path": call.full_path,
            "protocol": f"HTTP/{request.version}",
            "sourceIp": request.peer,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": call.id,
        "routeKey": call.route_key,
        "stage": call.stage.name,
        "time": clf_time(call.now),
        "timeEpoch": int(call.now * 1000),
    }
    if call.parameters:
        event["pathParameters"] = dict(call.parameters)
    if call.stage.variables:
        event["stageVariables"] = dict(call.stage.variables)
    return event


NOBODY = (
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
)
"""Who called, in AWS's own ways of signing in: nobody here."""


def version_1(call: Call, authorizer: Mapping[str, Any] | None = None) -> Event:
    """Format 1.0. What is empty is null."""
    request = call.request
    headers = forwarded(request, call.trace)
    resource = call.route_key.partition(" ")[2] or call.route_key
    body, encoded = body_of(request) if request.body else (None, False)
    context: Event = {
        "accountId": call.place.account,
        "apiId": call.api_id,
        "domainName": call.domain,
        "domainPrefix": call.domain.partition(".")[0],
        "extendedRequestId": call.id,
        "httpMethod": request.method,
        "identity": {
            **dict.fromkeys(NOBODY),
            "sourceIp": request.peer,
            "user": None,
            "userAgent": request.header("user-agent") or "",
            "userArn": None,
        },
        "path": call.full_path,
        "protocol": f"HTTP/{request.version}",
        "requestId": call.id,
        "requestTime": clf_time(call.now),
        "requestTimeEpoch": int(call.now * 1000),
        "resourceId": call.route_key,
        "resourcePath": resource,
        "stage": call.stage.name,
    }
    if authorizer is not None:
        context["authorizer"] = authorizer
    return {
        "version": "1.0",
        "resource": resource,
        "path": call.full_path,
        "httpMethod": request.method,
        "headers": last(headers),
        "multiValueHeaders": every(headers),
        "queryStringParameters": last(request.query) or None,
        "multiValueQueryStringParameters": every(request.query) or None,
        "requestContext": context,
        "pathParameters": dict(call.parameters) or None,
        "stageVariables": dict(call.stage.variables) or None,
        "body": body,
        "isBase64Encoded": encoded,
    }


def authorizer_1(call: Call, sources: list[str]) -> Event:
    """Format 1.0 of a Lambda authorizer."""
    event = version_1(call)
    identity = ",".join(sources)
    for name in ("body", "isBase64Encoded"):
        del event[name]
    return {
        **event,
        "type": "REQUEST",
        "methodArn": call.arn,
        "identitySource": identity,
        "authorizationToken": identity,
    }
