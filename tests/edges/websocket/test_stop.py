"""SIGTERM of a real `ringback run` under load: everybody is told when to come again, and what was
published is there when they do.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import websockets

from tests.edges.websocket.following import Follower
from tests.edges.websocket.talking import LIMIT, Talk, application
from tests.ports import free_port
from tests.serving import ROOT, until

rb = application(None, grace=4, open_topics=True, publish_rate=0)
FOLLOWERS, PUBLISHERS = 30, 3


class Program:
    """`ringback run` on this file's application, which can be started again on its port."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def __enter__(self) -> Self:
        target = "tests.edges.websocket.test_stop:rb"
        options = ("--port", str(self.port), "--data", str(self._data), "--json")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ringback", "run", target, *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("{"), self._process.communicate()[1]
        return self

    def stop(self) -> tuple[int, str]:
        """Ask it to stop; its status and what it said."""
        self._process.send_signal(signal.SIGTERM)
        _, said = self._process.communicate(timeout=LIMIT)
        return self._process.returncode, said

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()


async def publish(url: str, name: int, confirmed: list[str]) -> None:
    """Publish as fast as answers come; note what was confirmed."""
    number = 0
    while True:
        with contextlib.suppress(OSError, websockets.WebSocketException):
            async with websockets.connect(url) as connection:
                talk = Talk(connection)
                while True:
                    number += 1
                    text = f"{name}-{number}"
                    await talk.do("publish", topic=f"open/{name}", data=text)
                    confirmed.append(text)
        await asyncio.sleep(0.05)


async def test_nobody_loses_a_message_when_the_server_stops(data: Path) -> None:
    program = Program(data)
    confirmed: list[str] = []
    with program:
        followers = [Follower(program.url, ["open/#"]) for _ in range(FOLLOWERS)]
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(follower.run()) for follower in followers
        ]
        publishing = [
            asyncio.create_task(publish(program.url, name, confirmed)) for name in range(PUBLISHERS)
        ]
        await until(lambda: len(confirmed) > 200 and all(f.had["open/#"] for f in followers))
        status, said = await asyncio.to_thread(program.stop)
        assert status == 0, said
        assert "Traceback" not in said
        assert all(len(follower.byes) == 1 for follower in followers)
        waits = [wait for follower in followers for wait in follower.byes]
        assert min(waits) < 1.6 < max(waits) <= 4  # spread over the grace, not all at once
        assert all(follower.codes >= {4500} for follower in followers)
    before = len(confirmed)
    with program:
        await until(lambda: len(confirmed) > before + 100)
        for task in publishing:
            task.cancel()
        await asyncio.wait(publishing)
        for follower in followers:
            await until(lambda: set(confirmed) <= set(follower.had["open/#"]))  # noqa: B023
            assert len(follower.had["open/#"]) == len(set(follower.had["open/#"]))
            assert not follower.gaps
            for name in range(PUBLISHERS):
                own = [int(x.split("-")[1]) for x in follower.had["open/#"] if x[0] == str(name)]
                assert own == sorted(own)
        for task in tasks:
            assert not task.done(), json.dumps(str(task))
            task.cancel()
