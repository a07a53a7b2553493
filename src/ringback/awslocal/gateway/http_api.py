"""An HTTP API: from a request to a route, past its authorizer, to a function and back."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import unquote

from ringback.awslocal.gateway import answers, cors, guard, http_events, passing, services
from ringback.awslocal.gateway.authorizers import Authorizers, Failed, Unauthorized
from ringback.awslocal.gateway.counts import HttpCounts
from ringback.awslocal.gateway.http_events import Call
from ringback.awslocal.gateway.identity import gather
from ringback.awslocal.gateway.jwts import Keys, Refused, verify
from ringback.awslocal.gateway.limits import Limits, Throttle
from ringback.awslocal.gateway.messages import Event, Request, Response, short_id, told
from ringback.awslocal.gateway.routes import Routes, choose_stage
from ringback.awslocal.model import (
    HttpApi,
    Integration,
    Invoker,
    JwtAuthorizer,
    LambdaAuthorizer,
    Place,
    Route,
)

log = logging.getLogger("ringback.aws.gateway")
access = logging.getLogger("ringback.aws.gateway.access")


class Stopped(Exception):
    """The gateway answers itself, and no function is asked."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer
        super().__init__(answer.status)


class HttpGateway:
    """Serves one HTTP API."""

    sockets = False

    def __init__(
        self,
        api: HttpApi,
        place: Place,
        invoker: Invoker,
        *,
        limits: Limits | None = None,
        keys: Keys | None = None,
        services: services.Services | None = None,
        origins: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`services`: what integrations lead to that are no functions. `origins`: from which pages
        may ask that are not of this machine, beside those that the API's CORS configuration
        names."""
        self.limits = limits or Limits()
        self.counts = HttpCounts()
        self._api = api
        self._place = place
        self._invoker = invoker
        self._keys = keys or Keys()
        self._services = services
        self._clock = clock
        self._origins = {*origins, *(api.cors.allow_origins if api.cors else ())}
        self._routes = Routes(api.routes)
        self._authorizers = Authorizers(invoker, self.limits)
        self._throttles = {
            stage.name: Throttle(stage.rate, stage.burst or stage.rate)
            for stage in api.stages
            if stage.rate is not None
        }

    async def open(self, request: Request) -> Response | asyncio.Protocol:
        return told(404, "Not Found")

    async def close(self) -> None:
        """Nothing is open between requests."""

    async def answer(self, request: Request) -> Response:
        began = time.monotonic()
        try:
            answer = await self._answer(request)
        except Stopped as stopped:
            answer = stopped.answer
        if self._api.cors is not None:
            answer = cors.add(self._api.cors, request, answer)
        self.counts.statuses[answer.status] += 1
        took = (time.monotonic() - began) * 1000
        access.info("%s %s %d %.0f ms", request.method, request.raw_path, answer.status, took)
        return answer.with_headers([("apigw-requestid", short_id())])

    async def _answer(self, request: Request) -> Response:
        if (refusal := guard.refusal(request, self._origins)) is not None:
            return refusal
        head = len(request.target) + sum(len(name) + len(value) for name, value in request.headers)
        if head > self.limits.http_head:
            return told(431, "Request Header Fields Too Large")
        chosen = choose_stage(self._api.stages, request.raw_path)
        if chosen is None:
            return told(404, "Not Found")
        stage, path = chosen
        match = self._routes.find(request.method, path)
        if match is None:
            if self._api.cors is not None and cors.is_preflight(request):
                return Response(status=204)
            return told(404, "Not Found")
        throttle = self._throttles.get(stage.name)
        if throttle is not None and not throttle.take(time.monotonic()):
            return told(429, "Too Many Requests")
        call = http_events.begin(
            request,
            api_id=self._api.api_id,
            place=self._place,
            stage=stage,
            route_key=match.route.key,
            path=unquote(path),
            parameters=match.parameters,
            now=self._clock(),
        )
        context = await self._authorize(match.route, call)
        self.counts.request(len(request.body))
        return await self._integrate(match.route, call, context)

    # Authorizers

    async def _authorize(self, route: Route, call: Call) -> Mapping[str, Any] | None:
        if route.authorization == "NONE":
            return None
        authorizer = self._api.authorizers.get(route.authorizer or "")
        match authorizer:
            case JwtAuthorizer():
                return {"jwt": await self._jwt(authorizer, route, call)}
            case LambdaAuthorizer():
                return await self._ask(authorizer, call)
            case None:
                log.error(
                    "Route %s asks for %s, for which nothing stands here",
                    route.key,
                    route.authorizer or route.authorization,
                )
                raise Stopped(told(403, "Forbidden"))

    async def _jwt(self, authorizer: JwtAuthorizer, route: Route, call: Call) -> dict[str, Any]:
        sources = gather([authorizer.identity_source], call.request, {}, call.stage.variables)
        if sources is None:
            raise Stopped(told(401, "Unauthorized", (("www-authenticate", "Bearer"),)))
        try:
            return await verify(authorizer, sources[0], route.scopes, self._keys, call.now)
        except Refused as refused:
            log.info("A token was refused on %s: %s", route.key, refused)
            if refused.status == 403:
                challenge = f'Bearer scope="{" ".join(route.scopes)}" error="insufficient_scope"'
                said = "Forbidden"
            else:
                challenge = (
                    f'Bearer scope="{" ".join(route.scopes)}" error="invalid_token" '
                    f'error_description="{refused}"'
                )
                said = "Unauthorized"
            raise Stopped(told(refused.status, said, (("www-authenticate", challenge),))) from None

    async def _ask(self, authorizer: LambdaAuthorizer, call: Call) -> Mapping[str, Any]:
        request = call.request
        context: dict[str, Any] = {
            "routeKey": call.route_key,
            "path": call.full_path,
            "stage": call.stage.name,
            "httpMethod": request.method,
            "identity": {"sourceIp": request.peer},
        }
        sources = gather(authorizer.identity_sources, request, context, call.stage.variables)
        if sources is None:
            raise Stopped(told(401, "Unauthorized"))
        version = 2 if authorizer.payload_format == "2.0" else 1
        make = http_events.authorizer_2 if version == 2 else http_events.authorizer_1
        try:
            decision = await self._authorizers.ask(
                authorizer,
                sources,
                make(call, sources),
                call.now,
                timeout=self.limits.http_timeout,
                scope=call.stage.name,
            )
        except Unauthorized:
            raise Stopped(told(401, "Unauthorized")) from None
        except Failed as failed:
            log.error("Authorizer %s failed: %s", authorizer.name, failed)
            raise Stopped(told(500, "Internal Server Error")) from None
        if decision.verdict(call.arn) != "allow":
            raise Stopped(told(403, "Forbidden"))
        # Wrapped, since format 1.0 has what an authorizer says without a name around it.
        return {"lambda": decision.context, "principalId": decision.principal}

    # Integrations

    async def _integrate(
        self, route: Route, call: Call, context: Mapping[str, Any] | None
    ) -> Response:
        integration = route.integration
        if integration is None:
            log.error("Route %s has no integration", route.key)
            return told(500, "Internal Server Error")
        timeout = self.limits.http_timeout
        if integration.timeout is not None:
            timeout = min(timeout, integration.timeout * self.limits.scale)
        try:
            async with asyncio.timeout(timeout):
                if integration.function is not None:
                    return await self._invoke(integration, call, context)
                if integration.subtype is not None and self._services is not None:
                    return await services.send(integration, call, context, self._services)
                if integration.type == "HTTP_PROXY":
                    return await passing.send(integration, call)
        except TimeoutError:
            log.error("Route %s took longer than %g seconds", route.key, timeout)
            return told(503, "Service Unavailable")
        log.error("Route %s: nothing stands here for %s", route.key, integration.type)
        return told(500, "Internal Server Error")

    async def _invoke(
        self, integration: Integration, call: Call, context: Mapping[str, Any] | None
    ) -> Response:
        assert integration.function is not None  # noqa: S101  asked by the caller
        first = integration.payload_format == "1.0"
        event = _event_1(call, context) if first else _event_2(call, context)
        if len(json.dumps(event)) > self.limits.function_payload:
            return told(413, "Request Entity Too Large")
        outcome = await self._invoker.invoke(integration.function, event)
        if outcome.error is not None:
            throttled = outcome.error.kind == "throttled"
            # What a function does wrong, its own log has; of one that is missing there is none.
            level = logging.ERROR if outcome.error.kind == "missing" else logging.DEBUG
            log.log(level, "%s: %s", integration.function, outcome.error.message)
            if throttled:
                return told(503, "Service Unavailable")
            return told(500, "Internal Server Error")
        try:
            read = answers.version_1 if first else answers.version_2
            return read(outcome.payload)
        except answers.Malformed as malformed:
            log.error("%s returned what is no answer: %s", integration.function, malformed)
            return told(500, "Internal Server Error")


def _event_2(call: Call, context: Mapping[str, Any] | None) -> Event:
    if context is None or "jwt" in context:
        return http_events.version_2(call, context)
    return http_events.version_2(call, {"lambda": context["lambda"]})


def _event_1(call: Call, context: Mapping[str, Any] | None) -> Event:
    if context is None:
        return http_events.version_1(call)
    if "jwt" in context:
        return http_events.version_1(call, context["jwt"])
    return http_events.version_1(call, {"principalId": context["principalId"], **context["lambda"]})
