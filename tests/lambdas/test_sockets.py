"""WebSockets of API Gateway: the same protocol, though no process holds the connection."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from ringback import Ringback
from ringback.core.connections import LEASE, Connection
from ringback.ids import new_id
from ringback.lambdas import line
from ringback.wire.channel import PROTOCOL
from tests.edges.websocket.talking import LIMIT, Talk
from tests.lambdas.cloud import Cloud, Store, cloud, until
from tests.lambdas.events import http
from tests.lambdas.memory import Memory
from tests.lambdas.table import Table


def app(**settings: Any) -> Ringback:
    rb = Ringback(open_topics=True, **settings)

    @rb.task
    async def double(x: int) -> int:
        return 2 * x

    rb.topic("live/{x}", durable=False)
    rb.topic("last/{x}", retained=True)
    rb.topic("short/{x}", count=4)
    return rb


@pytest.fixture(params=["memory", "table"])
async def home(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Cloud]:
    store: Store = Memory(tmp_path) if request.param == "memory" else Table()
    async with cloud(app, store, monkeypatch) as home:
        yield home


@contextlib.asynccontextmanager
async def talk(home: Cloud, **options: Any) -> AsyncIterator[Talk]:
    async with connect(
        home.socket_url, subprotocols=[Subprotocol(PROTOCOL)], open_timeout=LIMIT, **options
    ) as connection:
        talk = Talk(connection)
        welcome = await talk.hear()
        assert welcome["type"] == "welcome", welcome
        yield talk


def connections(home: Cloud) -> tuple[int, int]:
    """How many there are, and how many subscriptions."""
    store = home.store
    if isinstance(store, Memory):
        return len(store.rows), len(store.following)
    assert isinstance(store, Table)
    keys = [item["pk"]["S"] for item in store.items()]
    sockets = sum(key.startswith("socket#") for key in keys)
    return sockets, sum(key.startswith("follow") for key in keys)


def stored(home: Cloud) -> bytes:
    """What is kept of connections."""
    store = home.store
    if isinstance(store, Memory):
        return b"".join(row.data for row in store.rows.values())
    assert isinstance(store, Table)
    return repr([each for each in store.items() if each["pk"]["S"].startswith("socket#")]).encode()


@pytest.mark.parametrize("home", ["memory"], indirect=True)
async def test_what_is_replayed_whole_is_no_gap(
    home: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it as many messages as are replayed at most."""
    monkeypatch.setattr(line, "MAX_REPLAY", 5)
    async with talk(home) as ada:
        start = (await ada.do("publish", topic="begun", data=0))["position"]
        for number in range(5):
            await ada.do("publish", topic="a", data=number)
        await ada.do("subscribe", filter="a", after=start)
        heard = await ada.until("current")
        assert [each.get("data") for each in heard[:-1]] == [0, 1, 2, 3, 4]
        monkeypatch.setattr(line, "MAX_REPLAY", 2)
        monkeypatch.setattr(line, "LOG_PAGE", 2)
        await ada.do("subscribe", filter="a", after=start)
        heard = await ada.until("current")
        assert [each.get("data", each["type"]) for each in heard[:-1]] == [0, 1, "gap"]


async def test_all_that_is_kept_is_no_gap_though_a_topic_has_lost_its_oldest(home: Cloud) -> None:
    async with talk(home) as ada:
        await ada.do("publish", topic="short/a", data="a")
        for number in range(12):
            await ada.do("publish", topic="short/b", data=number)
        await ada.do("subscribe", filter="short/+", after="earliest")
        *heard, _ = await ada.until("current")
        assert [each["type"] for each in heard] == ["message"] * len(heard)
        assert [heard[0]["data"], heard[-1]["data"]] == ["a", 11]


async def messages(talk: Talk, count: int) -> list[Any]:
    """The data of so many messages, however often each comes."""
    found: dict[str, Any] = {}
    while len(found) < count:
        frame = await talk.hear()
        if frame["type"] == "message":
            found.setdefault(frame["position"], frame["data"])
    return list(found.values())


async def test_greets_and_answers(home: Cloud) -> None:
    async with talk(home) as ada:
        assert (await ada.ask("ping"))["type"] == "pong"
        assert ada.connection.subprotocol == PROTOCOL
        refused = await ada.ask("dance")
        assert refused["problem"]["type"].endswith("unknown-action")


async def test_tells_what_is_published(home: Cloud) -> None:
    async with talk(home) as ada, talk(home) as bob:
        await ada.do("subscribe", filter="tea/+")
        await bob.do("subscribe", filter="tea/green")
        for number in range(3):
            await bob.do("publish", topic="tea/green", data=number)
        assert await messages(ada, 3) == [0, 1, 2]
        assert await messages(bob, 3) == [0, 1, 2]


