"""HTTP and WebSocket APIs of a template, of resources each or of an OpenAPI document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Literal, cast

from ringback.awslocal.model import (
    HttpApi,
    Integration,
    LambdaAuthorizer,
    Route,
    SocketApi,
    Stage,
)
from ringback.awslocal.template import openapi
from ringback.awslocal.template.authorizers import Authorizer, of_resource
from ringback.awslocal.template.context import Context
from ringback.awslocal.template.integrations import cors, integration

Authorization = Literal["NONE", "JWT", "CUSTOM", "AWS_IAM"]
V2 = "AWS::ApiGatewayV2::"


def apis(context: Context) -> tuple[tuple[HttpApi, ...], tuple[SocketApi, ...]]:
    """Every API of the template."""
    parts = _Parts(context)
    http: list[HttpApi] = []
    sockets: list[SocketApi] = []
    for name, properties in context.of(f"{V2}Api"):
        api_id = context.attributes.physical(name)
        title = str(properties.get("Name") or name)
        stages = parts.stages[api_id] or (Stage(name="$default"),)
        if properties.get("ProtocolType") == "WEBSOCKET":
            sockets.append(
                SocketApi(
                    name=name,
                    api_id=api_id,
                    title=title,
                    selection=properties.get("RouteSelectionExpression", "$request.body.action"),
                    routes=tuple(parts.routes[api_id]),
                    authorizers={
                        key: each
                        for key, each in parts.authorizers[api_id].items()
                        if isinstance(each, LambdaAuthorizer)
                    },
                    stages=tuple(stages),
                )
            )
            continue
        described = openapi.read(properties.get("Body") or {}, context)
        routes = [*described.routes, *parts.routes[api_id], *_quick(properties, context)]
        http.append(
            HttpApi(
                name=name,
                api_id=api_id,
                title=described.title or title,
                routes=tuple(routes),
                authorizers={**described.authorizers, **parts.authorizers[api_id]},
                stages=tuple(stages),
                cors=cors(properties.get("CorsConfiguration")) or described.cors,
            )
        )
    return tuple(http), tuple(sockets)


def _quick(properties: Mapping[str, Any], context: Context) -> list[Route]:
    """An API made in one step: all that comes goes to one target."""
    target = properties.get("Target")
    if target is None:
        return []
    function = context.function(target)
    made = Integration(
        type="AWS_PROXY" if function else "HTTP_PROXY",
        function=function,
        uri=None if function else str(target),
    )
    return [Route(key=str(properties.get("RouteKey", "$default")), integration=made)]


class _Parts:
    """Routes, authorizers and stages that are resources, by API."""

    def __init__(self, context: Context) -> None:
        self.authorizers: defaultdict[str, dict[str, Authorizer]] = defaultdict(dict)
        self.stages: defaultdict[str, list[Stage]] = defaultdict(list)
        self.routes: defaultdict[str, list[Route]] = defaultdict(list)
        integrations = {
            name: integration(properties, context)
            for name, properties in context.of(f"{V2}Integration")
        }
        responding = {
            (str(properties["ApiId"]), str(properties["RouteId"]))
            for _, properties in context.of(f"{V2}RouteResponse")
        }
        for name, properties in context.of(f"{V2}Authorizer"):
            made = of_resource(name, properties, context)
            if made is not None:
                self.authorizers[str(properties["ApiId"])][name] = made
        for name, properties in context.of(f"{V2}Route"):
            api = str(properties["ApiId"])
            target = str(properties.get("Target", "")).removeprefix("integrations/")
            kind = properties.get("AuthorizationType", "NONE")
            self.routes[api].append(
                Route(
                    key=str(properties["RouteKey"]),
                    integration=integrations.get(target),
                    authorization=cast("Authorization", kind),
                    authorizer=properties.get("AuthorizerId"),
                    scopes=tuple(properties.get("AuthorizationScopes", ())),
                    responds=bool(properties.get("RouteResponseSelectionExpression"))
                    or (api, name) in responding,
                )
            )
        for _, properties in context.of(f"{V2}Stage"):
            self.stages[str(properties["ApiId"])].append(stage(properties))


def stage(properties: Mapping[str, Any]) -> Stage:
    settings = properties.get("DefaultRouteSettings", {})
    rate, burst = settings.get("ThrottlingRateLimit"), settings.get("ThrottlingBurstLimit")
    return Stage(
        name=str(properties.get("StageName", "$default")),
        variables={k: str(v) for k, v in properties.get("StageVariables", {}).items()},
        rate=None if rate is None else float(rate),
        burst=None if burst is None else int(burst),
    )
