"""A table of DynamoDB's API, with its stream and queues, as functions see them."""

import asyncio
import base64
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

from ringback.engines.dynamodb import schema
from ringback.engines.dynamodb.engine import DynamoEngine
from ringback.ports import FullEngine
from tests import moto

LOOK_EVERY = 0.03


class Table:
    """One table."""

    def __init__(self) -> None:
        self.name = f"lambdas-{secrets.token_hex(6)}"
        client = moto.client("dynamodb")
        arn = client.create_table(**schema.table(self.name))["TableDescription"]["LatestStreamArn"]
        self._stream = moto.client("dynamodbstreams")
        (shard,) = self._stream.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        self._at = self._stream.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        self.sqs = moto.client("sqs")
        self.queue: str = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]

    def engine(self) -> FullEngine:
        return DynamoEngine(
            self.name, bucket=moto.bucket(), queues={30: self.queue}, options=moto.options()
        )

    def settings(self) -> dict[str, Any]:
        return {"aws_queues": {30: self.queue}}

    async def read(self) -> list[dict[str, Any]]:
        while True:
            answer = await asyncio.to_thread(self._stream.get_records, ShardIterator=self._at)
            self._at = answer["NextShardIterator"]
            if answer["Records"]:
                return [_as_lambda_has_it(record) for record in answer["Records"]]
            await asyncio.sleep(LOOK_EVERY)

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        yield

    def items(self) -> list[dict[str, Any]]:
        """All there is in it."""
        found: list[dict[str, Any]] = moto.client("dynamodb").scan(TableName=self.name)["Items"]
        return found

    def messages(self, wait: int = 1) -> list[dict[str, Any]]:
        """What is in the queue, as a function gets it."""
        found = self.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=wait
        )
        return [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": {},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:eu-central-1:123456789012:{self.name}",
                "awsRegion": "eu-central-1",
            }
            for each in found.get("Messages", ())
        ]


def _as_lambda_has_it(record: dict[str, Any]) -> dict[str, Any]:
    """A record in JSON: bytes in base64, times as numbers."""

    def plain(value: Any) -> Any:
        return base64.b64encode(value).decode() if isinstance(value, bytes) else value.timestamp()

    told: dict[str, Any] = json.loads(json.dumps(record, default=plain))
    return told | {"eventSource": "aws:dynamodb"}