async def test_replays_and_goes_on(home: Cloud) -> None:
    async with talk(home) as ada:
        start = (await ada.do("publish", topic="a", data=0))["position"]
        for number in range(1, 4):
            await ada.do("publish", topic="a", data=number)
        await ada.do("subscribe", filter="b")
        assert await ada.do("subscribe", filter="a", after=start) == {"position": start}
        frames = [await ada.hear() for _ in range(4)]
        assert [frame.get("data") for frame in frames[:3]] == [1, 2, 3]
        assert {frame["filter"] for frame in frames} == {"a"}
        assert frames[3]["type"] == "current"
        await ada.do("publish", topic="a", data=4)
        (last,) = await messages(ada, 1)
        assert last == 4
        await ada.do("unsubscribe", filter="a")
        await ada.do("publish", topic="a", data=5)
        await ada.do("publish", topic="b", data=6)
        assert await messages(ada, 1) == [6]


async def test_tells_last_values_before_the_reply(home: Cloud) -> None:
    async with talk(home) as ada:
        await ada.do("publish", topic="last/x", data="old")
        await ada.do("subscribe", filter="last/+")
        (frame,) = ada.passed
        assert (frame["data"], frame["filter"]) == ("old", "last/+")


async def test_tells_what_is_not_kept_once(home: Cloud) -> None:
    async with talk(home) as ada, talk(home) as bob:
        await ada.do("subscribe", filter="live/x")
        await bob.do("publish", topic="live/x", data=1)
        frame = await ada.hear()
        assert (frame["data"], frame.get("position")) == (1, None)
        await bob.do("publish", topic="live/x", data=2)
        assert (await ada.hear())["data"] == 2


async def test_follows_an_operation_to_its_end(home: Cloud) -> None:
    async with talk(home) as ada:
        result = await ada.do("submit", task="double", input={"x": 2}, follow=True)
        operation = result["operation"]["id"]
        await ada.do("cancel", operation=operation, token=result["token"])
        frames = [await ada.hear() for _ in range(2)]
        assert frames[0]["topic"] == f"operations/{operation}"
        assert frames[0]["data"]["status"] == "cancelled"
        assert frames[1] == {"type": "end", "filter": f"operations/{operation}"}
        await until(lambda: not connections(home)[1])


async def test_shows_an_operation_as_it_stands(home: Cloud) -> None:
    async with talk(home) as ada:
        result = await ada.do("submit", task="double", input={"x": 2})
        topic = f"operations/{result['operation']['id']}"
        await ada.do("subscribe", filter=topic, token=result["token"])
        frame = await ada.hear()
        assert (frame["type"], frame["data"]["status"]) == ("snapshot", "queued")


async def test_follows_by_the_handshakes_token_which_is_kept_nowhere(home: Cloud) -> None:
    async with talk(home) as ada:
        accepted = await ada.do("submit", task="double", input={"x": 4}, key="h1")
    topic, shown = f"operations/{accepted['operation']['id']}", accepted["token"]
    headers = {"Authorization": f"Bearer {shown}"}
    async with talk(home, additional_headers=headers) as eve:
        await eve.do("subscribe", filter=topic)
        assert shown[len("rbo_") + 8 :].encode() not in stored(home)
        refused = await eve.ask("subscribe", filter=f"operations/{new_id(0.0)}")
        assert refused["type"] == "error"


async def test_a_gone_connection_is_forgotten(home: Cloud) -> None:
    async with talk(home) as ada:
        async with talk(home) as bob:
            await bob.do("subscribe", filter="a")
            await bob.do("subscribe", filter="b/+")
        await until(lambda: connections(home) == (1, 0))
        await ada.do("publish", topic="a", data=1)


async def test_what_a_post_cannot_carry_is_a_gap(home: Cloud) -> None:
    async with talk(home) as ada:
        await ada.do("subscribe", filter="a")
        await asyncio.to_thread(
            home.functions.call,
            http("POST", "/topics/a", json.dumps("x" * 140_000)),
        )
        frame = await ada.hear()
        assert (frame["type"], frame["topics"]) == ("gap", ["a"])


async def test_so_is_a_last_value_that_a_post_cannot_carry(home: Cloud) -> None:
    async with talk(home) as ada:
        for topic, size in ("last/large", 140_000), ("last/small", 1):
            body = json.dumps("x" * size)
            await asyncio.to_thread(home.functions.call, http("POST", f"/topics/{topic}", body))
        await ada.send(action="subscribe", id="1", filter="last/+")
        heard = await ada.until("reply")
        assert [(each["type"], each.get("topics")) for each in heard] == [
            ("gap", ["last/large"]),
            ("message", None),
            ("reply", None),
        ]


async def test_upkeep_leaves_a_connection_whose_holder_died() -> None:
    async with Table().engine() as engine:
        table: Any = engine
        now = time.time()
        await table.open_connection(Connection(id="c1", connected_at=now))
        assert (await table.hold_connection("c1", "h1", now)).holder == "h1"
        await engine.sweep(now + LEASE + 60.0)  # of a table that deletes nothing by itself
        assert (await table.find_connection("c1", now + LEASE + 60.0))[1]
