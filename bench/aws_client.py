"""The client of the functions' benchmark: ``python -m bench.aws_client KIND PORT JOBS COUNTED``.

It submits operations one after the other, is told of each in one way after the other, and prints
one line of JSON: for each way the times, and what an operation made AWS do. PORT is where the home
tells its figures.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from bench.fanout_ringback import token
from ringback.awscost import Measured, cost_of

USER = "ada"
PATIENCE_S = 30.0
QUIET_S = 0.4  # without anything new, all that an operation has caused is over
LOOK_S = 0.1
WARMING = 4
POLL_S = 1.0  # what Ringback's Retry-After says of a young operation
FOLLOWERS = (1, 10, 0)  # nobody last, when all functions have been started
APART = ("UpkeepFunction", "BackstopFunction")  # called by the clock, for many operations
API_KINDS = ("http", "websocket")

Do = Callable[[int], Awaitable[tuple[float, float]]]
"""Does operation n; when it was accepted and when it was told, or zero where nobody is."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A home's addresses."""

    port: int
    http: str
    sockets: str

    async def figures(self) -> dict[str, Any]:
        """What happened so far."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        line = await reader.read()
        writer.close()
        found: dict[str, Any] = json.loads(line)
        return found

    async def settled(self) -> dict[str, Any]:
        """What happened, once nothing more does."""
        seen, since = plain(await self.figures()), time.monotonic()
        until = since + PATIENCE_S
        while time.monotonic() - since < QUIET_S:
            await asyncio.sleep(LOOK_S)
            now = plain(await self.figures())
            if now != seen:
                seen, since = now, time.monotonic()
            if time.monotonic() > until:
                raise TimeoutError("it did not come to rest")
        return seen


def plain(figures: dict[str, Any]) -> dict[str, float]:
    """What is counted, by name."""
    found: dict[str, float] = {}
    for name, each in figures["functions"].items():
        found[f"calls {name}"] = each["invocations"]
        found[f"gb {name}"] = each["gb_seconds"]
        found[f"errors {name}"] = each["errors"] + each["timeouts"] + each["throttles"]
    for api in figures["apis"].values():
        found[api["kind"]] = api["billed"]
    for service, actions in figures["requests"].items():
        for action, count in actions.items():
            found[f"{service} {action}"] = count
    return found


def used(before: dict[str, float], after: dict[str, float], jobs: int) -> dict[str, float]:
    """What one of so many operations made AWS do, and what that costs."""
    more = {name: (count - before.get(name, 0)) / jobs for name, count in after.items()}

    def all_of(beginning: str) -> float:
        return sum(each for name, each in more.items() if name.startswith(beginning))

    figures = {
        "apis": {kind: {"kind": kind, "billed": more[kind], "seconds": 0} for kind in API_KINDS},
        "functions": {"all": {"invocations": all_of("calls "), "gb_seconds": all_of("gb ")}},
        "requests": {
            "sqs": {"all": all_of("sqs ")},
            # One unit each, as the meter counted them.
            "dynamodb": {
                "GetItem": more.get("units read", 0),
                "PutItem": more.get("units write", 0),
            },
        },
    }
    bill = cost_of(Measured.of(figures))
    time_of_functions = bill.of(("lambda-gb-seconds",))
    return {
        **{f"calls_{name}": round(each, 2) for name, each in _named(more, "calls ") if each},
        "calls": all_of("calls "),
        "errors": all_of("errors ") * jobs,
        "requests": all_of("dynamodb "),
        "read_units": more.get("units read", 0),
        "write_units": more.get("units write", 0),
        "index_units": more.get("units index", 0),
        "sqs": all_of("sqs "),
        "http": more["http"],
        "websocket": more["websocket"],
        "requests_dollars": (bill.total - time_of_functions) * 1e6,
        "time_dollars": time_of_functions * 1e6,
    }


def _named(figures: dict[str, float], beginning: str) -> list[tuple[str, float]]:
    return [
        (name.removeprefix(beginning), each)
        for name, each in figures.items()
        if name.startswith(beginning)
    ]


async def measured(stack: Stack, do: Do, jobs: int, counted: int) -> dict[str, float]:
    """One way: first what is counted, each operation by itself; then the times."""
    for n in range(WARMING):
        await do(n)
    while True:
        before = after = await stack.settled()
        for n in range(counted):
            await do(n)
            after = await stack.settled()
        if all(after.get(f"calls {name}") == before.get(f"calls {name}") for name in APART):
            break
    found = used(before, after, counted)
    accepted, told = [], []
    for n in range(jobs):
        begin = time.perf_counter()
        first, last = await do(n)
        accepted.append((first - begin) * 1000)
        if last:
            told.append((last - begin) * 1000)
    for name, times in (("accept", accepted), ("told", told)):
        if times:
            times.sort()
            found[f"{name}_p50_ms"] = round(statistics.median(times), 2)
            found[f"{name}_p99_ms"] = round(times[min(len(times) - 1, len(times) * 99 // 100)], 2)
    return found


@asynccontextmanager
async def followers(
    count: int, address: str, hello: Callable[[ClientConnection], Awaitable[None]], **options: Any
) -> AsyncIterator[list[ClientConnection]]:
    """So many connections of one user."""
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(count):
            socket = await stack.enter_async_context(
                connect(address, open_timeout=PATIENCE_S, **options)
            )
            await hello(socket)
            made.append(socket)
        yield made


async def until(socket: ClientConnection, wanted: Callable[[dict[str, Any]], bool]) -> float:
    """Read until that has come; when."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message = json.loads(await socket.recv())
            if message.get("type") == "error":
                raise RuntimeError(str(message))
            if wanted(message):
                return time.perf_counter()


