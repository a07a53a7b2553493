"""The browser client in functions' company: it goes on over connections that are cut, and over
functions that fail, and each message comes to it once.
"""

import asyncio
import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringback import Ringback
from ringback.awslocal.gateway import Limits
from tests.clients.bundled import bundled
from tests.clients.typescript import NODE
from tests.lambdas.cloud import Cloud, cloud
from tests.lambdas.events import http
from tests.lambdas.memory import Memory

PATIENCE = 60.0
FOLLOWER = Path(__file__).with_name("follower.mjs")


def app(**settings: Any) -> Ringback:
    return Ringback(open_topics=True, **settings)


class Follower:
    """The client, in a process of Node's."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.told: list[Any] = []

    async def until(self, **what: Any) -> None:
        """Read on until it says this."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while line := await asyncio.to_thread(self._process.stdout.readline):
                said = json.loads(line)
                if "topic" in said:
                    self.told.append(said["data"])
                if said == what:
                    return
        raise AssertionError(f"The client ended, and never said {what}.")


@contextlib.contextmanager
def following(home: Cloud, client: Path) -> Iterator[Follower]:
    process = subprocess.Popen(
        [NODE, FOLLOWER, client.as_uri(), home.url, home.socket_url],
        stdin=subprocess.PIPE,  # it ends with that: what is started may be a shell around it
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Follower(process)
    finally:
        process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled(tmp_path_factory.mktemp("client"))


async def test_goes_on_over_cuts_and_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Path
) -> None:
    async with cloud(app, Memory(tmp_path), monkeypatch) as home:

        async def publish(*numbers: int) -> None:
            for number in numbers:
                answer = await asyncio.to_thread(
                    home.functions.call, http("POST", "/topics/tea/green", str(number))
                )
                assert answer["statusCode"] == 202

        failed = False

        def fails_once(function: str, event: dict[str, Any]) -> bool:
            """The first subscription fails, behind the gateway."""
            nonlocal failed
            if "subscribe" in (event.get("body") or "") and not failed:
                failed = True
                return True
            return False

        home.functions.fails = fails_once
        with following(home, client) as follower:
            await follower.until(current=True)
            assert failed
            await publish(1, 2, 3)
            await follower.until(topic="tea/green", data=3)
            # Nobody reads the stream for a while, and the connection is cut.
            home.pushing.clear()
            await publish(4, 5)
            for connection in tuple(home.gateway.connections.values()):
                connection.end(1001, "Going away")
            await publish(6)
            home.pushing.set()
            await publish(7)
            await follower.until(topic="tea/green", data=7)
            assert follower.told == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.soak
async def test_a_connection_lasts_two_hours_and_the_client_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Path
) -> None:
    """Which are shortened here: whatever is published meanwhile comes once, and in order."""
    limits = Limits(duration=2.0)
    async with cloud(app, Memory(tmp_path), monkeypatch, limits=limits) as home:

        def connects() -> int:
            events = [event.get("requestContext", {}) for _, event in home.functions.calls]
            return sum(context.get("eventType") == "CONNECT" for context in events)

        with following(home, client) as follower:
            await follower.until(current=True)
            number = 0
            while connects() < 4:
                for _ in range(3):
                    number += 1
                    event = http("POST", "/topics/tea/green", str(number))
                    answer = await asyncio.to_thread(home.functions.call, event)
                    assert answer["statusCode"] == 202
                await follower.until(topic="tea/green", data=number)
            assert follower.told == list(range(1, number + 1))
