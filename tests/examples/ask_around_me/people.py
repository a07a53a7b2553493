"""People who use the example over HTTP, as its page does."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from examples.ask_around_me.app import app, rb
from tests.serving import serve

Json = dict[str, Any]
HERE = {"lat": 47.3769, "lng": 8.5417}


@contextlib.asynccontextmanager
async def served(data: Path, **settings: Any) -> AsyncIterator[str]:
    """The example, on a store of its own; yields its URL."""
    rb.configure(data=data, **settings)
    async with serve(app) as url:
        yield url


class Person(httpx.AsyncClient):
    """Somebody with a token."""

    person: Json

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, url: str, name: str = "Ada") -> AsyncIterator["Person"]:
        async with cls(base_url=url, timeout=120) as made:
            session = await made.post("/api/session", json={"name": name})
            assert session.status_code == 201, session.text
            made.person = session.json()["person"]
            made.headers["Authorization"] = f"Bearer {session.json()['token']}"
            yield made

    async def submit(self, task: str, given: Json, key: str | None = None) -> Json:
        """Submit, and wait for the end; the operation."""
        accepted = await self.post(
            f"/tasks/{task}", json=given, headers={"Idempotency-Key": key or str(uuid.uuid4())}
        )
        assert accepted.status_code == 202, accepted.text
        return await self.ended(accepted.json())

    async def ended(self, operation: Json) -> Json:
        """An operation, once it has ended."""
        while operation["status"] in ("queued", "running"):
            answer = await self.get(
                operation["links"]["self"],
                headers={
                    "Prefer": "wait=10",
                    "If-None-Match": f'"{operation["version"]}"',
                    "Authorization": f"Bearer {operation['token']}",
                },
            )
            if answer.status_code != 304:
                assert answer.status_code == 200, answer.text
                operation |= answer.json()
        return operation

    async def done(self, task: str, given: Json, key: str | None = None) -> Any:
        """The result of what must succeed."""
        operation = await self.submit(task, given, key)
        assert operation["status"] == "succeeded", operation
        return operation["result"]

    async def refused(self, task: str, given: Json) -> str:
        """Why something must fail."""
        operation = await self.submit(task, given)
        assert operation["status"] == "failed", operation
        return str(operation["error"]["reason"])

    async def ask(self, text: str = "How is it?", kind: str = "stars", **at: float) -> Json:
        """Ask something here, or elsewhere; the question."""
        asked: Json = await self.done("ask", asking(text, kind, **at))
        return asked

    async def around(self, **at: float) -> Json:
        """What is asked here, or elsewhere."""
        answer = await self.get("/api/questions", params=HERE | at)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def look(self, question: str) -> Json:
        """One question with all that belongs to it."""
        answer = await self.get(f"/api/questions/{question}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def messages(self, topics: list[str], after: str) -> list[Json]:
        """What was told on topics since a position."""
        found: list[Json] = []
        while True:
            answer = await self.get(
                "/topics", params=[*(("filter", each) for each in topics), ("after", after)]
            )
            assert answer.status_code == 200, answer.text
            page = answer.json()
            assert not page["gap"]
            found += page["messages"]
            if not page["messages"]:
                return found
            after = page["position"]


def asking(text: str = "How is it?", kind: str = "stars", **at: float) -> Json:
    """The input of ``ask``."""
    return {"id": str(uuid.uuid4()), "text": text, "kind": kind, "at": HERE | at}
