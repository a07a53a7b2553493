"""The table: its keys, its indexes, and what stands in which partition.

``table()`` is what ``create_table`` takes, and what a template says: one source for both.

    pk                sk              what
    meta              meta            the epoch, the names of tasks, the floor of the journal
    op#ID             op              an operation, with what is small of its log; or, once it is
                                      forgotten, that it was here
    op#ID             m#OFFSET        further messages of its log, under the offset of the last
    op#ID             e#SEQUENCE      an event that it emitted
    key#DIGEST        key             an idempotency key
    limit#TASK        task, key#KEY   how many run of a task, of a key; when a key's turn is
    topics            NAME            a topic: what is kept of it, for how long
    topic#NAME        NUMBER          messages of a topic, under the number of the last of them
    journal           NUMBER          which topics have the numbers from this one on
    id#DIGEST         id              the message that has an id of its publisher's
    relay#PROCESS     NUMBER          ephemeral messages, carried by the stream
    fact#NAME         fact            a small value

Sparse indexes hold operations only: ``stage`` by where they are in their life (``queued#TASK`` in
the order they are claimed in, ``running#TASK``, and ``due#SHARD`` by when there is something to be
deleted: that of topics and limits too), the others by what is listed. They follow the table within
moments and not at once, so they say where to look, and the table says what is so.
"""

from __future__ import annotations

import hashlib
from typing import Any

STAGE = "stage"
"""The index of work and of what is due."""
BY_TASK = "by-task"
BY_SUBJECT = "by-subject"
BY_PARENT = "by-parent"
DEAD = "dead"
"""Dead letters."""
SHARDS = 4
"""Partitions of what is due: one takes a thousand writes each second."""
EXPIRES = "expires"
"""The attribute of DynamoDB's own expiry, in seconds. It is late, by hours: readers look too."""

_KEYS = {
    STAGE: ("stage", "place"),
    BY_TASK: ("task", "pk"),
    BY_SUBJECT: ("subject", "pk"),
    BY_PARENT: ("parent", "pk"),
    DEAD: ("dead", "pk"),
}
_PROJECTED = ("policy", "limit_key", "lease_until", "queued_at", "attempt")
"""What claims and upkeep need to see before they look at the operation itself."""


def table(name: str) -> dict[str, Any]:
    """The table's definition, without its TTL: see ``time_to_live``."""
    attributes = {"pk", "sk"}.union(*_KEYS.values())
    return {
        "TableName": name,
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in sorted(attributes)
        ],
        "KeySchema": _schema("pk", "sk"),
        "GlobalSecondaryIndexes": [
            {
                "IndexName": index,
                "KeySchema": _schema(*keys),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(_PROJECTED)}
                if index == STAGE
                else {"ProjectionType": "KEYS_ONLY"},
            }
            for index, keys in _KEYS.items()
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }


def time_to_live() -> dict[str, Any]:
    """What ``update_time_to_live`` takes, and a template says."""
    return {"AttributeName": EXPIRES, "Enabled": True}


def _schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


def operation_key(operation: str) -> str:
    """The partition of an operation."""
    return f"op#{operation}"


def topic_key(topic: str) -> str:
    """The partition of a topic's messages."""
    return f"topic#{topic}"


def number_key(number: int) -> str:
    """A number that sorts as a text."""
    return f"{number:018d}"


def time_key(moment: float) -> str:
    """A time that sorts as a text, to the microsecond; never later than it is."""
    return f"{max(0, int(moment * 1e6)):018d}"


def due_stage(partition: str) -> str:
    """Where among what is due an item of a partition stands."""
    digest = hashlib.blake2b(partition.encode(), digest_size=4).digest()
    return f"due#{int.from_bytes(digest) % SHARDS}"


def digest_key(kind: str, value: bytes) -> str:
    """The partition of what is found by a value of any length."""
    return f"{kind}#{hashlib.blake2b(value, digest_size=16).hexdigest()}"
