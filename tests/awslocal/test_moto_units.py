"""What DynamoDB would bill."""

from __future__ import annotations

from typing import Any

import pytest

from ringback.awslocal.moto_units import Meter
from tests import moto

ITEM = {"pk": {"S": "1"}, "sk": {"S": "a"}}


@pytest.fixture
def table() -> Any:
    client = moto.client("dynamodb")
    names = ("pk", "sk", "task")
    client.create_table(
        TableName="units",
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in names],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-task",
                "KeySchema": [{"AttributeName": "task", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    moto.requests()
    yield client
    client.delete_table(TableName="units")


def used() -> dict[str, float]:
    return moto.requests()["units"]


def test_units(table: Any) -> None:
    def put(**more: Any) -> dict[str, float]:
        table.put_item(TableName="units", Item={**ITEM, **more})
        return used()

    small = {"task": {"S": "t"}}
    assert put() == {"write": 1, "index": 0}
    assert put(**small) == {"write": 2, "index": 1}, "it enters the index"
    assert put(**small, more={"S": "x"}) == {"write": 1, "index": 0}, "which has no more of it"
    assert put(task={"S": "u"}) == {"write": 3, "index": 2}, "there it goes, and comes"
    assert put(task={"S": "u"}, large={"B": b"x" * 2500}) == {"write": 3, "index": 0}
    table.transact_write_items(
        TransactItems=[
            {"Put": {"TableName": "units", "Item": {**ITEM, "sk": {"S": name}}}} for name in "bc"
        ]
    )
    assert used() == {"write": 4, "index": 0}
    key = {"pk": ITEM["pk"], "sk": ITEM["sk"]}
    table.get_item(TableName="units", Key=key)
    assert used() == {"read": 0.5}
    table.get_item(TableName="units", Key=key, ConsistentRead=True)
    assert used() == {"read": 1.0}
    with pytest.raises(table.exceptions.ConditionalCheckFailedException):
        table.delete_item(
            TableName="units", Key=key, ConditionExpression="attribute_not_exists(pk)"
        )
    assert used() == {"write": 3, "index": 0}, "what is refused is paid for too"
    table.delete_item(TableName="units", Key=key)
    assert used() == {"write": 4, "index": 1}


@pytest.mark.parametrize("action", ["PutItem", "GetItem"])
def test_a_request_that_was_cut_off_uses_nothing(action: str) -> None:
    assert not Meter(action, b'{"TableName": "un').used(b"")
