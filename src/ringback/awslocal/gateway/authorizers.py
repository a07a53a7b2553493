"""Lambda authorizers: asked, understood, and remembered for a while."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ringback.awslocal.gateway.limits import Limits
from ringback.awslocal.gateway.messages import Event
from ringback.awslocal.gateway.policies import Verdict, is_policy, verdict
from ringback.awslocal.model import Invoker, LambdaAuthorizer

UNAUTHORIZED = "Unauthorized"
"""The one error by which a function says 401."""
MOST_KEPT = 10_000
"""Answers remembered at once."""

log = logging.getLogger("ringback.aws.gateway")


class Failed(Exception):
    """The authorizer gave no answer that can be understood. The text says why."""


class Unauthorized(Exception):
    """The authorizer said that it does not know who this is."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What an authorizer said, for as long as it is remembered."""

    allowed: bool | None = None
    """Of the simple form; None: a policy decides."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    principal: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)

    def verdict(self, arn: str) -> Verdict:
        if self.allowed is not None:
            return "allow" if self.allowed else "deny"
        return verdict(self.policy, arn)


class Authorizers:
    """Asks the functions of an API's authorizers."""

    def __init__(self, invoker: Invoker, limits: Limits) -> None:
        self._invoker = invoker
        self._limits = limits
        self._kept: dict[tuple[str, ...], tuple[float, Decision]] = {}

    async def ask(
        self,
        authorizer: LambdaAuthorizer,
        sources: list[str],
        event: Event,
        now: float,
        *,
        timeout: float,
        scope: str = "",
        remembers: bool = True,
    ) -> Decision:
        """What is remembered for these identity sources, or what the function says now. Raises
        ``Failed`` and ``Unauthorized``."""
        key = (authorizer.name, scope, *sources)
        remembers = remembers and authorizer.ttl > 0 and bool(sources)
        if remembers and (kept := self._kept.get(key)) is not None:
            if now < kept[0]:
                return kept[1]
            del self._kept[key]
        decision = await self._ask(authorizer, event, timeout)
        if remembers:
            if len(self._kept) >= MOST_KEPT:
                self._kept = {each: kept for each, kept in self._kept.items() if now < kept[0]}
            if len(self._kept) < MOST_KEPT:
                self._kept[key] = (now + authorizer.ttl * self._limits.scale, decision)
        return decision

    async def _ask(self, authorizer: LambdaAuthorizer, event: Event, timeout: float) -> Decision:
        try:
            async with asyncio.timeout(timeout):
                outcome = await self._invoker.invoke(authorizer.function, event)
        except TimeoutError:
            raise Failed(f"it took longer than {timeout:g} seconds") from None
        if outcome.error is not None:
            if outcome.error.message == UNAUTHORIZED:
                raise Unauthorized
            raise Failed(f"{outcome.error.type}: {outcome.error.message}")
        said = outcome.payload
        if not isinstance(said, Mapping):
            raise Failed("it has to return an object")
        if len(json.dumps(said)) > self._limits.authorizer_result:
            raise Failed(f"it returned more than {self._limits.authorizer_result} bytes")
        context = said.get("context") or {}
        if not isinstance(context, Mapping):
            raise Failed("context has to be an object")
        if authorizer.simple:
            if not isinstance(said.get("isAuthorized"), bool):
                raise Failed("isAuthorized has to be true or false")
            return Decision(allowed=said["isAuthorized"], context=context)
        if not is_policy(said.get("policyDocument")):
            raise Failed("policyDocument has to be a policy with a statement that allows or denies")
        principal = said.get("principalId")
        if not isinstance(principal, str):
            raise Failed("principalId has to be a string")
        return Decision(policy=said["policyDocument"], principal=principal, context=context)


def as_strings(context: Mapping[str, Any]) -> dict[str, str]:
    """How a policy's context reaches functions. Raises ``Failed`` for what is no plain value."""
    result = {}
    for name, value in context.items():
        if isinstance(value, bool):
            result[name] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            result[name] = str(value)
        elif value is not None:
            raise Failed(f"context.{name} has to be a string, a number or true or false")
    return result
