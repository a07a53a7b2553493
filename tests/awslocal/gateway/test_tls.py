"""The gateway over TLS, as functions reach it that make its address out of the event."""

import asyncio
import ssl
from pathlib import Path

import boto3
from websockets.asyncio.client import connect

from ringback.awslocal.gateway import certify
from tests.awslocal.gateway.functions import (
    PATIENCE,
    PLACE,
    SECRETS,
    Functions,
    Stand,
    ok,
    route,
    until,
)


def test_the_key_is_in_no_file(tmp_path: Path) -> None:
    _, trusted = certify(tmp_path)
    assert list(tmp_path.iterdir()) == [trusted]
    assert b"PRIVATE" not in trusted.read_bytes()


async def test_https_and_wss_beside_ws(stand: Stand, tmp_path: Path) -> None:
    context, trusted = certify(tmp_path)

    functions = Functions(fn=ok)
    address, gateway = await stand.socket(functions, route("$connect"))
    secure = f"localhost:{(await stand.serve(gateway, context)).port}"
    ((key, secret),) = SECRETS.items()
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=f"https://{secure}/prod",
        region_name=PLACE.region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        verify=str(trusted),
    )
    over_tls = connect(f"wss://{secure}/prod", ssl=ssl.create_default_context(cafile=str(trusted)))
    async with connect(f"ws://{address}") as plain, over_tls as encrypted:
        await until(lambda: len(gateway.connections) == 2)
        for id_ in list(gateway.connections):
            await asyncio.to_thread(client.post_to_connection, ConnectionId=id_, Data=b"hello")
        async with asyncio.timeout(PATIENCE):
            assert await plain.recv() == await encrypted.recv() == "hello"
        client.close()
        await encrypted.send("x" * 32_769)
        async with asyncio.timeout(PATIENCE):
            await encrypted.wait_closed()
        assert encrypted.close_code == 1009
    protocols = [event["headers"]["X-Forwarded-Proto"] for event in functions.of("fn")]
    assert sorted(protocols) == ["http", "https"]
