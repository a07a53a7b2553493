"""Calls what is due by the clock."""

from __future__ import annotations

import asyncio
import datetime
import uuid
from typing import Any

from ringback.awslocal.model import Place, Rule
from ringback.awslocal.sources.cron import Schedule
from ringback.awslocal.sources.destinations import Destinations
from ringback.awslocal.sources.events import deliver

LONGEST_SLEEP = 60.0
"""Seconds: a clock that is set, or a machine that slept, is noticed."""


class Scheduled:
    """One rule or schedule with an expression."""

    def __init__(
        self, rule: Rule, place: Place, destinations: Destinations, *, scale: float = 1.0
    ) -> None:
        self.rule = rule
        self._place = place
        self._destinations = destinations
        self._scale = scale
        self._schedule = Schedule(str(rule.schedule), rule.zone)

    async def run(self) -> None:
        """Until cancelled, or until it is never due again."""
        if not self.rule.enabled:
            return
        while True:
            now = datetime.datetime.now(datetime.UTC)
            due = self._schedule.next(now)
            if due is None:
                return
            if self._schedule.period is not None:
                await asyncio.sleep(self._schedule.period * self._scale)
                await self.fire(due)
                continue
            left = (due - now).total_seconds()
            await asyncio.sleep(min(left, LONGEST_SLEEP))
            if left <= LONGEST_SLEEP:
                await self.fire(due)

    async def fire(self, due: datetime.datetime) -> None:
        """Tell all targets that it is due."""
        for target in self.rule.targets:
            await deliver(self.rule, target, self.event(due), self._destinations)

    def event(self, due: datetime.datetime) -> dict[str, Any]:
        scheduler = ":scheduler:" in self.rule.arn
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler" if scheduler else "aws.events",
            "account": self._place.account,
            "time": due.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._place.region,
            "resources": [self.rule.arn],
            "detail": "{}" if scheduler else {},
        }