async def all_told(
    sockets: list[ClientConnection], wanted: Callable[[dict[str, Any]], bool]
) -> float:
    """When the last of them has it; zero if there is none."""
    return max(await asyncio.gather(*(until(socket, wanted) for socket in sockets)), default=0.0)


async def classic(stack: Stack, jobs: int, counted: int) -> dict[str, dict[str, float]]:
    """The classic pattern: told over WebSocket."""

    async def hello(_: ClientConnection) -> None: ...

    found = {}
    async with httpx.AsyncClient(base_url=stack.http, timeout=PATIENCE_S) as client:
        for count in FOLLOWERS:
            address = f"{stack.sockets}?user={USER}"
            async with followers(count, address, hello) as sockets:

                async def do(n: int, sockets: list[ClientConnection] = sockets) -> Any:
                    answer = await client.post("/jobs", json={"user": USER, "n": n})
                    accepted = time.perf_counter()
                    job = body_of(answer)["id"]
                    return accepted, await all_told(sockets, lambda said: said.get("id") == job)

                found[f"ws{count}"] = await measured(stack, do, jobs if count else 1, counted)
    return found


async def ringback(stack: Stack, jobs: int, counted: int) -> dict[str, dict[str, float]]:
    """Ringback: told over WebSocket by a topic, by the operation itself, and by asking."""
    found = {}
    bearer = {"Authorization": f"Bearer {token(USER)}"}
    topic = f"news/{USER}"

    async def hello(socket: ClientConnection) -> None:
        await socket.send(json.dumps({"action": "subscribe", "id": "s", "filter": topic}))
        await until(socket, lambda said: said.get("id") == "s")

    client = httpx.AsyncClient(base_url=stack.http, headers=bearer, timeout=PATIENCE_S)
    options: dict[str, Any] = {"additional_headers": bearer, "subprotocols": ["ringback.v1"]}

    async def submit(task: str, **value: Any) -> tuple[float, str]:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        answer = await client.post(f"/tasks/{task}", json=value, headers=key)
        return time.perf_counter(), body_of(answer)["id"]

    for count in FOLLOWERS:
        async with followers(count, stack.sockets, hello, **options) as sockets:

            async def tell(n: int, sockets: list[ClientConnection] = sockets) -> Any:
                accepted, _ = await submit("tell", user=USER, n=n)
                return accepted, await all_told(
                    sockets, lambda said: said.get("type") == "message" and said["data"]["n"] == n
                )

            found[f"ws{count}"] = await measured(stack, tell, jobs if count else 1, counted)

    async with connect(stack.sockets, open_timeout=PATIENCE_S, **options) as socket:

        async def follow(n: int) -> tuple[float, float]:
            name = str(uuid.uuid4())
            action = {"action": "submit", "id": name, "task": "work", "input": {"n": n}}
            await socket.send(json.dumps({**action, "key": name, "follow": True}))
            accepted = await until(socket, lambda said: said.get("id") == name)
            return accepted, await until(socket, succeeded)

        found["follow"] = await measured(stack, follow, jobs, counted)

    async def long_poll(n: int) -> tuple[float, float]:
        accepted, operation = await submit("work", n=n)
        path = f"/operations/{operation}/result"
        body_of(await client.get(path, headers={"Prefer": "wait=20"}))
        return accepted, time.perf_counter()

    async def poll(n: int) -> tuple[float, float]:
        accepted, operation = await submit("work", n=n)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await asyncio.sleep(POLL_S)
                if body_of(await client.get(f"/operations/{operation}"))["status"] == "succeeded":
                    return accepted, time.perf_counter()

    found["long-poll"] = await measured(stack, long_poll, jobs, counted)
    found["poll"] = await measured(stack, poll, max(1, jobs // 5), counted)
    await client.aclose()
    return found


def succeeded(message: dict[str, Any]) -> bool:
    """Whether a message says that the operation has ended, as it shall."""
    data = message.get("data")
    return isinstance(data, dict) and data.get("status") == "succeeded"


def body_of(answer: httpx.Response) -> Any:
    """An answer's value. Raises ``httpx.HTTPStatusError``."""
    answer.raise_for_status()
    return answer.json()


async def main(kind: str, port: int, jobs: int, counted: int) -> None:
    """Measure all ways of one kind."""
    figures = await Stack(port=port, http="", sockets="").figures()
    urls = {api["kind"]: api["url"] for api in figures["apis"].values()}
    sockets = urls["websocket"].replace("http", "ws", 1) + "/live"
    stack = Stack(port=port, http=urls["http"], sockets=sockets)
    ways = {"classic": classic, "ringback": ringback}[kind]
    print(json.dumps(await ways(stack, jobs, counted)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:5])))
