"""The units of reading and writing that DynamoDB would bill, metered at moto's server.

Requests alone do not say it: in a transaction each item counts twice, larger items count more
often, and each index that an item enters, leaves or changes in is a write of its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

READ_UNIT, WRITE_UNIT = 4096, 1024
WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"})
READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})

Item = Mapping[str, Any]
"""Names, and moto's values."""


class Meter:
    """What one request uses: made before it is carried out, asked after."""

    def __init__(self, action: str, body: bytes) -> None:
        try:
            self._asked = json.loads(body)
        except ValueError:  # cut off, as by the end of a process: nothing is carried out
            action = ""
        self._action = action
        self._before = (
            [(table, key, _state(table, key)) for table, key in _written(action, self._asked)]
            if action in WRITES
            else []
        )

    def used(self, answer: bytes) -> Mapping[str, float]:
        """Units by what they are: ``read``, ``write``, and of the latter ``index``."""
        if self._action in READS:
            return {"read": read_units(self._action, self._asked, len(answer))}
        used: Counter[str] = Counter()
        for table, key, old in self._before:
            of_table, of_indexes = write_units(table, old, _state(table, key))
            if self._action == "TransactWriteItems":
                of_table *= 2
            used["write"] += of_table + of_indexes
            used["index"] += of_indexes
        return used


def read_units(action: str, asked: Mapping[str, Any], size: int) -> float:
    """Units of 4 KB, of the answer's JSON, which is a little more than the items; half of one
    where what is read may be some moments old.
    """
    if action == "TransactGetItems":
        return 2.0 * len(asked["TransactItems"])
    consistent = asked.get("ConsistentRead", False)
    least = 1
    if action == "BatchGetItem":
        tables = asked["RequestItems"].values()
        least = sum(len(each["Keys"]) for each in tables)
        consistent = any(each.get("ConsistentRead") for each in tables)
    return max(least, -(-size // READ_UNIT)) * (1.0 if consistent else 0.5)


def _written(action: str, asked: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """The tables and keys of what a request writes, or looks at before it does."""
    if action == "TransactWriteItems":
        each = [operation for item in asked["TransactItems"] for operation in item.values()]
    elif action == "BatchWriteItem":
        each = [
            {"TableName": name, **operation}
            for name, items in asked["RequestItems"].items()
            for item in items
            for operation in item.values()
        ]
    else:
        each = [asked]
    for operation in each:
        table = _table(operation["TableName"])
        key = operation.get("Key") or operation.get("Item") or {}
        if table is not None and all(name in key for name in table.table_key_attrs):
            yield table, {name: key[name] for name in table.table_key_attrs}


def _state(table: Any, key: Any) -> Item:
    """An item; empty if there is none."""
    from moto.dynamodb.models.dynamo_type import DynamoType

    found = table.get_item(*[DynamoType(key[name]) for name in table.table_key_attrs])
    return {} if found is None else dict(found.attrs)


def write_units(table: Any, before: Item, after: Item) -> tuple[int, int]:
    """Of the table, and of its indexes."""
    indexes = 0
    for index in table.global_indexes:
        names = [each["AttributeName"] for each in index.schema]
        old, new = (_entry(index, names, table, item) for item in (before, after))
        if old == new:
            continue
        moved = old and new and any(old[name] != new[name] for name in names)
        indexes += (_units(old) if old and (moved or not new) else 0) + (_units(new) if new else 0)
    return max(_units(before), _units(after)), indexes


def _entry(index: Any, names: list[str], table: Any, item: Item) -> Item:
    """What an index has of an item."""
    if any(name not in item for name in names):
        return {}
    if index.projection.get("ProjectionType") == "ALL":
        return item
    kept = {*names, *table.table_key_attrs, *index.projection.get("NonKeyAttributes", ())}
    return {name: value for name, value in item.items() if name in kept}


def _units(item: Item) -> int:
    size: int = sum(len(name.encode()) + value.size() for name, value in item.items())
    return max(1, -(-size // WRITE_UNIT))


def _table(name: str) -> Any:
    """moto's, of whichever region it is in."""
    from moto.dynamodb.models import dynamodb_backends

    name = name.rpartition("/")[2]
    for regions in dynamodb_backends.values():
        for backend in regions.values():
            if name in backend.tables:
                return backend.tables[name]
    return None
