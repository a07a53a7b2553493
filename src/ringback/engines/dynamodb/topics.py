"""Topics' rows: how much of each log is kept, and what was removed of it.

A log is cut by its row alone, in one write: messages up to ``trimmed`` count as gone from then on,
and are deleted after. So whoever reads a log looks at its row afterwards.

A row has to be written for each message only where a bound counts them or the newest is retained.
Else it is, when half the log's age has passed since the last time (``rows``); so it says a little
too little of how much there is, which is counted anew where a bound is declared, and the sweep does
not let a topic rest that may have got something since (``RESTLESS``).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

from ringback.core.filters import AnyFilter, Filter
from ringback.core.model import HELD, Keep
from ringback.engines.dynamodb import items, schema
from ringback.engines.dynamodb.client import Cancelled, Client, Item, key_of
from ringback.engines.dynamodb.limits import Write
from ringback.engines.dynamodb.packs import Packed, messages_of
from ringback.engines.dynamodb.payloads import Payloads

TOPICS = "topics"
"""The partition of topics' rows."""
SLACK = 8
"""A log is cut when it is over its bound by one part in so many: to remove one message for each
that comes would double what publishing costs."""
REMEMBERED = 30 * 86400.0
"""Seconds for which a topic remembers that messages of it went; an operation, that it was here."""
SWEEP_MESSAGES = 2000
"""Messages of one topic that are removed in one sweep, about."""
RESTLESS = 600.0
"""Seconds after a row was written in which a topic is not let rest, at least: far longer than a row
is taken to be as it was, and a publication takes."""
LOOK_AT = 50
"""Packs that are read together."""
META = ("meta", "meta")


