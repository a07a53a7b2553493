"""Claim checks: what is large stands in S3, and its item says where.

An item is written as a whole, and paid for by the kilobyte each time: a change of an operation's
state would write its input again. Above some kilobytes one object costs less than one such write.
The object is written before its item. If the item then is not, the object is deleted, or is left to
the bucket's lifecycle if the process dies in that moment.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable
from typing import Any

from ringback.engines.dynamodb.client import Client, Item
from ringback.errors import PayloadTooLarge, RingbackError

INLINE = 16 * 1024
"""Bytes of an input or a result that stand in the operation's item, which is written often."""
INLINE_MESSAGE = 64 * 1024
"""Bytes of a message that stand in its item, which is written once."""
MOST = 350 * 1024
"""Bytes of payload in an item without a bucket: it ends at 400 KB with all it has."""
PREFIX = "payloads/"

log = logging.getLogger("ringback.dynamodb")


class Payloads:
    """The bucket, if there is one."""

    def __init__(self, client: Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    async def store(self, owner: str, name: str, data: bytes, inline: int = INLINE) -> Item:
        """The attributes that carry a payload: itself, or where it is."""
        if len(data) <= inline:
            return {name: {"B": data}}
        if not self._bucket:
            if len(data) <= MOST:
                return {name: {"B": data}}
            raise PayloadTooLarge(
                f"Without a bucket, a payload has at most {MOST} bytes: an item of DynamoDB ends "
                "at 400 KB. Set aws_bucket, or use an upload.",
                size=len(data),
            )
        where = f"{PREFIX}{owner}/{name}-{secrets.token_hex(8)}"
        await self._client.call("s3", "put_object", Bucket=self._bucket, Key=where, Body=data)
        return {name + "_s3": {"S": where}}

    async def load(self, item: Item, name: str) -> bytes | None:
        """A payload that an item carries; None if it has none of this name."""
        inline = item.get(name)
        if inline is not None:
            return bytes(inline["B"])
        where = item.get(name + "_s3")
        return None if where is None else await self.fetch(where["S"])

    async def fetch(self, where: str) -> bytes:
        """A payload by its place."""
        data: bytes = await self._client.call(
            "s3", "get_object", Bucket=self._bucket, Key=where, _read="Body"
        )
        return data

    async def forget(self, items: Iterable[Item]) -> None:
        """Delete the objects of items that are no more."""
        await self.remove(
            [given["S"] for item in items for name, given in item.items() if name.endswith("_s3")]
        )

    async def remove(self, places: list[str]) -> None:
        """Delete objects; what fails is left to the bucket's lifecycle."""
        if not places or not self._bucket:
            return
        for at in range(0, len(places), 1000):
            objects: Any = [{"Key": place} for place in places[at : at + 1000]]
            try:
                await self._client.call(
                    "s3", "delete_objects", Bucket=self._bucket, Delete={"Objects": objects}
                )
            except (RingbackError, RuntimeError, asyncio.CancelledError) as error:
                log.warning("Objects of what was deleted are left in S3: %s", error)
