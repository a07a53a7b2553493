"""Messages of topics as items: of each topic, those of one transaction stand in one.

A pack stands in its topic's partition under the number of its last message. An entry of the journal
stands under the number of its first, and names the packs that begin with it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ringback.core.model import Kind, Message, Position, Publication
from ringback.engines.dynamodb import items, schema
from ringback.engines.dynamodb.client import Item, Key
from ringback.engines.dynamodb.payloads import INLINE_MESSAGE, Payloads

JOURNAL = "journal"
"""The partition of the journal's entries."""
MARK = "mark"
"""What an entry has from the one who stored it, who may have lost the answer."""
PACK_BYTES = 256 * 1024
"""Bytes of messages beyond which a further pack is begun: an item ends at 400 KB."""


class Packed(msgspec.Struct, array_like=True):
    """A message in a pack."""

    number: int
    at: float
    data: bytes | None
    """None: it is in S3."""
    attributes: bytes | None
    where: str | None
    size: int

    def message(self, topic: str, epoch: str) -> Message:
        """The message, if its data is here."""
        return Message(
            topic=topic,
            position=Position(epoch, self.number),
            kind=Kind.MESSAGE,
            data=self.data or b"",
            at=self.at,
            attributes=self.attributes,
        )


_PACK: msgspec.msgpack.Decoder[list[Packed]] = msgspec.msgpack.Decoder(list[Packed])
_ENTRY: msgspec.msgpack.Decoder[list[tuple[str, int]]] = msgspec.msgpack.Decoder(
    list[tuple[str, int]]
)


async def packed(
    payloads: Payloads, publications: Sequence[tuple[Publication, float]]
) -> list[Packed]:
    """Publications, yet without numbers; what is large is in S3."""

    def small(publication: Publication, now: float) -> Packed:
        data = publication.data
        return Packed(0, now, data, publication.attributes, None, len(data))

    async def pack(publication: Publication, now: float) -> Packed:
        data, attributes = publication.data, publication.attributes
        if len(data) <= INLINE_MESSAGE:
            return small(publication, now)
        owner = schema.digest_key("topics/", publication.topic.encode()).replace("#", "")
        kept = await payloads.store(owner, "data", data, INLINE_MESSAGE)
        where = items.text(kept, "data_s3")
        inline = None if where else data
        return Packed(0, now, inline, attributes, where, len(data))

    if all(len(publication.data) <= INLINE_MESSAGE for publication, _ in publications):
        # Most, and so without a turn of the loop: what is published together is stored together.
        return [small(*each) for each in publications]
    return list(await asyncio.gather(*[pack(*each) for each in publications]))


def pack_items(topic: str, messages: Iterable[Packed]) -> list[Item]:
    """The packs of one topic's messages in one transaction."""
    packs: list[list[Packed]] = [[]]
    size = 0
    for message in messages:
        length = len(message.data or b"") + len(message.attributes or b"") + 64
        if packs[-1] and size + length > PACK_BYTES:
            packs.append([])
            size = 0
        packs[-1].append(message)
        size += length
    return [
        {
            "pk": {"S": schema.topic_key(topic)},
            "sk": {"S": schema.number_key(pack[-1].number)},
            "messages": {"B": msgspec.msgpack.encode(pack)},
        }
        for pack in packs
        if pack
    ]


def messages_of(item: Item) -> list[Packed]:
    """What a pack has."""
    return _PACK.decode(bytes(item["messages"]["B"]))


def last_of(item: Item) -> int:
    """The number of a pack's last message."""
    return int(item["sk"]["S"])


def topic_of(item: Item) -> str:
    """The topic of a pack."""
    return str(item["pk"]["S"]).partition("#")[2]


def pack_key(topic: str, last: int) -> Key:
    return schema.topic_key(topic), schema.number_key(last)


def entry_item(first: int, last: int, packs: Sequence[Item], process: str, at: float) -> Item:
    """An entry of the journal."""
    names = [(topic_of(item), last_of(item)) for item in packs]
    return {
        "pk": {"S": JOURNAL},
        "sk": {"S": schema.number_key(first)},
        "last": items.value(last),
        "at": items.value(at),
        "packs": {"B": msgspec.msgpack.encode(names)},
        "by": {"S": process},
        MARK: {"B": secrets.token_bytes(6)},
    }


def entry_packs(entry: Item) -> list[tuple[str, int]]:
    """The packs of an entry: the topic and the last number of each."""
    return _ENTRY.decode(bytes(entry["packs"]["B"]))


def last_named(entries: Sequence[Item]) -> dict[str, int]:
    """Of topics that entries name, the newest number."""
    found: dict[str, int] = {}
    for entry in entries:
        for topic, last in entry_packs(entry):
            found[topic] = max(last, found.get(topic, 0))
    return found


def id_of(attributes: bytes | None) -> str | None:
    """The id that a message's publisher gave it."""
    if attributes is None or b'"id"' not in attributes:
        return None
    found: Any = msgspec.json.decode(attributes)
    given = found.get("id") if isinstance(found, dict) else None
    return given if isinstance(given, str) else None
