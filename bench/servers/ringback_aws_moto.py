"""moto's server with a meter: the units of reading and writing that DynamoDB would bill.

Requests alone do not say it: in a transaction each item counts twice, larger items count more
often, and each index that an item enters, leaves or changes in is a write of its own. Counted are
``units`` beside the home's services: ``read``, ``write``, and of the latter ``index``.
"""

from __future__ import annotations

import io
import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ringback.awslocal import moto

READ_UNIT, WRITE_UNIT = 4096, 1024
SERVICE = "units"
WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"})
READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"})

Item = Mapping[str, Any]
"""Names, and moto's values."""


class Metering(moto.Counting):
    """Counts units too."""

    def __init__(self, inner: moto.Wsgi) -> None:
        super().__init__(inner)
        self._metered = threading.Lock()

    def __call__(
        self, environ: moto.Environ, start_response: moto.StartResponse
    ) -> Iterable[bytes]:
        service, action = moto.named(environ)
        if service != "dynamodb" or action not in WRITES | READS:
            return super().__call__(environ, start_response)
        said = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(said)
        asked = json.loads(said)
        if action in READS:
            answer = list(super().__call__(environ, start_response))
            self._count({"read": read_units(action, asked, sum(map(len, answer)))})
            return answer
        # One at a time: items are looked at before and after.
        with self._metered:
            keys = list(written(action, asked))
            before = [state(table, key) for table, key in keys]
            answer = list(super().__call__(environ, start_response))
            used: Counter[str] = Counter()
            for (table, key), old in zip(keys, before, strict=True):
                of_table, of_indexes = write_units(table, old, state(table, key))
                if action == "TransactWriteItems":
                    of_table *= 2
                used["write"] += of_table + of_indexes
                used["index"] += of_indexes
        self._count(used)
        return answer

    def _count(self, units: Mapping[str, float]) -> None:
        with self._counting:
            for name, each in units.items():
                self._requests[SERVICE][name] += each  # type: ignore[assignment]


def read_units(action: str, asked: Mapping[str, Any], size: int) -> float:
    """Units of 4 KB, of the answer's JSON, which is a little more than the items; half of one
    where what is read may be some moments old."""
    if action == "TransactGetItems":
        return 2.0 * len(asked["TransactItems"])
    consistent = asked.get("ConsistentRead", False)
    least = 1
    if action == "BatchGetItem":
        tables = asked["RequestItems"].values()
        least = sum(len(each["Keys"]) for each in tables)
        consistent = any(each.get("ConsistentRead") for each in tables)
    return max(least, -(-size // READ_UNIT)) * (1.0 if consistent else 0.5)


def written(action: str, asked: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
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
        table = backend().tables[operation["TableName"]]
        key = operation.get("Key") or operation["Item"]
        yield table, {name: key[name] for name in table.table_key_attrs}


def state(table: Any, key: Any) -> Item:
    """An item; empty if there is none."""
    found = table.get_item(*backend().get_keys_value(table, key))
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
    size = sum(len(name.encode()) + value.size() for name, value in item.items())
    return max(1, -(-size // WRITE_UNIT))


def backend() -> Any:
    """moto's, of the one account and region there is."""
    from moto.dynamodb.models import dynamodb_backends

    ((regions),) = dynamodb_backends.values()
    (only,) = regions.values()
    return only


if __name__ == "__main__":
    moto.Counting = Metering  # type: ignore[misc]
    moto.main()
