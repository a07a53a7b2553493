"""What is true of the whole store: its epoch, which tasks there are, a few small values."""

from __future__ import annotations

import asyncio
import secrets

from ringback.engines.dynamodb import items, schema
from ringback.engines.dynamodb.client import Cancelled, Client, Item
from ringback.engines.dynamodb.topics import META
from ringback.errors import ConfigurationError

EPOCH_BYTES = 5
"""Randomness of an epoch's name: ten hexadecimal digits."""
MADE_WITHIN = 60
"""Tries, a second apart, until a table that was made is there."""


class Meta:
    """The item of that, and those of facts."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: frozenset[str] = frozenset()
        self.epoch = ""
        self.floor = 0

    async def open(self) -> None:
        """Read it, or make it, with the table if there is none."""
        try:
            found = await self._client.get(*META)
        except ConfigurationError as error:
            if "missing" not in error.fields:
                raise
            await self._make_table()
            found = None
        if found is None or "epoch" not in found:
            found = await self._client.update(
                *META,
                {
                    "UpdateExpression": "SET epoch = if_not_exists(epoch, :epoch)",
                    "ExpressionAttributeValues": {":epoch": {"S": secrets.token_hex(EPOCH_BYTES)}},
                },
            )
        self._seen(found)

    async def _make_table(self) -> None:
        """Make the table: on AWS a template does, and these rights are not given to functions."""
        await self._client.call("dynamodb", "create_table", **schema.table(self._client.table))
        for _ in range(MADE_WITHIN):
            answer = await self._client.dynamodb("describe_table")
            if answer["Table"]["TableStatus"] == "ACTIVE":
                break
            await asyncio.sleep(1)
        else:
            raise ConfigurationError(f"The table {self._client.table} is not made in a minute.")
        await self._client.dynamodb(
            "update_time_to_live", TimeToLiveSpecification=schema.time_to_live()
        )

    def _seen(self, found: Item) -> None:
        self.epoch = str(items.text(found, "epoch"))
        self.floor = items.integer(found, "floor")
        self._tasks = frozenset(found.get("tasks", {}).get("SS", ()))

    async def tasks(self) -> frozenset[str]:
        """The names of all tasks that ever had an operation."""
        self._seen(await self._client.get(*META) or {"epoch": {"S": self.epoch}})
        return self._tasks

    async def know(self, task: str) -> None:
        """Note a task, before it has its first operation."""
        if task not in self._tasks:
            found = await self._client.update(
                *META,
                {
                    "UpdateExpression": "ADD tasks :task",
                    "ExpressionAttributeValues": {":task": {"SS": [task]}},
                },
            )
            self._seen(found)

    async def fact(self, name: str) -> bytes | None:
        """The value under this name."""
        found = await self._client.get(*_fact(name))
        return None if found is None else bytes(found["data"]["B"])

    async def set_fact(self, name: str, value: bytes, *, replace: bool) -> bytes:
        """Store a value; see ``ports.Facts``."""
        pk, sk = _fact(name)
        item: Item = {"pk": {"S": pk}, "sk": {"S": sk}, "data": {"B": value}}
        condition = None if replace else {"ConditionExpression": "attribute_not_exists(pk)"}
        try:
            await self._client.put(item, condition)
        except Cancelled as refused:
            found = refused.reasons[0]
            return bytes(found["data"]["B"]) if found else await self.fact(name) or b""
        return value


def _fact(name: str) -> tuple[str, str]:
    return f"fact#{name}", "fact"
