"""Records of a table's stream, as functions get them."""

import json
import threading
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ringback.awslocal.moto_streams import Streams


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("dynamodb", region_name="us-east-1")


def test_every_type_of_value(aws: Any) -> None:
    aws.create_table(
        TableName="t",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    item: dict[str, Any] = {
        "id": {"S": "1"},
        "number": {"N": "5"},
        "binary": {"B": b"\x00\xff"},
        "binaries": {"BS": [b"\x00", b"\xff"]},
        "map": {"M": {"inner": {"B": b"x"}}},
        "list": {"L": [{"BOOL": True}, {"NULL": True}, {"B": b"y"}]},
    }
    aws.put_item(TableName="t", Item=item)
    said = json.loads(
        Streams(threading.Lock()).answer("table=t&account=123456789012&region=us-east-1")
    )
    (record,) = said["records"]
    assert record["eventName"] == "INSERT"
    assert record["dynamodb"]["NewImage"] == {
        "id": {"S": "1"},
        "number": {"N": "5"},
        "binary": {"B": "AP8="},
        "binaries": {"BS": ["AA==", "/w=="]},
        "map": {"M": {"inner": {"B": "eA=="}}},
        "list": {"L": [{"BOOL": True}, {"NULL": True}, {"B": "eQ=="}]},
    }
    assert isinstance(record["dynamodb"]["ApproximateCreationDateTime"], float)