class Topics:
    """The topics, as one process writes them."""

    def __init__(self, client: Client, payloads: Payloads) -> None:
        self._client = client
        self._payloads = payloads
        self._room: dict[str, tuple[int, int]] = {}
        """How many messages and bytes may come to a bounded log until it is looked at."""
        self.floor = 0
        """The newest number that was removed of a topic that is no more, as far as is known."""

    def row(
        self, topic: str, keep: Keep, count: int, size: int, newest: Packed, *, anew: bool
    ) -> Write:
        """The update of a topic's row when messages come.

        It expects the row to be declared as it is now; ``anew`` is for when it is not, and has the
        sweep look when its oldest message is to go.
        """
        at = newest.at
        values = {
            ":age": items.value(keep.age),
            ":retained": items.value(keep.retained),
            ":at": items.value(at),
            ":last": items.value(newest.number),
            ":floor": items.value(self.floor),
            ":stage": {"S": schema.due_stage(schema.topic_key(topic))},
            ":due": {"S": schema.time_key(at if anew else at + keep.age)},
            ":count": items.value(count),
            ":size": items.value(size),
        }
        names = {
            "#age": "age",
            "#retained": "retained",
            "#at": "published_at",
            "#last": "last",
            "#trimmed": "trimmed",
            "#stage": "stage",
            "#place": "place",
            "#kept": "kept",
            "#size": "size",
        }
        loose = ""
        if is_loose(keep):  # it stays so until its messages are counted
            names["#loose"], values[":loose"] = "loose", {"BOOL": True}
            loose = ", #loose = :loose"
        due = ":due" if anew else "if_not_exists(#place, :due)"
        change: dict[str, Any] = {
            "Key": {"pk": {"S": TOPICS}, "sk": {"S": topic}},
            "UpdateExpression": "SET #age = :age, #retained = :retained, #at = :at, "
            "#last = :last, #trimmed = if_not_exists(#trimmed, :floor), #stage = :stage, "
            f"#place = {due}{loose} ADD #kept :count, #size :size",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        if not anew:
            change["ConditionExpression"] = "attribute_not_exists(pk) OR #age = :age"
        return {"Update": change}

    async def get(self, topic: str) -> Item | None:
        """A topic's row."""
        return await self._client.get(TOPICS, topic)

    async def trimmed(self, topic: str) -> int:
        """The newest number that was removed of a topic."""
        row = await self.get(topic)
        if row is not None:
            return items.integer(row, "trimmed")
        return await self.look_at_floor()

    async def look_at_floor(self) -> int:
        """The newest number that was removed of a topic that is no more."""
        self.see_floor(await self._client.get(*META))
        return self.floor

    def see_floor(self, meta: Item | None) -> None:
        """Note what the item of the whole store says of it."""
        self.floor = max(self.floor, items.integer(meta or {}, "floor"))

    async def candidates(self, filter: AnyFilter, beyond: str = "") -> list[Item]:
        """Rows of topics whose names begin as all that match do, each once, by name."""
        found: dict[str, Item] = {}
        for low, high in sorted({_range(each) for each in filter.alternatives}):
            for row in await self._client.query(
                KeyConditionExpression="pk = :pk AND sk BETWEEN :low AND :high",
                ExpressionAttributeValues={
                    ":pk": {"S": TOPICS},
                    ":low": {"S": max(low, beyond) or "!"},
                    ":high": {"S": max(high, beyond)},
                },
                ConsistentRead=True,
            ):
                name = name_of(row)
                if name > beyond and filter.matches(name):
                    found[name] = row
        return [found[name] for name in sorted(found)]

    async def trimmed_beyond(self, number: int, most: int) -> list[str]:
        """Names of topics that lost messages after a number."""
        found = await self._client.query(
            KeyConditionExpression="pk = :pk",
            FilterExpression="#trimmed > :number",
            ExpressionAttributeNames={"#trimmed": "trimmed"},
            ExpressionAttributeValues={":pk": {"S": TOPICS}, ":number": items.value(number)},
            ConsistentRead=True,
        )
        return [name_of(row) for row in found[:most]]

    async def cut(self, topic: str, keep: Keep, count: int, size: int) -> None:
        """Cut a log to its bounds if it may be over them: so much came to it."""
        messages, length = self._room.get(topic, (0, 0))
        self._room[topic] = (messages - count, length - size)
        if messages - count > 0 and length - size > 0:
            return
        row = await self.get(topic)
        if row is None:
            return
        if "loose" in row:
            found = await self._count(topic, row)
            if found is None:
                return  # something came meanwhile
            row = found
        kept, total = items.integer(row, "kept"), items.integer(row, "size")
        over = max(0, kept - keep.count) if _over(kept, keep.count) and keep.count else 0
        heavy = max(0, total - keep.bytes) if _over(total, keep.bytes) and keep.bytes else 0
        if over or heavy:
            gone, freed = await self._cut(topic, row, over, heavy)
            kept, total = kept - gone, total - freed
        self._room[topic] = (_left(kept, keep.count), _left(total, keep.bytes))
        if len(self._room) > 10_000:
            self._room.clear()

    async def _count(self, topic: str, row: Item) -> Item | None:
        """Count what there is of a topic whose row did not; the row then, if it was not written
        meanwhile.
        """
        sizes = [each.size async for each in self._kept(topic, items.integer(row, "trimmed"))]
        try:
            return await self._client.update(
                TOPICS,
                topic,
                {
                    "UpdateExpression": "SET #kept = :kept, #size = :size REMOVE #loose",
                    "ConditionExpression": "#last = :last AND #trimmed = :trimmed",
                    "ExpressionAttributeNames": {
                        "#kept": "kept",
                        "#size": "size",
                        "#loose": "loose",
                        "#last": "last",
                        "#trimmed": "trimmed",
                    },
                    "ExpressionAttributeValues": {
                        ":kept": items.value(len(sizes)),
                        ":size": items.value(sum(sizes)),
                        ":last": row["last"],
                        ":trimmed": row["trimmed"],
                    },
                },
            )
        except Cancelled:
            return None

    async def _cut(self, topic: str, row: Item, messages: int, size: int) -> tuple[int, int]:
        trimmed, newest = items.integer(row, "trimmed"), items.integer(row, "last")
        gone = freed = 0
        last = trimmed
        async for message in self._kept(topic, trimmed):
            if message.number >= newest or (gone >= messages and freed >= size):
                break
            gone, freed, last = gone + 1, freed + message.size, message.number
        if not await self.remove(topic, row, last, gone, freed):
            return 0, 0
        return gone, freed

    async def _kept(self, topic: str, trimmed: int) -> AsyncIterator[Packed]:
        """The messages of a log that are not removed yet, oldest first."""
        async for pack in self.packs(topic):
            for message in messages_of(pack):
                if message.number > trimmed:
                    yield message

    async def packs(self, topic: str) -> AsyncIterator[Item]:
        """What there is of a topic, oldest first."""
        after = "!"
        while True:
            answer = await self._client.dynamodb(
                "query",
                KeyConditionExpression="pk = :pk AND sk > :after",
                ExpressionAttributeValues={
                    ":pk": {"S": schema.topic_key(topic)},
                    ":after": {"S": after},
                },
                ConsistentRead=True,
                Limit=LOOK_AT,
            )
            for item in answer["Items"]:
                yield item
                after = item["sk"]["S"]
            if "LastEvaluatedKey" not in answer:
                return

    async def remove(
        self,
        topic: str,
        row: Item,
        last: int,
        count: int,
        size: int,
        due: float | None = None,
        *,
        silent: bool = False,
    ) -> bool:
        """Remove a log's messages up to a number; there are so many, of so many bytes.

        ``due`` is when there is more to be removed; ``silent``: not before something comes. False
        if the row has changed since it was read: then nothing is removed.
        """
        names = {"#trimmed": "trimmed", "#kept": "kept", "#size": "size", "#last": "last"}
        values = {
            ":to": items.value(last),
            ":seen": row["trimmed"],
            ":newest": row["last"],
            ":count": items.value(-count),
            ":bytes": items.value(-size),
        }
        change = "SET #trimmed = :to"
        condition = "#trimmed = :seen"
        if due is not None:
            names["#place"], values[":due"] = "place", {"S": schema.time_key(due)}
            change += ", #place = :due"
            # What comes meanwhile is to be seen.
            condition += " AND #last = :newest"
        else:
            del names["#last"], values[":newest"]
        if silent:
            names["#age"] = "age"  # what comes next finds the row declared otherwise, and says when
            change += " REMOVE #age"
        try:
            await self._client.update(
                TOPICS,
                topic,
                {
                    "UpdateExpression": change + " ADD #kept :count, #size :bytes",
                    "ConditionExpression": condition,
                    "ExpressionAttributeNames": names,
                    "ExpressionAttributeValues": values,
                },
            )
        except Cancelled:
            return False
        await self._delete(topic, last)
        return True

    async def _delete(self, topic: str, last: int) -> None:
        """Delete the packs that have nothing after a number."""
        found = await self._client.query(
            KeyConditionExpression="pk = :pk AND sk <= :last",
            ExpressionAttributeValues={
                ":pk": {"S": schema.topic_key(topic)},
                ":last": {"S": schema.number_key(last)},
            },
            ConsistentRead=True,
        )
        await self._client.delete_all([key_of(pack) for pack in found])
        await self._payloads.remove(
            [each.where for pack in found for each in messages_of(pack) if each.where]
        )

    async def sweep(self, topic: str, now: float) -> int:
        """Remove messages that are older than the topic keeps them; how many went."""
        row = await self.get(topic)
        if row is None:
            return 0
        published_at = items.number(row, "published_at")
        age = items.number(row, "age", 86400.0)
        retained = bool(row.get("retained", {}).get("BOOL"))
        trimmed = items.integer(row, "trimmed")
        empty, old = True, None
        count = size = 0
        last, due = trimmed, None
        async for message in self._kept(topic, trimmed):
            empty = False
            if old is not None:
                last, count, size, old = old.number, count + 1, size + old.size, None
            if message.at + age > now or count >= SWEEP_MESSAGES:
                due = message.at + age
                break
            old = message
        if old is not None:  # the newest
            if retained:
                due = HELD
            else:
                last, count, size = old.number, count + 1, size + old.size
        if empty and published_at + REMEMBERED <= now:
            return await self._drop(topic, row)
        rests = due is None or due == HELD
        until = due if due is not None else published_at + REMEMBERED
        if rests and not retained and now < published_at + max(age, RESTLESS):
            rests, until = False, published_at + max(age, RESTLESS)
        gone = await self.remove(topic, row, last, count, size, until, silent=rests)
        return count if gone else 0

    async def _drop(self, topic: str, row: Item) -> int:
        """Delete a topic that was silent for long; what was removed of it is remembered."""
        trimmed = items.integer(row, "trimmed")
        await self._delete(topic, trimmed)  # what somebody died over who removed it
        with contextlib.suppress(Cancelled):  # it is higher already
            await self._client.update(
                *META,
                {
                    "UpdateExpression": "SET #floor = :to",
                    "ConditionExpression": "attribute_not_exists(#floor) OR #floor < :to",
                    "ExpressionAttributeNames": {"#floor": "floor"},
                    "ExpressionAttributeValues": {":to": items.value(trimmed)},
                },
            )
        self.floor = max(self.floor, trimmed)
        try:
            await self._client.delete(
                TOPICS,
                topic,
                {
                    "ConditionExpression": "#last = :last",
                    "ExpressionAttributeNames": {"#last": "last"},
                    "ExpressionAttributeValues": {":last": row["last"]},
                },
            )
        except Cancelled:
            return 0
        return 1


def is_loose(keep: Keep) -> bool:
    """Whether nothing has to be known of each message."""
    return keep.count is None and keep.bytes is None and not keep.retained


def name_of(row: Item) -> str:
    """The topic of a row."""
    return str(row["sk"]["S"])


def retained(rows: Iterable[Item]) -> list[Item]:
    """Those whose newest message stays."""
    return [row for row in rows if row.get("retained", {}).get("BOOL")]


def _over(size: int, bound: int | None) -> bool:
    return bound is not None and size > bound + bound // SLACK


def _left(size: int, bound: int | None) -> int:
    return 1 << 40 if bound is None else bound + bound // SLACK - size + 1


def _range(filter: Filter) -> tuple[str, str]:
    """Between which names a filter's topics are."""
    return filter.prefix, filter.prefix if filter.exact else filter.prefix + "\U0010ffff"
