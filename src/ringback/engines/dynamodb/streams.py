"""What other processes changed: the table's stream, looked at several times each second.

DynamoDB answers five such looks a second for each shard, and recommends no more than two readers:
where functions read the stream already, further processes are throttled, and told late. A process
does not tell itself: what it wrote carries its name.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import Any

from ringback.core.model import TERMINAL, Status
from ringback.core.topics import OPERATIONS
from ringback.engines.dynamodb import items
from ringback.engines.dynamodb.client import Client, Item
from ringback.engines.dynamodb.packs import JOURNAL, entry_packs
from ringback.errors import RingbackError
from ringback.ports import EVERYTHING, QUEUE

LOOK_EVERY = 0.25
"""Seconds between two looks at a shard."""
LIST_EVERY = 60.0
"""Seconds between two looks for new shards."""
GOOD_FOR = 240.0
"""Seconds after which a place in the stream that was not used is asked for anew: it ends after
300."""
RELAY = "relay#"
"""What partitions of ephemeral messages begin with."""

_TERMINAL = {status.value for status in TERMINAL}

log = logging.getLogger("ringback.dynamodb")


class Stream:
    """The stream of one table, as one process reads it."""

    def __init__(
        self,
        client: Client,
        process: str,
        changed: Callable[[frozenset[str]], None],
        relayed: Callable[[bytes], None],
    ) -> None:
        """Both are called on the event loop, with what another process changed or relayed."""
        self._client = client
        self._process = process
        self._changed = changed
        self._relayed = relayed
        self._arn = ""
        self._shards: dict[str, str | None] = {}
        """The iterator of each shard that is known; None once all of it was read."""
        self._opened_at = 0.0
        self._listed_at = 0.0
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Note where the stream is now."""
        answer = await self._client.dynamodb("describe_table")
        self._arn = answer["Table"].get("LatestStreamArn", "")
        if not self._arn:
            log.warning("The table has no stream: changes by other processes are not seen.")
            return
        self._shards.clear()
        await self._list("LATEST")
        self._opened_at = asyncio.get_running_loop().time()

    def read(self) -> None:
        """Begin to read, from where it was opened."""
        if self._arn and self._reading is None:
            self._reading = asyncio.ensure_future(self._read())

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
            self._reading = None

    async def _list(self, start: str) -> None:
        """Look for new shards; begin to read each at its beginning, or its end."""
        self._listed_at = asyncio.get_running_loop().time()
        shards: list[Any] = []
        more: dict[str, str] = {}
        while True:
            answer = await self._call("describe_stream", StreamArn=self._arn, **more)
            shards += answer["StreamDescription"]["Shards"]
            last = answer["StreamDescription"].get("LastEvaluatedShardId")
            if not last:
                break
            more = {"ExclusiveStartShardId": last}
        ids = {shard["ShardId"] for shard in shards}
        self._shards = {id: at for id, at in self._shards.items() if id in ids}
        for shard in shards:
            if shard["ShardId"] in self._shards:
                continue
            if start == "LATEST" and "EndingSequenceNumber" in shard["SequenceNumberRange"]:
                self._shards[shard["ShardId"]] = None
                continue
            found = await self._call(
                "get_shard_iterator",
                StreamArn=self._arn,
                ShardId=shard["ShardId"],
                ShardIteratorType=start,
            )
            self._shards[shard["ShardId"]] = found["ShardIterator"]

    async def _call(self, action: str, **parameters: Any) -> Any:
        return await self._client.call("dynamodbstreams", action, **parameters)

    async def _read(self) -> None:
        clock = asyncio.get_running_loop().time
        late = clock() - self._opened_at > GOOD_FOR
        while True:
            try:
                if late:
                    await self.open()
                    self._changed(frozenset({EVERYTHING}))
                    late = False
                await self._look()
                if clock() - self._listed_at > LIST_EVERY:
                    await self._list("TRIM_HORIZON")
            except (RingbackError, RuntimeError) as error:
                log.warning("The stream cannot be read, and is opened anew: %s", error)
                late = True
                await asyncio.sleep(8 * LOOK_EVERY)
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self) -> None:
        """Read what has come to each shard."""
        ended = False
        for shard, iterator in tuple(self._shards.items()):
            if iterator is None:
                continue
            answer = await self._call("get_records", ShardIterator=iterator, Limit=1000)
            self._shards[shard] = answer.get("NextShardIterator")
            ended = ended or self._shards[shard] is None
            self._told(answer["Records"])
        if ended:
            await self._list("TRIM_HORIZON")

    def _told(self, records: Iterable[Any]) -> None:
        changed: set[str] = set()
        for record in records:
            image: Item = record["dynamodb"].get("NewImage", {})
            if items.text(image, "by") == self._process or not image:
                continue
            if image["pk"]["S"].startswith(RELAY):
                self._relayed(bytes(image["messages"]["B"]))
            else:
                changed |= names(image, record["dynamodb"].get("OldImage", {}))
        if changed:
            self._changed(frozenset(changed))


def names(new: Item, old: Item) -> set[str]:
    """What a change of an item is to be hinted by."""
    pk, sk = new["pk"]["S"], new["sk"]["S"]
    if pk == JOURNAL:
        return {topic for topic, _ in entry_packs(new)}
    if not pk.startswith("op#") or sk != items.OPERATION or items.FORGOTTEN in new:
        return set()
    found: set[str] = set()
    status, before = items.text(new, "status"), items.text(old, "status")
    if items.integer(new, "version") != items.integer(old, "version"):
        found.add(OPERATIONS + pk.partition("#")[2])
    queued = status == Status.QUEUED and (
        before != Status.QUEUED or new.get("ready_at") != old.get("ready_at")
    )
    if queued or (status in _TERMINAL and before not in _TERMINAL):
        found.add(QUEUE)
    return found
