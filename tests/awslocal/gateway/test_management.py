"""``@connections``, with the SDK that functions use."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from websockets.asyncio.client import ClientConnection, connect

from ringback.awslocal.gateway import Limits
from tests.awslocal.gateway.functions import (
    PATIENCE,
    SECRETS,
    Functions,
    Stand,
    later,
    ok,
    route,
    until,
)

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

KEY, SECRET = next(iter(SECRETS.items()))
SESSION = boto3.Session()


def management(
    address: str, *, key: str = KEY, secret: str = SECRET, region: str = "eu-west-1"
) -> "ApiGatewayManagementApiClient":
    return SESSION.client(
        "apigatewaymanagementapi",
        endpoint_url=f"http://{address}",
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


async def call(method: Callable[..., Any], **arguments: Any) -> Any:
    return await asyncio.to_thread(method, **arguments)


async def fails(method: Callable[..., Any], **arguments: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        await call(method, **arguments)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


async def receive(socket: ClientConnection) -> str | bytes:
    async with asyncio.timeout(PATIENCE):
        return await socket.recv()


async def joined(functions: Functions, count: int = 1) -> str:
    events = await functions.until("fn", count)
    id_ = events[count - 1]["requestContext"]["connectionId"]
    assert isinstance(id_, str)
    return id_


async def test_posts_looks_and_closes(stand: Stand) -> None:
    functions = Functions(fn=ok)
    address, gateway = await stand.socket(functions, route("$connect"), route("$disconnect"))
    client = management(address)
    async with connect(f"ws://{address}", user_agent_header="agent") as socket:
        id_ = await joined(functions)
        assert id_.endswith("=")
        await until(lambda: gateway.connections)
        answer = await call(client.post_to_connection, ConnectionId=id_, Data=b'{"a": "\xc3\xa4"}')
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert answer["ResponseMetadata"]["RequestId"]
        assert await receive(socket) == '{"a": "ä"}'
        for data in ("text", "x" * 131_072):  # the longer one in four frames
            await call(client.post_to_connection, ConnectionId=id_, Data=data)
            assert await receive(socket) == data
        await call(client.post_to_connection, ConnectionId=id_, Data=b"\xff\x00")
        assert await receive(socket) == b"\xff\x00"

        seen = await call(client.get_connection, ConnectionId=id_)
        assert seen["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "agent"}
        assert isinstance(seen["ConnectedAt"], datetime)
        assert seen["LastActiveAt"] >= seen["ConnectedAt"]

        answer = await call(client.delete_connection, ConnectionId=id_)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        async with asyncio.timeout(PATIENCE):
            await socket.wait_closed()
        assert (socket.close_code, socket.close_reason) == (1000, "Connection Closed Normally")
    context = (await functions.until("fn", 2))[1]["requestContext"]
    assert context["disconnectStatusCode"] == 1000
    assert context["disconnectReason"] == "Connection Closed Normally"
    for method, more in (
        (client.post_to_connection, {"Data": b"x"}),
        (client.get_connection, {}),
        (client.delete_connection, {}),
    ):
        assert await fails(method, ConnectionId=id_, **more) == (410, "GoneException")


async def test_frames_of_posts_are_no_longer_than_aws_makes_them(stand: Stand) -> None:
    functions = Functions(fn=ok)
    address, gateway = await stand.socket(functions, route("$connect"))
    async with connect(f"ws://{address}") as socket:
        (connection,) = gateway.connections.values()
        connection.send(b"x" * 70_000)
        async with asyncio.timeout(PATIENCE):
            sizes = [len(piece) async for piece in socket.recv_streaming()]
        assert sizes == [32_768, 32_768, 4_464]


async def test_refusals(stand: Stand) -> None:
    functions = Functions(fn=ok)
    address, gateway = await stand.socket(functions, route("$connect"), limits=Limits(message=1000))
    async with connect(f"ws://{address}"):
        id_ = await joined(functions)
        await until(lambda: gateway.connections)
        good = management(address)
        arguments = {"ConnectionId": id_, "Data": b"x"}
        await call(good.post_to_connection, **arguments)
        assert await fails(good.post_to_connection, ConnectionId=id_, Data=b"x" * 1001) == (
            413,
            "PayloadTooLargeException",
        )
        assert await fails(good.post_to_connection, ConnectionId="no/id", Data=b"x") == (
            400,
            "BadRequestException",
        )
        for client, code in (
            (management(address, secret="wrong"), "InvalidSignatureException"),
            (management(address, key="AKIDOTHER"), "UnrecognizedClientException"),
            (management(address, region="us-east-1"), "InvalidSignatureException"),
        ):
            assert await fails(client.post_to_connection, **arguments) == (403, code)
        # A connection is reached by the stage it was opened at.
        other = management(address.replace("/prod", "/dev"))
        assert await fails(other.post_to_connection, **arguments) == (410, "GoneException")


async def test_a_connection_is_not_there_while_connect_runs(stand: Stand) -> None:
    released = asyncio.Event()
    functions = Functions(slow=later(released))
    address, gateway = await stand.socket(functions, route("$connect", "slow"))
    client = management(address)
    connecting = asyncio.create_task(connect(f"ws://{address}").__aenter__())
    id_ = (await functions.until("slow"))[0]["requestContext"]["connectionId"]
    arguments = {"ConnectionId": id_, "Data": b"x"}
    assert await fails(client.post_to_connection, **arguments) == (410, "GoneException")
    released.set()
    async with asyncio.timeout(PATIENCE):
        socket = await connecting
    await until(lambda: gateway.connections)
    await call(client.post_to_connection, **arguments)
    assert await receive(socket) == "x"
    await socket.close()


async def test_a_client_that_does_not_read(stand: Stand) -> None:
    functions = Functions(fn=ok)
    address, gateway = await stand.socket(
        functions, route("$connect"), limits=Limits(unsent=100_000)
    )
    client = management(address)
    async with connect(f"ws://{address}", max_queue=1) as socket:
        id_ = await joined(functions)
        await until(lambda: gateway.connections)
        # More than sockets hold between the two, with nobody to take it.
        socket.transport.pause_reading()
        (connection,) = gateway.connections.values()
        while connection.unsent <= 100_000:
            connection.send(b"x" * 131_072)
        assert await fails(client.post_to_connection, ConnectionId=id_, Data=b"x") == (
            429,
            "LimitExceededException",
        )
        connection.abort()
        socket.transport.abort()


def sign(
    url: str,
    *,
    method: str = "POST",
    body: bytes = b"",
    path: str = "",
    at: datetime | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> dict[str, str]:
    """Signature Version 4 once more, written from its description: `path` is as it is sent."""
    when = (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    host = httpx.URL(url).netloc.decode()
    signed = {"host": host, "x-amz-date": when, **dict(headers)}
    names = ";".join(sorted(signed))
    canonical = "\n".join(
        [
            method,
            quote(path, safe="/~-_."),
            "",
            *(f"{name}:{' '.join(signed[name].split())}" for name in sorted(signed)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{when[:8]}/eu-west-1/execute-api/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return {
        **{name: value for name, value in signed.items() if name != "host"},
        "authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}",
    }


async def test_other_signers(stand: Stand, client: httpx.AsyncClient) -> None:
    functions = Functions(fn=ok)
    address, gateway = await stand.socket(functions, route("$connect"))
    base = f"http://{address.partition('/')[0]}"
    async with connect(f"ws://{address}") as socket:
        (id_,) = gateway.connections
        for name in ("@connections", "%40connections"):
            for spelt in (id_, quote(id_)):
                path = f"/prod/{name}/{spelt}"
                more = (("content-type", "text/plain"), ("x-two", "a   b"))
                headers = sign(base, body=b"hello", path=path, headers=more)
                answer = await client.post(base + path, content=b"hello", headers=headers)
                assert answer.status_code == 200, answer.text
                assert await receive(socket) == "hello"

        path = f"/prod/@connections/{id_}"

        async def refusal(headers: dict[str, str], content: bytes = b"hello") -> str:
            answer = await client.post(base + path, content=content, headers=headers)
            assert answer.status_code == 403
            assert "message" in json.loads(answer.content)
            return answer.headers["x-amzn-errortype"]

        good = sign(base, body=b"hello", path=path)
        assert await refusal(good, b"other") == "InvalidSignatureException"
        assert await refusal({}) == "MissingAuthenticationTokenException"
        for said in ("Bearer x", good["authorization"].replace("Signature=", "Signature=z")):
            headers = {**good, "authorization": said}
            assert await refusal(headers) == "IncompleteSignatureException"
        old = sign(base, body=b"hello", path=path, at=datetime(2020, 1, 1, tzinfo=UTC))
        assert await refusal(old) == "InvalidSignatureException"
        headers = {**good, "x-amz-date": "no time"}
        assert await refusal(headers) == "IncompleteSignatureException"
        headers = sign(base, body=b"hello", path=path, headers=(("x-more", "1"),))
        assert await refusal({**headers, "x-more": "2"}) == "InvalidSignatureException"
        answer = await client.put(base + path, headers=sign(base, method="PUT", path=path))
        assert answer.status_code == 403
