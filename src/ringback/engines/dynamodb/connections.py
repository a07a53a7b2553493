"""WebSockets that API Gateway holds, as items of the table.

    socket#ID         socket       a connection: what it follows, where it stands, who holds it
    follow#TOPIC      ID           a connection that follows a topic, or an operation, by its name
    follow-patterns   DIGEST#ID    one that follows a pattern
    rest#KEY          rest         who is still to be told of something, for the stream

A record of the stream is worth a call only where an item has ``wake``: a connection that is new,
and one on which there is more to send. Taking hold of it takes that away.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ringback.core.connections import LEASE, Connection, Held, Rest, read, write
from ringback.core.filters import parse
from ringback.core.topics import OPERATIONS
from ringback.engines.dynamodb.client import Cancelled, Client, Item
from ringback.errors import StoreUnavailable

SOCKET = "socket"
SOCKETS = "socket#"
FOLLOW = "follow#"
PATTERNS = "follow-patterns"
WAKE = "wake"
LEASED = "leased"
"""Until when its holder has it. It is no ``until``: what is past that, upkeep deletes."""
LONGEST = 2 * 3600 + 600
"""Seconds until what is left of a connection goes: API Gateway keeps none for over two hours."""
REST = "rest#"
REST_LIVES = 24 * 3600
"""Seconds: as long as the stream tells of it."""
TURNS = 20
"""Times that a connection may change hands while somebody finds out who holds it."""

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Rest)


class TableConnections:
    """What a function asks of connections; see ``ports.Connections``."""

    client: Client

    async def open_connection(self, connection: Connection) -> None:
        """Store a connection that was opened."""
        await self.client.put(
            {
                "pk": {"S": SOCKETS + connection.id},
                "sk": {"S": SOCKET},
                "data": {"B": write(connection)},
                "expires": _number(int(connection.connected_at + LONGEST)),
                WAKE: {"S": "opened"},
            }
        )

    async def find_connection(self, id: str, now: float) -> tuple[Connection, bool] | None:
        """A connection as it stands, and whether somebody who held it died over it."""
        item = await self.client.get(SOCKETS + id, SOCKET)
        if item is None:
            return None
        return _connection(item), "holder" in item and float(item[LEASED]["N"]) < now

    async def hold_connection(self, id: str, holder: str, now: float) -> Held | None:
        """Take the right to send, or leave word with who has it."""
        for _ in range(TURNS):
            try:
                item = await self._change(
                    id,
                    "SET holder = :holder, #until = :until REMOVE #wake",
                    "attribute_exists(pk) AND (attribute_not_exists(holder) OR #until < :now)",
                    {"#until": LEASED, "#wake": WAKE},
                    {
                        ":holder": {"S": holder},
                        ":until": _number(now + LEASE),
                        ":now": _number(now),
                    },
                )
            except Cancelled as refused:
                item = refused.reasons[0] or {}
                if not item:
                    return None
                theirs = item.get("holder", {}).get("S")
                if theirs == holder:  # asked twice: the first answer was lost
                    return _held(item, holder)
                if theirs is None:
                    continue
                try:
                    item = await self._change(
                        id, "ADD news :one", "holder = :theirs", {},
                        {":one": {"N": "1"}, ":theirs": {"S": theirs}},
                    )  # fmt: skip
                except Cancelled:
                    continue  # it was let go
                return _held(item, theirs)
            return _held(item, holder)
        raise StoreUnavailable("A connection changes hands too often.", retry_after=1)

    async def save_connection(
        self, held: Held, now: float, *, release: bool, unfinished: bool = False
    ) -> Held | None:
        """Store what became of a connection, and perhaps let go."""
        names = {"#data": "data", "#until": LEASED}
        values: Item = {
            ":holder": {"S": held.holder},
            ":data": {"B": write(held.connection)},
        }
        change, condition = "SET #data = :data", "holder = :holder"
        if unfinished:
            change += ", #wake = :wake"
            names["#wake"], values[":wake"] = WAKE, {"S": secrets.token_hex(4)}
        if release:
            change += " REMOVE holder, #until, news"
            if held.news:
                condition += " AND news = :news"
                values[":news"] = _number(held.news)
            else:
                condition += " AND attribute_not_exists(news)"
        else:
            change = change.replace("SET ", "SET #until = :until, ")
            values[":until"] = _number(now + LEASE)
        try:
            await self._change(held.connection.id, change, condition, names, values)
        except Cancelled as refused:
            item = refused.reasons[0] or {}
            if item.get("holder", {}).get("S") != held.holder:
                return None
            return msgspec.structs.replace(held, news=_news(item))
        return held

    async def _change(
        self,
        id: str,
        change: str,
        condition: str,
        names: Mapping[str, str],
        values: Mapping[str, Any],
    ) -> Item:
        expressions: dict[str, Any] = {
            "UpdateExpression": change,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": dict(values),
        }
        if names:
            expressions["ExpressionAttributeNames"] = dict(names)
        return await self.client.update(SOCKETS + id, SOCKET, expressions)

    async def close_connection(self, id: str) -> None:
        """Forget a connection and what it follows."""
        answer = await self.client.dynamodb(
            "delete_item",
            Key={"pk": {"S": SOCKETS + id}, "sk": {"S": SOCKET}},
            ReturnValues="ALL_OLD",
        )
        item = answer.get("Attributes")
        if item:
            followed = _connection(item).followed
            await self.client.delete_all(
                [_follower(id, text, pattern=is_pattern(text)) for text in followed]
            )

    async def add_follower(self, id: str, filter: str, *, pattern: bool) -> None:
        """Note that a connection follows a filter."""
        pk, sk = _follower(id, filter, pattern=pattern)
        item: Item = {
            "pk": {"S": pk},
            "sk": {"S": sk},
            "expires": _number(int(time.time() + LONGEST)),
        }
        if pattern:
            item["filter"] = {"S": filter}
        await self.client.put(item)

    async def remove_follower(self, id: str, filter: str, *, pattern: bool) -> None:
        """Do so no more."""
        await self.client.delete(*_follower(id, filter, pattern=pattern))

    async def followers(self, topic: str, after: str = "") -> Sequence[str]:
        """The connections that follow a topic by its own name; those behind an id, in order."""
        values = {":pk": {"S": FOLLOW + topic}}
        found = await self.client.query(
            KeyConditionExpression="pk = :pk AND sk > :after" if after else "pk = :pk",
            ExpressionAttributeValues=values | ({":after": {"S": after}} if after else {}),
            ProjectionExpression="sk",
            ConsistentRead=True,
        )
        return [item["sk"]["S"] for item in found]

    async def pattern_followers(self) -> Sequence[tuple[str, str]]:
        """All that follow patterns, as (filter, connection)."""
        found = await self.client.query(
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeNames={"#filter": "filter"},
            ExpressionAttributeValues={":pk": {"S": PATTERNS}},
            ProjectionExpression="sk, #filter",
            ConsistentRead=True,
        )
        return [(item["filter"]["S"], item["sk"]["S"].partition("#")[2]) for item in found]

    async def hand_on(self, rest: Rest) -> None:
        """Have the stream tell of who is still to be told."""
        await self.client.put(
            {
                "pk": {"S": REST + secrets.token_hex(8)},
                "sk": {"S": "rest"},
                "rest": {"B": _ENCODER.encode(rest)},
                "expires": _number(int(time.time() + REST_LIVES)),
            }
        )


def read_rest(item: Item) -> Rest:
    """Who is still to be told, from its item."""
    rest = _DECODER.decode(bytes(item["rest"]["B"]))
    return msgspec.structs.replace(rest, key=f"{item['pk']['S']} {item['sk']['S']}")


def is_pattern(text: str) -> bool:
    """Whether what a connection follows is no name."""
    return not text.startswith(OPERATIONS) and not parse(text).exact


def _follower(id: str, filter: str, *, pattern: bool) -> tuple[str, str]:
    if not pattern:
        return FOLLOW + filter, id
    digest = hashlib.blake2b(filter.encode(), digest_size=8).hexdigest()
    return PATTERNS, f"{digest}#{id}"


def _connection(item: Item) -> Connection:
    return read(bytes(item["data"]["B"]))


def _held(item: Item, holder: str) -> Held:
    return Held(_connection(item), holder, _news(item))


def _news(item: Item) -> int:
    return int(item.get("news", {}).get("N", "0"))


def _number(value: float) -> dict[str, str]:
    return {"N": repr(round(value, 3))}
