"""What one operation makes DynamoDB bill: accepted with a key, run, and told to who follows."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from ringback import Operation, Ringback
from tests import moto
from tests.edges.websocket.talking import LIMIT
from tests.lambdas.cloud import cloud
from tests.lambdas.table import Table
from tests.lambdas.test_sockets import talk

WRITES = {
    "PutItem": 2,  # the key, the operation
    "UpdateItem": 3,  # its claim; who follows, held and let go
    "TransactWriteItems": 1,  # its end, with what is published
}
UNITS = 17
"""Of these, 6 are those of indexes; with a subject there is one more."""


def app(**settings: Any) -> Ringback:
    rb = Ringback(open_topics=True, **settings)

    @rb.task(timeout=20)
    async def tell(n: int, op: Operation) -> int:
        await op.publish("news", n)
        return n

    return rb


async def test_a_told_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table()
    async with (
        cloud(app, table, monkeypatch) as home,
        httpx.AsyncClient(base_url=home.url, timeout=LIMIT) as client,
        talk(home) as ada,
    ):
        await ada.do("subscribe", filter="news")
        used: list[tuple[float, Counter[str]]] = []
        for number in range(4):  # the first have their functions start; some are tried twice
            await home.functions.settled()
            moto.requests()
            answer = await client.post(
                "/tasks/tell", json={"n": number}, headers={"Idempotency-Key": str(number)}
            )
            assert answer.status_code == 202, answer.text
            messages = await asyncio.to_thread(table.messages, 20)
            done = await home.functions.invoke("Work", {"Records": messages})
            assert done.error is None
            assert done.payload == {"batchItemFailures": []}
            while (frame := await ada.hear())["type"] != "message":
                pass
            assert frame["data"] == number
            await home.functions.settled()
            counted = moto.requests()
            used.append((counted["units"]["write"], Counter(counted["dynamodb"])))
    units, requests = min(used, key=lambda each: each[0])
    assert units <= UNITS, used
    assert {name: count for name, count in requests.items() if name in WRITES} == WRITES
