"""Calls that nobody waits for: tried again, and at last told to a destination."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

from ringback.awslocal.model import Function, Invoker, Outcome
from ringback.awslocal.runtime.functions import Functions
from ringback.awslocal.sources.destinations import Destinations, record

log = logging.getLogger("ringback.aws.events")

AGAIN = (60.0, 120.0)
"""Seconds before Lambda's second and third attempt."""
THROTTLED = (1.0, 300.0)
"""Seconds before a throttled call is tried again: at first, and at most."""
LARGEST = 1024 * 1024
"""Bytes of an event that nobody waits for."""


class Asynchronous:
    """Calls functions as ``InvocationType: Event`` does."""

    def __init__(
        self, functions: Functions, destinations: Destinations, *, scale: float = 1.0
    ) -> None:
        """`scale`: by what waits are multiplied."""
        self._functions = functions
        self._invoker: Invoker = functions
        self._destinations = destinations
        self._scale = scale
        self._tasks: set[asyncio.Task[None]] = set()
        destinations.submit = self.submit

    def submit(self, function: str, event: Any) -> None:
        """Call `function` with `event`, now and again until it succeeds or has been tried
        often enough."""
        known = self._functions.functions.get(function)
        if known is None:
            log.warning("%s does not run here: what it should have got is dropped", function)
            return
        task = asyncio.create_task(self._run(known, event))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, function: Function, event: Any) -> None:
        begun = time.monotonic()
        failed = throttled = 0
        wait = 0.0
        while True:
            outcome = await self._invoker.invoke(function.name, event)
            if outcome.error is None:
                if function.on_success:
                    await self._tell(function, event, outcome, "Success", failed + 1)
                return
            if outcome.error.kind == "missing":
                return
            if outcome.error.kind == "throttled":
                first, most = THROTTLED
                wait = min(first * 2**throttled, most)
                throttled += 1
            else:
                failed += 1
                if failed > function.retries:
                    await self._give_up(function, event, outcome, "RetriesExhausted", failed)
                    return
                wait = AGAIN[min(failed, len(AGAIN)) - 1]
            if time.monotonic() - begun + wait * self._scale > function.oldest:
                await self._give_up(function, event, outcome, "EventAgeExceeded", failed)
                return
            await asyncio.sleep(wait * self._scale)

    async def _give_up(
        self, function: Function, event: Any, outcome: Outcome, why: str, count: int
    ) -> None:
        log.error("Given up after %d attempts (%s)", count, why, extra={"function": function.name})
        error = outcome.error
        if function.dead_letters and error is not None:
            with contextlib.suppress(Exception):
                await self._destinations.send(
                    function.dead_letters,
                    event,
                    attributes={
                        "RequestID": outcome.request_id,
                        "ErrorCode": "200",
                        "ErrorMessage": error.message[:1024] or error.type,
                    },
                )
        if function.on_failure:
            await self._tell(function, event, outcome, why, count)

    async def _tell(
        self, function: Function, event: Any, outcome: Outcome, why: str, count: int
    ) -> None:
        arn = function.on_success if outcome.error is None else function.on_failure
        said = record(function, event, outcome, condition=why, count=count)
        how = "Success" if outcome.error is None else "Failure"
        try:
            await self._destinations.send(
                str(arn), said, kind=f"Lambda Function Invocation Result - {how}"
            )
        except Exception:
            log.exception("A destination could not be told", extra={"function": function.name})
