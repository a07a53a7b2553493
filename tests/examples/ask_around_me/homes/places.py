"""The homes that the example runs in: one interface over the demo's processes and AWS here."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import httpx

from ringback.awslocal.gateway import Limits, SocketGateway
from ringback.awslocal.home import Home, Options
from tests.e2e.demonstration import Demonstration

EXAMPLES = Path(__file__).resolve().parents[4] / "examples"
ENVIRONMENT = {"ASK_AROUND_ME_NEIGHBOURS": "0", "ASK_AROUND_ME_PACE": "0.3"}
"""Nobody but those a test has; and steps so long that something can happen meanwhile."""
SCALE = 0.05
"""Of AWS's own times: each minute's upkeep is due after three seconds."""
SLOW = 4.0
"""By what API Gateway's times are multiplied: functions start cold, many at once, and on a busy
machine that takes longer than the 30 seconds that it waits.
"""
SECRET = "not a secret: it is for tests alone"


class Place(Protocol):
    """Where the example runs."""

    url: str
    socket_url: str
    """Empty: it is with the rest."""

    async def kill_worker(self) -> None:
        """Kill the process that works, as a power cut would."""


class Embedded:
    """In processes of its own: one serves, one works."""

    socket_url = ""

    def __init__(self, demo: Demonstration) -> None:
        self.url = demo.url

    async def kill_worker(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:
            killed = await client.post("/api/demo/kill-worker")
        assert killed.status_code == 200, killed.text


class Aws:
    """In functions, with all of AWS on this machine."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.url = home.urls["HttpApi"]
        self.socket_url = f"{home.urls['SocketApi'].replace('http', 'ws', 1)}/live"

    @property
    def sockets(self) -> SocketGateway:
        gateway = self.home.gateways["SocketApi"]
        assert isinstance(gateway, SocketGateway)
        return gateway

    async def kill_worker(self) -> None:
        for environment in list(self.home.functions._of):
            if environment.function.name == "Work900Function":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(environment._process.pid, signal.SIGKILL)

    async def ask(self, service: str, operation: str, **arguments: Any) -> Any:
        """Have boto3 ask what stands for AWS."""
        return await self.home.clients.ask(service, operation, **arguments)

    @property
    def queue(self) -> str:
        """The URL of the one that work waits in."""
        queues: dict[str, str] = json.loads(self.home.stack.outputs["Queues"])
        return queues["900"]

    async def messages(self) -> tuple[int, int, int]:
        """How many of that wait, are delayed, and are in somebody's hands."""
        names = ["", "Delayed", "NotVisible"]
        said = await self.ask(
            "sqs",
            "get_queue_attributes",
            QueueUrl=self.queue,
            AttributeNames=[f"ApproximateNumberOfMessages{each}" for each in names],
        )
        waiting, delayed, in_hand = (
            int(said["Attributes"][f"ApproximateNumberOfMessages{each}"]) for each in names
        )
        return waiting, delayed, in_hand


@contextlib.asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Embedded]:
    with Demonstration(folder, "ask-around-me", ENVIRONMENT) as demo:
        yield Embedded(demo)


@contextlib.asynccontextmanager
async def aws(folder: Path) -> AsyncIterator[Aws]:
    template = folder / "template.yaml"
    writing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ringback", "aws", "template", "ask_around_me.lambda_:rb"),
        *("--with", "ask_around_me/aws.yaml", "--code", str(EXAMPLES), "-o", str(template)),
        cwd=EXAMPLES,
    )
    assert await writing.wait() == 0
    options = Options(
        parameters={"JwtSecret": SECRET},
        port=0,
        scale=SCALE,
        limits=Limits().scaled(SLOW),
        watch=False,
        extra=ENVIRONMENT,
    )
    async with Home(template, options) as home:
        yield Aws(home)
