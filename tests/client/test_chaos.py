"""Everything at once, over connections that break at random."""

import asyncio
import os
import random
from pathlib import Path

from ringback import Ringback
from ringback.client import AsyncClient
from ringback.core.model import Query
from tests.client.app import application
from tests.client.proxy import Proxy, proxy
from tests.serving import serve, until

MESSAGES = 600
OPERATIONS = 20
CUTS = 40
"""Times that something is broken, at least."""


class Cutter:
    """Breaks connections: all at once, in the middle of an answer, and instead of one."""

    def __init__(self, between: Proxy, seed: int) -> None:
        self.cuts = 0
        self._between = between
        self._random = random.Random(seed)

    async def next(self) -> None:
        """Wait until something was broken again."""
        before = self.cuts
        await until(lambda: self.cuts > before)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._random.random() / 5)
            self.cuts += 1
            match self._random.randrange(3):
                case 0:
                    self._between.cut()
                case 1:
                    self._between.answer_bytes = self._random.randrange(1, 3000)
                case 2:
                    self._between.answers_lost = 1


async def test_nothing_is_lost_or_doubled(data: Path) -> None:
    app = application(data=data)
    async with (
        serve(app) as url,
        proxy(int(url.rpartition(":")[2])) as between,
        AsyncClient(between.url) as client,
    ):
        cutter = Cutter(between, seed=7)
        cutting = asyncio.create_task(cutter.run())
        ready = asyncio.Event()
        got: list[int] = []

        async def read() -> None:
            async with client.subscribe("a/#") as messages:
                ready.set()
                async for message in messages:
                    got.append(message.data)
                    if len(got) == MESSAGES:
                        return

        async def count(to: int) -> None:
            operation = await client.submit("count", {"to": to})
            assert [part async for part in operation] == list(range(to))
            assert await operation.result() == to

        reading = asyncio.create_task(read())
        await ready.wait()
        file = os.urandom(2_000_000)
        uploading = asyncio.create_task(client.upload(file, name="files/a"))
        counting = [asyncio.create_task(count(3 * number)) for number in range(OPERATIONS)]
        await _publish(app, cutter)
        # Now they may catch up: who is cut at each attempt to comes back ever more rarely.
        cutting.cancel()
        await asyncio.gather(*counting)
        assert (await (await uploading).result())["size"] == len(file)
        await reading
        assert got == list(range(MESSAGES))
        stored = await app.started.service.engine.list(Query(limit=10 * OPERATIONS))
        assert len(stored) == OPERATIONS + 1, "each was accepted once"
        assert len(between.requests) > CUTS / 2


async def _publish(app: Ringback, cutter: Cutter) -> None:
    """From within the application, so that what is published is known."""
    for number in range(MESSAGES):
        if not number % (MESSAGES // CUTS):
            await cutter.next()
        await app.publish("a/1", number)
