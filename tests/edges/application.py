"""The application that the tests of the edges talk to, and what they ask it with.

Imported by tests in this process, and by a server in a process of its own (`rb`).
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import httpx
from pydantic import BaseModel, Field

from ringback import Operation, Ringback, TaskFailed, Upload
from tests.serving import serve, until


class Question(BaseModel):
    text: str = Field(min_length=1, max_length=100)
    cell: int = Field(ge=0)
    tags: list[str] = []


class Answer(BaseModel):
    text: str
    length: int


Count = Annotated[int, Field(ge=0, le=100)]


class Gates:
    """What a task waits for until its test lets it go on."""

    def __init__(self) -> None:
        self._open: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def open(self, name: str) -> None:
        self._open[name].set()

    async def pass_through(self, name: str) -> None:
        await self._open[name].wait()


def application(data: Path | None, gates: Gates, **settings: Any) -> Ringback:
    """An application with a task for each thing that can happen to an operation."""
    app = Ringback("edges", data=data, **settings)

    @app.task
    async def double(n: int) -> int:
        """Twice a number."""
        return 2 * n

    @app.task
    async def ask(question: Question) -> Answer:
        return Answer(text=question.text, length=len(question.text))

    @app.task
    async def hold(op: Operation, gate: str) -> str:
        await op.progress(0.5, "waiting")
        await gates.pass_through(gate)
        return gate

    @app.task
    async def steps(op: Operation, count: Count, gate: str = "") -> int:
        for number in range(count):
            await op.send({"number": number})
            if number == count // 2 and gate:
                await gates.pass_through(gate)
        return count

    @app.task
    async def bulky(op: Operation, count: Count) -> None:
        for _ in range(count):
            await op.send(100_000 * "x")

    @app.task
    async def refuse(reason: str, status: int | None = None) -> None:
        raise TaskFailed(reason) if status is None else TaskFailed(reason, status=status)

    @app.task(retries=0)
    async def crash() -> None:
        raise RuntimeError("for the log alone")

    @app.task(idempotency_key=True)
    async def pay(amount: int) -> int:
        return amount

    @app.task(public=True)
    async def announce(text: str) -> str:
        return text

    @app.task(allow=lambda claims: "print" in claims.scopes)
    async def print_out(text: str) -> str:
        return text

    @app.task
    async def trace(op: Operation) -> str:
        return op.traceparent

    @app.on_upload("photos/", types=["image/*"])
    async def thumbnail(upload: Upload) -> int:
        return upload.size

    return app


class Caller:
    """Somebody who talks to a served application over real sockets."""

    def __init__(self, url: str, client: httpx.AsyncClient, gates: Gates) -> None:
        self.url = url
        self.http = client
        self.gates = gates

    async def submit(
        self, task: str, body: object = None, *, status: int = 202, **headers: str
    ) -> "Tracked":
        """Submit, and hold on to the operation."""
        answer = await self.http.post(
            f"/tasks/{task}", json={} if body is None else body, headers=dashed(headers)
        )
        assert answer.status_code == status, answer.text
        return Tracked(self, answer)


class Tracked:
    """One operation, with the token that its acknowledgement brought."""

    def __init__(self, caller: Caller, answer: httpx.Response) -> None:
        self.caller = caller
        self.answer = answer
        self.id: str = answer.json()["id"]
        self.token: str = answer.json()["token"]
        self.path: str = answer.json()["links"]["self"]

    async def request(
        self, method: str, part: str = "", *, query: Mapping[str, str] | None = None, **headers: str
    ) -> httpx.Response:
        return await self.caller.http.request(
            method,
            self.path + part,
            params={"token": self.token, **(query or {})},
            headers=dashed(headers),
        )

    async def get(
        self, part: str = "", *, query: Mapping[str, str] | None = None, **headers: str
    ) -> httpx.Response:
        return await self.request("GET", part, query=query, **headers)

    async def until(self, **fields: object) -> dict[str, Any]:
        """Wait until the operation shows these fields; what it shows then."""

        async def look() -> dict[str, Any] | None:
            shown: dict[str, Any] = (await self.get()).json()
            return shown if fields.items() <= shown.items() else None

        found: dict[str, Any] = await until(look)
        return found


def dashed(headers: Mapping[str, str]) -> dict[str, str]:
    """Header names as keyword arguments spell them."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


def problem_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem of an answer, checked for what every one has (RFC 9457 §3.1)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"urn:ringback:problem:{code}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == answer.request.url.raw_path.decode().partition("?")[0]
    return problem


@contextlib.asynccontextmanager
async def served(data: Path, **settings: Any) -> AsyncIterator[Caller]:
    """The application, served with these settings."""
    gates = Gates()
    settings = {"grace": 0, **settings}  # what a test left running is given back at once
    async with (
        serve(application(data, gates, **settings)) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
    ):
        yield Caller(url, client, gates)


rb = application(None, Gates())
