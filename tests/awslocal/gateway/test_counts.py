"""What is metered."""

import httpx
from websockets.asyncio.client import connect

from ringback.awslocal.gateway import HttpGateway
from ringback.awslocal.gateway.counts import units
from ringback.awslocal.model import HttpApi
from tests.awslocal.gateway.functions import PLACE, Functions, Stand, ok, route, until


def test_units() -> None:
    assert [units(size, 10) for size in (0, 1, 10, 11, 20, 21)] == [1, 1, 1, 2, 2, 3]


async def test_messages_both_ways_and_time(stand: Stand) -> None:
    functions = Functions(fn=lambda event: {"statusCode": 200, "body": event.get("body", "")})
    address, gateway = await stand.socket(functions, route("$default", responds=True))
    async with connect(f"ws://{address}", compression=None) as socket:
        await socket.send(["x" * 32_768, "x"])
        await socket.recv()
        await socket.send("y")
        await socket.recv()
    await until(lambda: not gateway.connections)
    counts = gateway.counts
    assert (counts.connects, counts.received, counts.sent, counts.billed) == (1, 2, 2, 6)
    assert counts.seconds > 0
    assert counts.refused == 0


async def test_requests(stand: Stand, client: httpx.AsyncClient) -> None:
    api = HttpApi(name="Api", api_id="a", title="a", routes=(route("POST /"),))
    gateway = HttpGateway(api, PLACE, Functions(fn=ok))
    base = f"http://127.0.0.1:{(await stand.serve(gateway)).port}"
    await client.post(base, content=b"x" * 600_000)
    await client.post(base)
    await client.get(base)
    assert (gateway.counts.requests, gateway.counts.billed) == (2, 3)
    assert gateway.counts.statuses == {200: 2, 404: 1}
