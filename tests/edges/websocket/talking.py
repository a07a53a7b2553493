"""A client of `ringback.v1` for tests, on the `websockets` package, and what it talks to.

Every test that takes `way` runs twice: on connections of their own, as under `ringback run`, and
through ASGI, as under any other server.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import websockets
from joserfc import jwk
from websockets.asyncio.client import ClientConnection, connect

from ringback import Operation, Ringback
from ringback.wire.channel import PROTOCOL
from tests.security.keys import SECRET, claims_of, sign
from tests.serving import serve

WAYS = ("raw", "asgi")
LIMIT = 60.0
"""Seconds for anything to come, on a busy machine."""
WEBSOCKET_SERVER = {"http": "httptools", "ws_max_size": 16 * 1024 * 1024}
"""Options of uvicorn as anybody starts it."""


def token(subject: str | None = "ada", **claims: Any) -> str:
    """A JWT that is good for an hour, unless `exp` says otherwise."""
    return sign(claims_of(subject, **claims), jwk.OctKey.import_key(SECRET), "HS256")


def granted(*subscribe: str, publish: tuple[str, ...] = (), **claims: Any) -> str:
    """One that names topics."""
    return token(topics={"subscribe": list(subscribe), "publish": list(publish)}, **claims)


class Talk:
    """One connection, with its messages as they come."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._next = 0
        self.passed: list[dict[str, Any]] = []
        """Messages that came while something else was waited for."""

    async def send(self, **action: Any) -> None:
        await self.connection.send(json.dumps(action))

    async def hear(self) -> dict[str, Any]:
        """The next message that was not heard yet."""
        if self.passed:
            return self.passed.pop(0)
        return await self._receive()

    async def _receive(self) -> dict[str, Any]:
        async with asyncio.timeout(LIMIT):
            message: dict[str, Any] = json.loads(await self.connection.recv())
            return message

    async def ask(self, action: str, **members: Any) -> dict[str, Any]:
        """The answer to an action, whichever it is."""
        self._next += 1
        own = f"a{self._next}"
        await self.send(action=action, id=own, **members)
        while True:
            message = await self._receive()
            if message.get("id") == own:
                return message
            self.passed.append(message)

    async def do(self, action: str, **members: Any) -> dict[str, Any]:
        """The result of an action, which has to succeed."""
        answer = await self.ask(action, **members)
        assert answer["type"] == "reply", answer
        result: dict[str, Any] = answer["result"]
        return result

    async def refused(self, code: str, action: str, **members: Any) -> dict[str, Any]:
        """The problem of an action, which has to be refused."""
        answer = await self.ask(action, **members)
        assert answer["type"] == "error", answer
        problem: dict[str, Any] = answer["problem"]
        assert problem["type"] == f"urn:ringback:problem:{code}"
        assert problem["detail"]
        return problem

    async def until(self, type: str) -> list[dict[str, Any]]:
        """Everything up to a message of this type, which is the last."""
        heard = [await self.hear()]
        while heard[-1]["type"] != type:
            heard.append(await self.hear())
        return heard

    async def closed(self) -> int:
        """The code that the server closes with; what came before it is passed over."""
        async with asyncio.timeout(LIMIT):
            with contextlib.suppress(websockets.ConnectionClosed):
                while True:
                    self.passed.append(json.loads(await self.connection.recv()))
        code = self.connection.close_code
        assert code is not None
        return code


class Server:
    """A served application."""

    def __init__(self, application: Ringback, url: str) -> None:
        self.application = application
        self.http = url
        self.url = url.replace("http", "ws", 1)

    @contextlib.asynccontextmanager
    async def talk(
        self,
        *,
        token: str | None = None,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> AsyncIterator[Talk]:
        """A connection that has been greeted."""
        headers = dict(headers or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        settings = {"subprotocols": [PROTOCOL], "max_size": None, "open_timeout": LIMIT, **options}
        async with connect(
            f"{self.url}/ws{query}", additional_headers=headers, **settings
        ) as connection:
            talk = Talk(connection)
            assert (await talk.hear())["type"] == "welcome"
            yield talk

    async def publish(self, topic: str, *data: Any) -> None:
        for each in data:
            await self.application.publish(topic, each)


def application(data: Path | None, **settings: Any) -> Ringback:
    """Topics and tasks for what can be asked over a WebSocket."""
    rb = Ringback("talks", data=data, **{"grace": 0, **settings})
    rb.topic("open/{+name}", subscribe="anyone", publish="anyone")
    rb.topic("members/{+name}", subscribe="signed_in", publish="signed_in")
    rb.topic("own/{name}", subscribe=lambda claims, name: claims.subject == name)
    rb.topic("last/{name}", retained=True, subscribe="anyone", publish="anyone")
    rb.topic("passing/{name}", durable=False, subscribe="anyone", publish="anyone")
    rb.topic("newest/{name}", coalesce=True, subscribe="anyone", publish="anyone")
    rb.topic("small/{name}", max_message=100, subscribe="anyone", publish="anyone")
    rb.topic("room/{name}", subscribe="anyone", publish="anyone", presence="anyone")
    rb.topic("granted/{+name}")
    rb.topic("short/{name}", count=4, subscribe="anyone", publish="anyone")
    held: dict[str, asyncio.Event] = {}

    @rb.task(public=True)
    async def double(n: int) -> int:
        return 2 * n

    @rb.task(public=True)
    async def steps(op: Operation, count: int) -> int:
        for number in range(count):
            await op.send({"number": number})
        return count

    @rb.task(public=True)
    async def hold(op: Operation, gate: str) -> str:
        await op.progress(0.5, "half")
        await held.setdefault(gate, asyncio.Event()).wait()
        return gate

    @rb.task
    async def secret(n: int) -> int:
        return n

    rb.open_gate = lambda gate: held.setdefault(gate, asyncio.Event()).set()  # type: ignore[attr-defined]
    return rb


@contextlib.asynccontextmanager
async def served(data: Path, way: str, **settings: Any) -> AsyncIterator[Server]:
    """The application on one of the two ways; with a key, so that callers can be known."""
    rb = application(data, **{"jwt_secret": SECRET, **settings})
    options = WEBSOCKET_SERVER if way == "asgi" else {}
    async with serve(rb, **options) as url:
        yield Server(rb, url)
