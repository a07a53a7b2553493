"""A table of DynamoDB: items of JSON, and changes that are whole or not at all."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from ringback.errors import StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

ATTEMPTS = 20
"""Of one change, when others change the same meanwhile."""
PAUSE = 0.05
"""Seconds at most before the second attempt; it grows."""
AT_ONCE = 100
"""Items that DynamoDB reads in one request."""
REGION = "AWS_REGION"
"""Lambda's and containers' variable, which boto3 does not know."""

Data = dict[str, Any]
Key = tuple[str, str]


class Table:
    """Items of JSON, each with a version that says whether it is still what was read."""

    def __init__(self, name: str) -> None:
        self.name = name
        config = Config(retries={"mode": "standard"})
        self.client = boto3.client("dynamodb", region_name=os.environ.get(REGION), config=config)

    def read(self, *keys: Key) -> dict[Key, tuple[int, Data]]:
        """What there is of these, as it was stored last."""
        found: dict[Key, tuple[int, Data]] = {}
        wanted: list[Any] = [_key(each) for each in dict.fromkeys(keys)]
        while wanted:
            now, wanted = wanted[:AT_ONCE], wanted[AT_ONCE:]
            answer = self.client.batch_get_item(
                RequestItems={self.name: {"Keys": now, "ConsistentRead": True}}
            )
            for item in answer["Responses"].get(self.name, []):
                found[item["pk"]["S"], item["sk"]["S"]] = _read(item)
            left = answer["UnprocessedKeys"].get(self.name)
            wanted += [] if left is None else list(left["Keys"])
        return found

    def newest(self, partition: str, count: int) -> list[Data]:
        """The last of a partition, in the order of its sort keys, backwards."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.name,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": partition}},
            ConsistentRead=True,
            ScanIndexForward=False,
            PaginationConfig={"MaxItems": count},
        )
        return [_read(item)[1] for page in pages for item in page["Items"]]

    def change(self, step: Callable[[Change], None]) -> None:
        """Do a step, and store what it put: all of it or nothing, and on nothing outdated."""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(random.uniform(0, PAUSE * attempt))
            change = Change(self)
            step(change)
            if change.commit():
                return
        raise StoreUnavailable("The questions change too often. Try again.", retry_after=1.0)


class Change:
    """What one attempt has read and put."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._versions: dict[Key, int] = {}
        self._read: dict[Key, Data] = {}
        self._put: dict[Key, Data] = {}

    def load(self, *keys: Key) -> None:
        """Read these."""
        found = self._table.read(*keys)
        for key in keys:
            self._versions[key] = found[key][0] if key in found else 0
        self._read |= {key: data for key, (_, data) in found.items()}

    def get(self, key: Key) -> Data | None:
        """What was put, else read; read now, if it was not yet."""
        if key not in self._versions:
            self.load(key)
        return self._put.get(key, self._read.get(key))

    def version(self, key: Key) -> int:
        """How often something was stored, with this change."""
        return self._versions[key] + (key in self._put)

    def put(self, key: Key, data: Data) -> None:
        """Store this with the others."""
        self._put[key] = data

    def commit(self) -> bool:
        """Whether nothing that is put here had changed meanwhile, and all of it is stored."""
        if not self._put:
            return True
        items: list[TransactWriteItemTypeDef] = []
        for key, data in self._put.items():
            version = self._versions.get(key, 0)
            items.append(
                {
                    "Put": {
                        "TableName": self._table.name,
                        "Item": {
                            **_key(key),
                            "version": {"N": str(version + 1)},
                            "data": {"S": json.dumps(data)},
                        },
                        "ConditionExpression": "attribute_not_exists(pk) OR version = :version",
                        "ExpressionAttributeValues": {":version": {"N": str(version)}},
                    }
                }
            )
        try:
            self._table.client.transact_write_items(TransactItems=items)
        except self._table.client.exceptions.TransactionCanceledException:
            return False
        return True


def _key(key: Key) -> dict[str, dict[str, str]]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def _read(item: Any) -> tuple[int, Data]:
    data: Data = json.loads(item["data"]["S"])
    return int(item["version"]["N"]), data
