"""Every action does what docs/protocol.md says."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ringback.core.model import Keep, Publication
from tests.edges.websocket.talking import Server, granted, served, token


async def test_a_ping_is_answered(server: Server) -> None:
    async with server.talk() as talk:
        assert (await talk.ask("ping"))["type"] == "pong"
        await talk.send(action="ping")
        assert await talk.hear() == {"type": "pong"}


async def test_the_subprotocol_is_agreed_on_and_the_server_greets(server: Server) -> None:
    async with server.talk() as talk:
        assert talk.connection.subprotocol == "ringback.v1"
    async with server.talk(subprotocols=None) as talk:
        assert talk.connection.subprotocol is None
        assert (await talk.ask("ping"))["type"] == "pong"
    async with server.talk(subprotocols=["ringback.v9", "ringback.v1"]) as talk:
        assert talk.connection.subprotocol == "ringback.v1"


async def test_numbers_and_texts_reach_subscribers_as_they_were_written(server: Server) -> None:
    async with server.talk() as one, server.talk() as other:
        begun = await one.do("subscribe", filter="open/+")
        text = '{"action":"publish","id":"p","topic":"open/a","data":{ "x" : 1.50, "y":"\\u00e9" }}'
        await other.connection.send(text)
        reply = await other.hear()
        assert reply["result"]["listeners"] == 1
        raw = await one.connection.recv()
        assert '"x":1.50' in "".join(str(raw).split())
        assert '"y":"\\u00e9"' in "".join(str(raw).split())
        assert reply["result"]["position"] > begun["position"]


async def test_a_message_comes_once_however_many_subscriptions_it_fits(server: Server) -> None:
    async with server.talk() as talk:
        for filter in ("open/a", "open/+", "open/#", "open/{x}"):
            await talk.do("subscribe", filter=filter)
        await server.publish("open/a", 1, 2)
        first, second = await talk.hear(), await talk.hear()
        assert [first["data"], second["data"]] == [1, 2]
        assert "filter" not in first
        assert first["topic"] == "open/a"


async def test_a_replay_names_its_filter_and_ends_with_current(server: Server) -> None:
    await server.publish("open/a", 1, 2, 3)
    async with server.talk() as talk:
        begun = await talk.do("subscribe", filter="open/+", after="earliest")
        *messages, current = await talk.until("current")
        assert [message["data"] for message in messages] == [1, 2, 3]
        assert {message["filter"] for message in messages} == {"open/+"}
        assert begun["position"] != messages[0]["position"]
        await server.publish("open/b", 4)
        live = await talk.hear()
        assert (live["data"], live.get("filter")) == (4, None)
        assert current["filter"] == "open/+"
        again = await talk.do("subscribe", filter="open/#", after=messages[1]["position"])
        assert again["position"] == messages[1]["position"]
        assert [message["data"] for message in (await talk.until("current"))[:-1]] == [3, 4]


async def test_all_that_is_kept_is_no_gap_though_a_topic_has_lost_its_oldest(
    server: Server,
) -> None:
    await server.publish("short/a", "a")
    await server.publish("short/b", *range(20))
    async with server.talk() as talk:
        await talk.do("subscribe", filter="short/+", after="earliest")
        *messages, _ = await talk.until("current")
        assert [each["type"] for each in messages] == ["message"] * len(messages)
        assert [messages[0]["data"], messages[-1]["data"]] == ["a", 19]


async def test_to_subscribe_again_begins_anew(server: Server) -> None:
    await server.publish("open/a", 1)
    async with server.talk() as talk:
        await talk.do("subscribe", filter="open/a")
        await talk.do("subscribe", filter="open/a", after="earliest")
        assert [each.get("data") for each in await talk.until("current")] == [1, None]
        await server.publish("open/a", 2)
        assert (await talk.hear())["data"] == 2


async def test_a_position_that_is_not_ours_is_a_gap(server: Server) -> None:
    await server.publish("open/a", 1)
    async with server.talk() as talk:
        here = await talk.do("subscribe", filter="open/b")
        ahead = here["position"].rpartition("-")[0] + "-999999999"
        for after in ("another-5", "nonsense", ahead):
            begun = await talk.do("subscribe", filter="open/a", after=after)
            assert begun["position"] == after  # cut off now, it would be told of the gap again
            gap, message, current = await talk.until("current")
            assert (gap["type"], gap["filter"]) == ("gap", "open/a")
            assert message["data"] == 1
            assert current["filter"] == "open/a"


async def test_after_unsubscribing_nothing_comes(server: Server) -> None:
    async with server.talk() as talk:
        await talk.do("subscribe", filter="open/a")
        assert await talk.do("unsubscribe", filter="open/a") == {}
        assert await talk.do("unsubscribe", filter="never/was") == {}
        await server.publish("open/a", 1)
        await talk.do("subscribe", filter="open/b")
        await server.publish("open/b", 2)
        assert (await talk.hear())["data"] == 2


async def test_a_last_value_comes_first(server: Server) -> None:
    await server.publish("last/a", 1, 2)
    await server.publish("last/b", 3)
    async with server.talk() as talk:
        await talk.do("subscribe", filter="last/+")
        values = [await talk.hear(), await talk.hear()]
        assert [(each["topic"], each["data"]) for each in values] == [("last/a", 2), ("last/b", 3)]
        assert {each["filter"] for each in values} == {"last/+"}
        await server.publish("last/a", 4)
        live = await talk.hear()
        assert (live["data"], live.get("filter")) == (4, None)


async def test_the_reply_is_behind_the_last_values(server: Server) -> None:
    """Whoever is cut off among them has no position after which the rest would be lost."""
    await server.publish("last/a", 1)
    await server.publish("last/b", 2)
    async with server.talk() as talk:
        await talk.send(action="subscribe", id="s", filter="last/+")
        came = await talk.until("reply")
        assert [each.get("data") for each in came] == [1, 2, None]


async def test_last_values_that_are_too_many_are_a_gap(server: Server) -> None:
    made = [Publication(f"last/{n:04}", b"1", keep=Keep(retained=True)) for n in range(1_001)]
    await server.application.started.service.publisher.publish(made)
    async with server.talk() as talk:
        begun = await talk.do("subscribe", filter="last/+")
        *values, gap = await talk.until("gap")
        assert len(values) == 1_000
        assert (gap["filter"], gap["position"]) == ("last/+", begun["position"])
        assert "topics" not in gap
        await server.publish("last/a", 4)
        assert (await talk.hear())["data"] == 4


async def test_last_values_while_others_are_published_come_in_order(server: Server) -> None:
    async def publish() -> None:
        for number in range(200):
            await server.publish("last/a", number)

    publishing = asyncio.create_task(publish())
    async with server.talk() as talk:
        for number in range(20):
            await talk.do("subscribe", filter="last/+" if number % 2 else "last/a")
        await publishing
        await server.publish("last/a", "end")
        seen = [await talk.hear()]
        while seen[-1]["data"] != "end":
            seen.append(await talk.hear())
        live = [each["data"] for each in seen if "filter" not in each][:-1]
        assert live == list(range(live[0], 200)) if live else True


async def test_ephemeral_messages_have_no_position(server: Server) -> None:
    async with server.talk() as talk:
        await talk.do("subscribe", filter="passing/a")
        result = await talk.do("publish", topic="passing/a", data="now")
        assert result == {"listeners": 1}
        message = await talk.hear()
        assert message["data"] == "now"
        assert "position" not in message


async def test_publishing_in_a_row_keeps_the_order(server: Server) -> None:
    async with server.talk() as talk:
        await talk.do("subscribe", filter="open/a")
        for number in range(150):
            await talk.send(action="publish", topic="open/a", data=number)
        assert [(await talk.hear())["data"] for _ in range(150)] == list(range(150))


async def test_presence_is_a_topic_by_name(server: Server) -> None:
    async with server.talk(token=token("ada")) as one, server.talk(token=token("bob")) as other:
        await one.do("subscribe", filter="$presence/room/a")
        await other.do("subscribe", filter="room/a")
        assert "bob" in str(await one.hear())
        await one.refused("invalid-input", "subscribe", filter="$presence/room/+")
        await one.refused("unknown-topic", "subscribe", filter="$revocations")


# Operations


async def test_submitting_is_acknowledged_and_followed_on_the_same_connection(
    server: Server,
) -> None:
    async with server.talk() as talk:
        result = await talk.do("submit", task="steps", input={"count": 3}, follow=True)
        operation = result["operation"]
        assert (operation["status"], operation["task"]) == ("queued", "steps")
        assert result["token"].startswith("rbo_")
        assert result["token_expires_at"].endswith("Z")
        heard = await talk.until("end")
        assert {each["topic"] for each in heard[:-1]} == {f"operations/{operation['id']}"}
        assert heard[-1] == {"type": "end", "filter": f"operations/{operation['id']}"}
        kinds = [each["kind"] for each in heard[:-1]]
        assert kinds.count("part") == 3
        assert heard[-2]["data"]["status"] == "succeeded"
        assert "filter" not in heard[0]


async def test_an_operation_comes_as_it_stands_and_then_its_changes(server: Server) -> None:
    async with server.talk() as one, server.talk() as other:
        result = await one.do("submit", task="hold", input={"gate": "a"})
        filter, own = f"operations/{result['operation']['id']}", result["token"]
        await one.refused("unknown-operation", "subscribe", filter=filter)
        await one.do("subscribe", filter=filter, token=own)
        snapshot = await one.hear()
        assert (snapshot["type"], snapshot["topic"]) == ("snapshot", filter)
        change = snapshot
        while not change["data"].get("progress") and change.get("kind") != "progress":
            change = await one.hear()
        server.application.open_gate("a")  # type: ignore[attr-defined]
        heard = await one.until("end")
        assert heard[-2]["data"]["result"] == "a"
        # From the beginning, and once it has ended.
        await other.do("subscribe", filter=filter, token=own, after="earliest")
        everything = await other.until("end")
        assert [each["kind"] for each in everything[:-1]] == ["status", "progress", "status"]
        middle = everything[0]["position"]
        await other.do("subscribe", filter=filter, token=own, after=middle)
        assert [each.get("position") for each in await other.until("end")] == [
            each.get("position") for each in everything[1:]
        ]
        begun = await other.do("subscribe", filter=filter, token=own, after="foreign-7")
        assert begun["position"] == "foreign-7"
        gap, snapshot, end = await other.until("end")
        assert (gap["type"], gap["filter"]) == ("gap", filter)
        assert snapshot["data"]["status"] == "succeeded"
        assert end["filter"] == filter


async def test_partial_results_are_in_the_snapshot(server: Server) -> None:
    async with server.talk() as talk:
        result = await talk.do("submit", task="steps", input={"count": 3}, follow=True)
        await talk.until("end")
        filter = f"operations/{result['operation']['id']}"
        await talk.do("subscribe", filter=filter, token=result["token"])
        snapshot, _ = await talk.until("end")
        assert [part["data"] for part in snapshot["data"]["parts"]] == [
            {"number": number} for number in range(3)
        ]


async def test_the_same_key_is_the_same_operation(server: Server) -> None:
    async with server.talk(token=token()) as talk:
        first = await talk.do("submit", task="double", input={"n": 1}, key="once")
        again = await talk.do("submit", task="double", input={"n": 1}, key="once")
        assert first["operation"]["id"] == again["operation"]["id"]
        await talk.refused(
            "idempotency-key-reused", "submit", task="double", input={"n": 2}, key="once"
        )
    async with server.talk() as nameless:
        await nameless.refused(
            "malformed-request", "submit", task="double", input={"n": 1}, key="s"
        )


async def test_work_can_be_asked_for_later(server: Server) -> None:
    async with server.talk(token=token()) as talk:
        at = "2090-01-01T00:00:00.000Z"
        await talk.refused("invalid-input", "submit", task="double", input={"n": 1}, start_at=at)
        await talk.refused("malformed-request", "submit", task="double", start_at="tomorrow")


async def test_a_running_operation_is_cancelled(server: Server) -> None:
    async with server.talk() as talk:
        result = await talk.do("submit", task="hold", input={"gate": "never"}, follow=True)
        operation, own = result["operation"]["id"], result["token"]
        await talk.refused("unknown-operation", "cancel", operation=operation)
        await talk.refused("unknown-operation", "cancel", operation="nonsense")
        shown = (await talk.do("cancel", operation=operation, token=own))["operation"]
        assert shown["status"] == "cancelled" or shown["cancel_requested"]
        heard = await talk.until("end")
        assert heard[-2]["data"]["status"] == "cancelled"


async def test_an_operations_token_in_the_url_opens_it(server: Server) -> None:
    async with server.talk() as talk:
        result = await talk.do("submit", task="double", input={"n": 4})
    query = f"?token={result['token']}"
    async with server.talk(query=query) as talk:
        await talk.do("subscribe", filter=f"operations/{result['operation']['id']}")
        heard = await talk.until("end")
        assert heard[-2]["data"]["result"] == 8
        await talk.do("cancel", operation=result["operation"]["id"])


async def test_subscriptions_of_operations_and_topics_stand_side_by_side(server: Server) -> None:
    async with server.talk(token=granted("granted/#", publish=("granted/#",))) as talk:
        await talk.do("subscribe", filter="granted/#")
        result = await talk.do("submit", task="double", input={"n": 1}, follow=True)
        await talk.until("end")
        await talk.do("subscribe", filter=f"operations/{result['operation']['id']}")
        await talk.until("end")  # its subject needs no token of the operation's own
        await talk.do("publish", topic="granted/a/b", data=None)
        assert (await talk.hear())["data"] is None


@pytest.mark.parametrize("members", [{}, {"id": "x" * 64}])
async def test_an_action_without_an_id_has_no_reply(server: Server, members: Any) -> None:
    async with server.talk() as talk:
        await talk.send(action="subscribe", filter="open/a", **members)
        await talk.send(action="publish", topic="nothing/declared", data=1)
        heard = await talk.hear()
        if members:
            assert heard["type"] == "reply"
            heard = await talk.hear()
        assert heard["type"] == "error"
        assert "id" not in heard


async def test_messages_behind_an_authentication_wait_for_it(data: Path, way: str) -> None:
    async with served(data, way) as server, server.talk() as talk:
        await talk.send(action="authenticate", token=token("ada"))
        await talk.send(action="subscribe", id="s", filter="own/ada")
        await talk.send(action="publish", id="p", topic="members/a", data=1)
        assert {(await talk.hear())["type"], (await talk.hear())["type"]} == {"reply"}
