"""Tables' streams to functions: an event source mapping of DynamoDB."""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import time
import zlib
from collections.abc import Mapping
from typing import Any

import httpx

from ringback.awslocal.clients import Clients
from ringback.awslocal.model import EventSource, Function, Invoker, Outcome, Resource
from ringback.awslocal.moto_streams import STREAM
from ringback.awslocal.sources.destinations import Destinations, moment
from ringback.awslocal.sources.patterns import fits
from ringback.awslocal.sources.queues import failures
from ringback.awslocal.template.attributes import STREAM as LABEL

log = logging.getLogger("ringback.aws.events")

WAIT = 20
"""Seconds that one question waits for news."""
SHARD = "shardId-00000001541626099285-f35f62ef"
"""moto has one for each table."""
AGAIN = (0.2, 10.0)
"""Seconds before records that failed are tried again: at first, and at most."""
BROKEN = 0.5
"""Seconds after a question that failed."""
WAITING = 2000
"""Records that may wait in a lane before no more are read."""

Record = dict[str, Any]


class StreamMapping:
    """Reads a table's stream for a function.

    moto's streams have one shard. With ``ParallelizationFactor`` its records go to as many lanes
    by the key's hash; within a lane order holds.
    """

    def __init__(
        self,
        source: EventSource,
        table: Resource,
        function: Function,
        clients: Clients,
        invoker: Invoker,
        destinations: Destinations,
        *,
        scale: float = 1.0,
    ) -> None:
        self._source = source
        self._table = table
        self._function = function
        self._clients = clients
        self._invoker = invoker
        self._destinations = destinations
        self._scale = scale
        self._arn = table.arn + LABEL
        self._lanes = [Lane(self) for _ in range(max(1, source.parallel))]

    async def run(self) -> None:
        """Until cancelled."""
        lanes = [asyncio.create_task(lane.run()) for lane in self._lanes]
        try:
            async with httpx.AsyncClient(timeout=WAIT + 40, trust_env=False) as client:
                after = 0
                while True:
                    after = await self._read(client, after)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def _read(self, client: httpx.AsyncClient, after: int) -> int:
        place = self._clients.place
        query: dict[str, str | int] = {
            "table": self._table.physical,
            "account": place.account,
            "region": place.region,
            "after": after,
            "wait": WAIT,
        }
        try:
            answer = await client.get(self._clients.endpoint + STREAM, params=query)
            said = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            log.debug("Reading the stream of %s failed", self._table.name, exc_info=True)
            await asyncio.sleep(BROKEN)
            return after
        for record in said["records"]:
            record = {**record, "awsRegion": place.region, "eventSourceARN": self._arn}
            keys = json.dumps(record["dynamodb"]["Keys"], sort_keys=True).encode()
            await self._lanes[zlib.crc32(keys) % len(self._lanes)].records.put(record)
        return int(said["next"])

    def wanted(self, record: Record) -> bool:
        patterns = self._source.filters
        return not patterns or any(fits(pattern, record) for pattern in patterns)

    async def process(self, records: list[Record]) -> None:
        """Call the function until all of `records` are done or given up, in their order."""
        arrived = time.monotonic()
        await self._process(records, 0, arrived)

    async def _process(self, records: list[Record], attempts: int, arrived: float) -> None:
        source = self._source
        first, most = AGAIN
        while records:
            outcome = await self._invoker.invoke(source.function, {"Records": records})
            throttled = outcome.error is not None and outcome.error.kind == "throttled"
            left = self._left(records, outcome)
            if not left:
                return
            if not throttled:
                if source.bisect and len(left) > 1:
                    middle = len(left) // 2
                    # Halves are not another attempt: each record is tried alone at last.
                    await self._process(left[:middle], attempts, arrived)
                    await self._process(left[middle:], attempts, arrived)
                    return
                attempts += 1
                if source.retries != -1 and attempts > source.retries:
                    await self._give_up(left, outcome, attempts, "RetryAttemptsExhausted")
                    return
            records = left
            wait = min(first * 2 ** min(attempts, 16), most) * self._scale
            age = time.monotonic() - arrived + wait
            if source.oldest != -1 and age > source.oldest * self._scale:
                await self._give_up(left, outcome, attempts, "RecordAgeExceeded")
                return
            await asyncio.sleep(wait)

    def _left(self, records: list[Record], outcome: Outcome) -> list[Record]:
        """What has to be tried again: from the first record that failed."""
        if outcome.error is not None:
            return records
        if not self._source.partial or not outcome.payload:
            return []
        named = failures(outcome.payload)
        if named is None:
            return records
        numbers = [each["dynamodb"]["SequenceNumber"] for each in records]
        if not named:
            return []
        at = [number for number, name in enumerate(numbers) if name in named]
        return records[min(at) :] if at else records

    async def _give_up(
        self, records: list[Record], outcome: Outcome, attempts: int, why: str
    ) -> None:
        log.error(
            "%d records of %s are given up after %d attempts (%s)",
            len(records),
            self._table.name,
            attempts,
            why,
            extra={"function": self._source.function},
        )
        if self._source.on_failure is None:
            return
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
        if outcome.error is not None:
            context["functionError"] = "Unhandled"
        said: dict[str, Any] = {
            "requestContext": {
                "requestId": outcome.request_id,
                "functionArn": self._function.arn,
                "condition": why,
                "approximateInvokeCount": attempts,
            },
            "responseContext": context,
            "version": "1.0",
            "timestamp": moment(),
            "DDBStreamBatchInfo": self._described(records),
        }
        try:
            await self._destinations.send(self._source.on_failure, said)
        except Exception:
            log.exception(
                "A destination could not be told", extra={"function": self._function.name}
            )

    def _described(self, records: list[Record]) -> Mapping[str, Any]:
        first, last = records[0]["dynamodb"], records[-1]["dynamodb"]
        return {
            "shardId": SHARD,
            "startSequenceNumber": first["SequenceNumber"],
            "endSequenceNumber": last["SequenceNumber"],
            "approximateArrivalOfFirstRecord": _time(first),
            "approximateArrivalOfLastRecord": _time(last),
            "batchSize": len(records),
            "streamArn": self._arn,
        }

    # What lanes ask for

    @property
    def batch(self) -> int:
        return self._source.batch

    @property
    def window(self) -> float:
        return self._source.window * self._scale


class Lane:
    """Records in their order, one batch at a time."""

    def __init__(self, mapping: StreamMapping) -> None:
        self._mapping = mapping
        self.records: asyncio.Queue[Record] = asyncio.Queue(WAITING)

    async def run(self) -> None:
        while True:
            batch = await self._collect()
            if batch:
                await self._mapping.process(batch)

    async def _collect(self) -> list[Record]:
        """A batch. The window begins with the first record, whether a filter drops it or not."""
        batch = [await self.records.get()]
        until = time.monotonic() + self._mapping.window
        batch = [each for each in batch if self._mapping.wanted(each)]
        while len(batch) < self._mapping.batch:
            left = until - time.monotonic()
            if self.records.empty() and left <= 0:
                break
            try:
                record = await asyncio.wait_for(self.records.get(), max(left, 0.001))
            except TimeoutError:
                break
            if self._mapping.wanted(record):
                batch.append(record)
        return batch


def _time(record: Mapping[str, Any]) -> str:
    moment = datetime.datetime.fromtimestamp(
        float(record["ApproximateCreationDateTime"]), datetime.UTC
    )
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
