"""Simulated neighbours: a few people who ask and answer around a place, so that it is alive.

They are clients like any page: over HTTP, each signed in with a name. What belongs here: who they
are, when they do what. What they say is in ``plausible``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
import uuid
from collections.abc import Sequence
from typing import Any

import httpx

from . import plausible
from .model import Point
from .plausible import Topic

FIRST_QUESTIONS = 6
"""Asked soon, so that there is something to see."""
MAX_QUESTIONS = 24
"""Asked in one place."""
MAX_ACTS = 600
"""Done in one place; then they rest until somebody moves them."""
QUICK, CALM = (0.2, 0.8), (2.0, 6.0)
"""Seconds between two acts: at first, and then."""
NEAR = 3500.0
"""Metres around the place where they live and ask."""
FRESH = 1800.0
"""Seconds after which a token is made anew: half of what it is good for."""
PAUSE = 3.0
"""Seconds they wait when the server does not answer."""

log = logging.getLogger("ask_around_me.neighbours")


class Neighbour:
    """One of them."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._client = httpx.AsyncClient(base_url=url, timeout=10)
        self._signed_in = float("-inf")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def around(self, place: Point) -> dict[str, Any]:
        """What is asked around a place, and what this one answered."""
        await self._sign_in()
        answer = await self._client.get("/api/questions", params=place.model_dump())
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def ask(self, topic: Topic, at: Point) -> None:
        """Ask a question somewhere."""
        await self._submit(
            "ask",
            {
                "id": str(uuid.uuid4()),
                "text": topic.text,
                "kind": topic.kind,
                "at": at.model_dump(),
            },
        )

    async def answer(self, question: dict[str, Any]) -> None:
        """Answer a question, as its text suggests."""
        given: dict[str, Any] = {"question": question["id"]}
        if question["kind"] == "stars":
            given["stars"] = plausible.stars(question["id"], question["text"])
        else:
            at = Point.model_validate(question["at"])
            given["place"] = plausible.place(question["id"], at).model_dump()
        await self._submit("answer", given)

    async def _submit(self, task: str, given: dict[str, Any]) -> None:
        await self._sign_in()
        accepted = await self._client.post(
            f"/tasks/{task}", json=given, headers={"Idempotency-Key": str(uuid.uuid4())}
        )
        accepted.raise_for_status()

    async def _sign_in(self) -> None:
        if time.monotonic() < self._signed_in + FRESH:
            return
        answer = await self._client.post("/api/session/refresh")
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            answer = await self._client.post("/api/session", json={"name": self.name})
        answer.raise_for_status()
        self._client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        self._signed_in = time.monotonic()


class Neighbours:
    """All of them, and the place where they live."""

    def __init__(self, url: str, place: Point, names: Sequence[str]) -> None:
        self._people = [Neighbour(name, url) for name in names]
        self._moved = asyncio.Event()
        self._living: asyncio.Task[None] | None = None
        self.move(place)

    def start(self) -> None:
        """Let them live, where there are any; to be called on the event loop."""
        if not self._people:
            return
        self._living = asyncio.get_running_loop().create_task(self._live(), name="neighbours")

    async def stop(self) -> None:
        """Let them rest, for good."""
        if self._living is not None:
            self._living.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._living
        for each in self._people:
            await each.close()

    def move(self, place: Point) -> None:
        """Have them live somewhere else."""
        self.place = place
        self._acts = self._asked = 0
        self._topics = plausible.topics()
        self._moved.set()

    async def _live(self) -> None:
        while True:
            if self._acts >= MAX_ACTS:
                self._moved.clear()
                await self._moved.wait()
            self._acts += 1
            try:
                await self._act(random.choice(self._people))
            except (httpx.HTTPError, KeyError, ValueError) as error:
                log.debug("A neighbour was not served: %r", error)
                await asyncio.sleep(PAUSE)
            await asyncio.sleep(random.uniform(*(QUICK if self._young else CALM)))

    @property
    def _young(self) -> bool:
        return self._acts < 5 * FIRST_QUESTIONS

    async def _act(self, who: Neighbour) -> None:
        """Ask or answer one question."""
        topics, place = self._topics, self.place
        eager = self._asked < FIRST_QUESTIONS or random.random() < 0.1
        if topics and self._asked < MAX_QUESTIONS and eager:
            self._asked += 1
            await who.ask(topics.pop(), plausible.nearby(place, NEAR))
            return
        found = await who.around(place)
        fresh = [each for each in found["questions"] if each["id"] not in found["mine"]]
        if fresh and random.random() < 0.5:  # somebody may be waiting for an answer
            await who.answer(max(fresh, key=lambda each: str(each["created"])))
        elif fresh:
            await who.answer(random.choice(fresh))
        elif found["questions"] and random.random() < 0.2:  # now and then somebody reconsiders
            await who.answer(random.choice(found["questions"]))
