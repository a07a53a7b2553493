"""`kill -9` at random moments under load: what was acknowledged is done, and nothing else is."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from ringback.core.model import Kind, OperationState, Query, Status
from ringback.engines.sqlite import SqliteEngine
from tests.durability.processes import Scene, WorkerProcess, check_end
from tests.serving import ServerProcess, until

CLIENTS = 8
MAX_QUEUED = 20
"""Low enough that the load is refused now and then."""
PAGE = 500


class Load:
    """Clients that submit without a pause, each number once, and what they were told."""

    def __init__(self, url: str) -> None:
        self.accepted: dict[int, str] = {}
        self.refused: set[int] = set()
        self.unanswered: set[int] = set()
        self._url = url
        self._number = 0
        self._goes_on = True

    async def _submit(self, client: httpx.AsyncClient) -> None:
        while self._goes_on:
            self._number += 1
            number = self._number
            try:
                answer = await client.post(
                    f"{self._url}/tasks/count", json={"number": number, "parts": 2}
                )
            except httpx.TransportError:
                self.unanswered.add(number)
                await asyncio.sleep(0.02)  # the server is away; do not spin
                continue
            if answer.status_code == 202:
                self.accepted[number] = answer.json()["id"]
            else:
                assert answer.status_code == 503, answer.text
                assert int(answer.headers["retry-after"]) > 0
                self.refused.add(number)
                await asyncio.sleep(0.02)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The clients go on while this lasts, and have their last answers then: what a server is
        still storing for one that left would come in after all that is looked at. What one finds
        wrong is raised here.
        """
        async with httpx.AsyncClient(timeout=60) as client, asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._submit(client))
            yield
            self._goes_on = False


async def everything(engine: SqliteEngine) -> list[OperationState]:
    """All that is stored."""
    found: list[OperationState] = []
    after = None
    while page := await engine.list(Query(after=after, limit=PAGE)):
        found += page
        after = page[-1].id
    return found


async def check(scene: Scene, load: Load) -> None:
    """Every 202 is there and ended once; nothing that was refused is there."""

    async def idle() -> bool:
        async with SqliteEngine(scene.data) as engine:
            for status in (Status.QUEUED, Status.RUNNING):
                if await engine.list(Query(status=status, limit=1)):
                    return False
            # One whose lease ended between those two looks was in neither.
            return all(state.terminal for state in await everything(engine))

    await until(idle, 60, every=0.2)
    async with SqliteEngine(scene.data) as engine:
        stored: dict[int, OperationState] = {}
        for state in await everything(engine):
            number = msgspec.json.decode(state.input)["number"]
            assert number not in stored, "submitted once, stored twice"
            stored[number] = state
        assert not load.refused & stored.keys(), "refused, and stored nevertheless"
        missing = load.accepted.keys() - stored.keys()
        assert not missing, f"{len(missing)} were acknowledged and are gone"
    logs = await scene.look([state.id for state in stored.values()])
    for number, state in stored.items():
        assert load.accepted.get(number, state.id) == state.id
        check_end(*logs[state.id])
        assert (state.status, state.result) == (Status.SUCCEEDED, b"%d" % (2 * number))
        parts = [
            entry["data"]["part"]
            for message in logs[state.id][1]
            if message.kind is Kind.PART
            and (entry := msgspec.json.decode(message.data))["attempt"] == state.attempt
        ]
        assert parts == [0, 1]
    ended = {number for _, number, _ in scene.lines("end")}
    assert ended >= {state.id for state in stored.values()}, "succeeded without having run"


async def rounds(scene: Scene, count: int, seed: int, *, together: bool) -> Load:
    """Load on a server, and a SIGKILL now and then for it or for a worker."""
    chance = random.Random(seed)
    own = {} if together else {"workers": 0}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(scene.server(max_queued=MAX_QUEUED, **own))
        workers = [stack.enter_context(scene.worker()) for _ in range(0 if together else 2)]
        victims: list[ServerProcess | WorkerProcess] = [server, *workers]
        load = Load(server.url)
        async with load.running():
            for _ in range(count):
                await asyncio.sleep(chance.uniform(0.1, 0.7))  # the random moment
                struck = chance.sample(victims, chance.randint(1, len(victims)))
                for victim in struck:
                    victim.kill()
                await asyncio.gather(*[asyncio.to_thread(victim.start) for victim in struck])
            before = len(load.accepted)
            await until(lambda: len(load.accepted) > before)
        await check(scene, load)
    assert len(load.accepted) > 50
    return load


async def test_a_killed_server_and_its_workers_lose_nothing(scene: Scene) -> None:
    load = await rounds(scene, 5, seed=1, together=False)
    assert load.refused, "the load was too low to be refused"


async def test_a_killed_server_that_works_itself_loses_nothing(scene: Scene) -> None:
    await rounds(scene, 4, seed=2, together=True)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("together", [False, True], ids=["apart", "together"])
@pytest.mark.parametrize("seed", range(5))
async def test_many_kills_lose_nothing(scene: Scene, seed: int, together: bool) -> None:
    await rounds(scene, 40, seed=100 + seed, together=together)
