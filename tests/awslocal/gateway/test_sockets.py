"""A WebSocket API from the client's side."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ringback.awslocal.gateway import Limits
from ringback.awslocal.model import Integration, LambdaAuthorizer, Stage
from tests.awslocal.gateway.functions import PATIENCE, Functions, Stand, later, ok, route, until

LIFE = ("$connect", "$disconnect", "$default")


async def receive(socket: ClientConnection) -> Any:
    async with asyncio.timeout(PATIENCE):
        return json.loads(await socket.recv())


async def closing(socket: ClientConnection) -> tuple[int, str]:
    async with asyncio.timeout(PATIENCE):
        await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


async def refused(address: str, **options: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"ws://{address}", **options):
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"{}")


# Handshakes


@pytest.mark.parametrize(
    ("payload", "status", "message"),
    [
        ({"statusCode": 401}, 401, "Forbidden"),
        ({"statusCode": 403, "body": "go away"}, 403, "go away"),
        ({"statusCode": "500"}, 500, "Forbidden"),
        ({"body": "no status"}, 502, "Internal server error"),
        (None, 502, "Internal server error"),
        (ZeroDivisionError(), 502, "Internal server error"),
    ],
)
async def test_refuses_what_connect_refuses(
    stand: Stand, payload: Any, status: int, message: str
) -> None:
    def fn(_: dict[str, Any]) -> Any:
        if isinstance(payload, Exception):
            raise payload
        return payload

    functions = Functions(fn=fn)
    address, gateway = await stand.socket(functions, *map(route, LIFE))
    got, body = await refused(address)
    assert (got, body["message"]) == (status, message)
    assert set(body) == {"message", "connectionId", "requestId"}
    assert gateway.connections == {}
    assert len(functions.calls) == 1  # and no $disconnect of what never was


async def test_connect_may_lack_a_route_or_lead_to_a_mock(stand: Stand) -> None:
    mock = Integration(type="MOCK", templates={"application/json": '{"statusCode": 200}'})
    no = Integration(type="MOCK", templates={"application/json": '{"statusCode":403}'})
    for connecting in ([], [route("$connect", None)], [route("$connect", integration=mock)]):
        address, _ = await stand.socket(Functions(fn=ok), *connecting, route("$default"))
        async with connect(f"ws://{address}"):
            pass
    address, _ = await stand.socket(Functions(), route("$connect", integration=no))
    assert (await refused(address))[0] == 403


@pytest.mark.parametrize("name", ["Sec-WebSocket-Protocol", "sec-websocket-protocol"])
async def test_a_subprotocol_only_if_the_function_answers_with_it(stand: Stand, name: str) -> None:
    def fn(event: dict[str, Any]) -> dict[str, Any]:
        offered = event["headers"]["Sec-WebSocket-Protocol"]
        assert offered == "one, two"
        return {"statusCode": 200, "headers": {name: "two"}}

    address, _ = await stand.socket(Functions(fn=fn), route("$connect"))
    async with connect(f"ws://{address}", subprotocols=["one", "two"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "two"
    address, _ = await stand.socket(Functions(fn=ok), route("$connect"))
    async with connect(f"ws://{address}", subprotocols=["one"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol is None
        assert socket.protocol.extensions == []


def allow(event: dict[str, Any], effect: str = "Allow") -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": event["methodArn"]}
    return {"principalId": "me", "policyDocument": {"Statement": [statement]}}


def unauthorized(_: dict[str, Any]) -> None:
    raise PermissionError("Unauthorized")


@pytest.mark.parametrize(
    ("auth", "status", "message"),
    [
        (lambda event: allow(event, "Deny"), 403,
         "User is not authorized to access this resource with an explicit deny"),
        (lambda event: allow({"methodArn": "arn:of:another"}), 403,
         "User is not authorized to access this resource"),
        (unauthorized, 401, "Unauthorized"),
        (lambda event: {"statusCode": 401}, 500, "Internal server error"),
        (lambda event: {**allow(event), "context": {"a": [1]}}, 500, "Internal server error"),
        (lambda event: 1 / 0, 500, "Internal server error"),
    ],
)  # fmt: skip
async def test_refuses_what_the_authorizer_refuses(
    stand: Stand, auth: Any, status: int, message: str
) -> None:
    functions = Functions(fn=ok, auth=auth)
    authorizer = LambdaAuthorizer(
        name="Auth", function="auth", identity_sources=("route.request.header.Auth",)
    )
    address, _ = await stand.socket(
        functions,
        route("$connect", authorization="CUSTOM", authorizer="Auth"),
        authorizers={"Auth": authorizer},
    )
    got, body = await refused(address)
    assert (got, body["message"]) == (401, "Unauthorized")
    assert functions.calls == []
    got, body = await refused(address, additional_headers={"Auth": "x"})
    assert (got, body["message"]) == (status, message)
    assert functions.of("fn") == []


async def test_other_handshakes_that_are_refused(stand: Stand, client: httpx.AsyncClient) -> None:
    limits = Limits(connects=0.001, connects_at_once=3)
    address, _ = await stand.socket(
        Functions(fn=ok), *map(route, LIFE), limits=limits, origins=("https://mine.example",)
    )
    host = address.partition("/")[0]
    assert (await refused(f"{host}/other"))[0] == 403
    assert (await refused(host))[0] == 403
    assert (await refused(f"{address}?{'x' * 4096}"))[0] == 414
    assert (await refused(address, origin="https://evil.example"))[0] == 403
    async with connect(f"ws://{address}", origin="https://mine.example"):  # type: ignore[arg-type]
        pass
    for path in ("prod", "prod/"):
        async with connect(f"ws://{host}/{path}", origin="http://localhost:3000"):  # type: ignore[arg-type]
            pass
    assert (await refused(address))[0] == 429
    assert (await client.get(f"http://{address}")).status_code == 426
    assert (await client.get(f"http://{host}/x")).status_code == 403


# Messages


async def test_routes_and_what_is_said_where_there_is_none(stand: Stand) -> None:
    functions = Functions(joined=ok, fn=ok)
    address, _ = await stand.socket(functions, route("$connect"), route("join", "joined"))
    async with connect(f"ws://{address}") as socket:
        await socket.send('{"action": "join"}')
        await functions.until("joined")
        for text in ("no json", '{"action": "leave"}', '{"action": "$connect"}'):
            await socket.send(text)
            said = await receive(socket)
            assert said.pop("message") == "Forbidden"
            assert set(said) == {"connectionId", "requestId"}
            context = functions.of("joined")[0]["requestContext"]
            assert said["connectionId"] == context["connectionId"]
    assert len(functions.of("fn")) == 1


async def test_answers_only_where_the_route_responds(stand: Stand) -> None:
    def fn(event: dict[str, Any]) -> dict[str, Any]:
        return {"statusCode": 200, "body": json.dumps({"said": event["body"]})}

    functions = Functions(fn=fn)
    address, _ = await stand.socket(
        functions, route("$default"), route("ask", responds=True), route("tell")
    )
    async with connect(f"ws://{address}") as socket:
        for action in ("tell", "other"):
            await socket.send(json.dumps({"action": action}))
        await functions.until("fn", 2)
        await socket.send('{"action":"ask"}')
        # Nothing of the others came before it.
        assert await receive(socket) == {"said": '{"action":"ask"}'}


@pytest.mark.parametrize("payload", [ZeroDivisionError(), None, {"body": "x"}, "text"])
async def test_an_integration_that_fails(stand: Stand, payload: Any) -> None:
    """Without a good statusCode there is no good answer, route response or not."""

    def fn(_: dict[str, Any]) -> Any:
        if isinstance(payload, Exception):
            raise payload
        return payload

    address, _ = await stand.socket(Functions(fn=fn), route("$default"))
    async with connect(f"ws://{address}") as socket:
        await socket.send("x")
        said = await receive(socket)
        assert said["message"] == "Internal server error"
        assert set(said) == {"message", "connectionId", "requestId"}


async def test_an_integration_that_takes_too_long(stand: Stand) -> None:
    released = asyncio.Event()
    address, _ = await stand.socket(
        Functions(slow=later(released)),
        route("$default", "slow"),
        limits=Limits(socket_timeout=0.05),
    )
    async with connect(f"ws://{address}") as socket:
        await socket.send("x")
        assert (await receive(socket))["message"] == "Endpoint request timed out"
    released.set()


async def test_a_connection_handles_its_messages_at_once_up_to_a_bound(stand: Stand) -> None:
    released = asyncio.Event()
    functions = Functions(slow=later(released), fn=ok)
    address, _ = await stand.socket(functions, route("$default", "slow"), limits=Limits(at_once=3))
    async with connect(f"ws://{address}") as socket:
        for number in range(3):
            await socket.send(str(number))
        await functions.until("slow", 3)
        for number in range(3, 8):
            await socket.send(str(number))
        await (await socket.ping())  # answered, so they have arrived, all or none
        assert len(functions.of("slow")) == 3
        released.set()
        assert len(await functions.until("slow", 8)) == 8
    assert sorted(event["body"] for event in functions.of("slow")) == list("01234567")


async def test_a_stage_that_is_throttled(stand: Stand) -> None:
    functions = Functions(fn=ok)
    address, _ = await stand.socket(
        functions, route("$default"), stages=(Stage(name="prod", rate=0.001, burst=1),)
    )
    async with connect(f"ws://{address}") as socket:
        await socket.send("1")
        await functions.until("fn")
        await socket.send("2")
        assert (await receive(socket))["message"] == "Too Many Requests"


# Ends


async def ended(functions: Functions) -> tuple[int, str]:
    await until(
        lambda: any(
            event["requestContext"]["eventType"] == "DISCONNECT" for event in functions.of("fn")
        )
    )
    context = functions.of("fn")[-1]["requestContext"]
    return context["disconnectStatusCode"], context["disconnectReason"]


async def test_frames_and_messages_have_their_bounds(stand: Stand) -> None:
    functions = Functions(fn=ok)
    address, _ = await stand.socket(functions, *map(route, LIFE))
    async with connect(f"ws://{address}", compression=None) as socket:
        await socket.send(["x" * 32_768] * 4)  # 128 KB, in frames of 32 KB
        (_, event) = await functions.until("fn", 2)
        assert len(event["body"]) == 131_072
        await socket.send("x" * 32_769)
        assert (await closing(socket))[0] == 1009
    assert (await ended(functions))[0] == 1009
    functions.calls.clear()
    async with connect(f"ws://{address}", compression=None) as socket:
        await socket.send(["x" * 32_768] * 4 + ["x"])
        assert (await closing(socket))[0] == 1009
    assert (await ended(functions))[0] == 1009
    assert len(functions.of("fn")) == 2


async def test_binary_frames_are_not_taken(stand: Stand) -> None:
    functions = Functions(fn=ok)
    address, _ = await stand.socket(functions, *map(route, LIFE))
    async with connect(f"ws://{address}") as socket:
        await socket.send(b"binary")
        assert (await closing(socket))[0] == 1003
    assert (await ended(functions))[0] == 1003
    assert len(functions.calls) == 2


async def test_an_idle_connection_goes_away(stand: Stand) -> None:
    functions = Functions(fn=ok)
    address, gateway = await stand.socket(functions, *map(route, LIFE), limits=Limits(idle=0.05))
    async with connect(f"ws://{address}") as socket:
        assert await closing(socket) == (1001, "Going away")
    assert await ended(functions) == (1001, "Going away")
    assert gateway.connections == {}


async def test_a_connection_lasts_no_longer_than_two_hours_however_busy(stand: Stand) -> None:
    functions = Functions(fn=ok)
    address, _ = await stand.socket(
        functions, *map(route, LIFE), limits=Limits(duration=0.2, idle=1000)
    )

    async def talk(socket: ClientConnection) -> None:
        try:
            while True:
                await socket.send("x")
                await asyncio.sleep(0.01)
        except ConnectionClosed:
            pass

    async with connect(f"ws://{address}") as socket:
        talking = asyncio.create_task(talk(socket))
        assert await closing(socket) == (1001, "Going away")
        await talking


async def test_pings_are_answered(stand: Stand) -> None:
    address, _ = await stand.socket(Functions(fn=ok), *map(route, LIFE))
    async with connect(f"ws://{address}") as socket:
        async with asyncio.timeout(PATIENCE):
            await (await socket.ping())


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (1000, (1000, "")),
        (None, (1005, "Client-side close frame status not set")),
        ("lost", (1006, "Connection closed abnormally")),
    ],
)
async def test_disconnect_tells_how_it_ended(
    stand: Stand, code: Any, said: tuple[int, str]
) -> None:
    functions = Functions(fn=ok)
    address, gateway = await stand.socket(functions, *map(route, LIFE))
    async with connect(f"ws://{address}") as socket:
        await until(lambda: gateway.connections)
        if code == "lost":
            socket.transport.abort()
        elif code is None:
            socket.transport.write(b"\x88\x80\x00\x00\x00\x00")
        else:
            await socket.close(code)
        assert await ended(functions) == said


async def test_a_client_that_leaves_while_connect_runs(stand: Stand) -> None:
    released = asyncio.Event()
    functions = Functions(slow=later(released), fn=ok)
    address, gateway = await stand.socket(
        functions, route("$connect", "slow"), route("$disconnect")
    )
    connecting = asyncio.create_task(connect(f"ws://{address}").__aenter__())
    await functions.until("slow")
    connecting.cancel()
    await asyncio.wait([connecting])
    released.set()
    assert (await functions.until("fn"))[0]["requestContext"]["eventType"] == "DISCONNECT"
    await until(lambda: not gateway.connections)


async def test_stopping_ends_all(stand: Stand) -> None:
    functions = Functions(fn=ok)
    address, gateway = await stand.socket(functions, *map(route, LIFE))
    sockets = [await connect(f"ws://{address}") for _ in range(20)]
    await until(lambda: len(gateway.connections) == 20)
    await gateway.close()
    for socket in sockets:
        assert await closing(socket) == (1001, "Going away")
    assert len(functions.of("fn")) == 40


async def test_many_connections(stand: Stand) -> None:
    functions = Functions(fn=lambda event: {"statusCode": 200, "body": event.get("body", "")})
    address, gateway = await stand.socket(functions, route("$default", responds=True))
    sockets = [await connect(f"ws://{address}") for _ in range(200)]
    assert len(gateway.connections) == 200
    for number, socket in enumerate(sockets):
        await socket.send(str(number))
    assert [await receive(socket) for socket in sockets] == list(range(200))
    for socket in sockets:
        await socket.close()
    await until(lambda: not gateway.connections)
