"""`/asyncapi.json`: well-formed, and true of what a stream brings."""

import re
from pathlib import Path
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
from pydantic import BaseModel

from ringback import CloudEvent, Operation, Ringback
from ringback.edges.http.asyncapi import EVENTS, asynchronous
from tests.edges.application import Caller
from tests.edges.eventsource import Parser
from tests.edges.test_openapi import references
from tests.serving import serve

Json = dict[str, Any]

# The objects of AsyncAPI 3.0.0 that occur, with what each must and may have.
OBJECTS: dict[str, tuple[set[str], set[str]]] = {
    "AsyncAPI": ({"asyncapi", "info"}, {"defaultContentType", "channels", "operations"}),
    "Info": ({"title", "version"}, {"description"}),
    "Channel": (set(), {"address", "title", "description", "parameters", "messages"}),
    "Parameter": (set(), {"description"}),
    "Message": (set(), {"name", "summary", "contentType", "payload"}),
    "Operation": ({"action", "channel"}, {"summary", "bindings", "reply", "messages"}),
    "Reply": (set(), {"channel", "messages"}),
}


def well_formed(kind: str, found: Json) -> Json:
    required, allowed = OBJECTS[kind]
    assert required <= set(found) <= required | allowed | {"components"}, (kind, found)
    return found


def checked(found: Json) -> Json:
    """The document, by the specification's own rules."""
    well_formed("AsyncAPI", found)
    assert found["asyncapi"] == "3.0.0"
    well_formed("Info", found["info"])
    for channel in found["channels"].values():
        well_formed("Channel", channel)
        # Channel Object: the parameters are those of the address.
        variables = re.findall(r"\{(\w+)\}", channel["address"] or "")
        assert sorted(variables) == sorted(channel.get("parameters", {}))
        for parameter in channel.get("parameters", {}).values():
            well_formed("Parameter", parameter)
        for message in channel["messages"].values():
            well_formed("Message", message)
            jsonschema.Draft202012Validator.check_schema(message["payload"])
    for operation in found["operations"].values():
        well_formed("Operation", operation)
        assert operation["action"] in ("send", "receive")
        # Operation Object: its messages are of its channel.
        for message in operation.get("messages", ()):
            assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")
        well_formed("Reply", operation.get("reply", {}))
    for name in found["components"]["schemas"]:
        assert re.fullmatch(r"[\w.\-]+", name), "Components Object: names of components"
    for reference in references(found):
        place: Any = found
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    return found


def fits(found: Json, schema: Json, value: Any) -> None:
    """Raise what does not fit; references lead into the document."""
    whole = {"$ref": "#/the", "the": schema, "components": found["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


class Order(BaseModel):
    item: str
    cents: int


def test_every_task_is_a_channel() -> None:
    rb = Ringback("shop")

    @rb.task(name="buy-it.2")
    async def buy(op: Operation, order: Order) -> None:
        """Buy something.

        And more of it.
        """

    @rb.task
    async def plain(n: int) -> int:
        return n

    @rb.on("order.*")
    async def handler(event: CloudEvent) -> None: ...

    found = checked(asynchronous(rb.name, rb.registry))
    channels = {c["address"]: c for c in found["channels"].values()}
    assert set(channels) == {None, "/operations/{id}/events", "/tasks/buy-it.2", "/tasks/plain"}
    payload = channels["/tasks/buy-it.2"]["messages"]["input"]["payload"]
    fits(found, payload, {"item": "tea", "cents": 250})
    with pytest.raises(jsonschema.ValidationError):
        fits(found, payload, {"item": "tea"})
    fits(found, channels["/tasks/plain"]["messages"]["input"]["payload"], {"n": 1})
    summaries = {operation["summary"] for operation in found["operations"].values()}
    assert "Buy something." in summaries


async def test_every_topic_is_a_channel(data: Path) -> None:
    rb = Ringback("shop", data=data)
    rb.topic("orders/{shop.id}/{id}", model=Order)
    rb.topic("log/+/x/#", durable=False)
    rb.topic("*")
    async with serve(rb) as url, httpx.AsyncClient(base_url=url) as http:
        found = checked((await http.get("/asyncapi.json")).json())
        channels = {channel["address"]: channel for channel in found["channels"].values()}
        assert {
            "/topics/orders/{shop_id}/{id}",
            "/topics/log/{segment}/x/{rest}",
            "/topics/{topic}",
        } <= set(channels)
        described = channels["/topics/orders/{shop_id}/{id}"]["messages"]
        fits(found, described["published"]["payload"], {"item": "tea", "cents": 1})
        with pytest.raises(jsonschema.ValidationError):
            fits(found, described["published"]["payload"], {"item": "tea"})
        await http.post("/topics/orders/a/1", json={"item": "tea", "cents": 1})
        await http.post("/topics/log/a/x/b", json=1)
        for path in ("orders/a/1?after=earliest", "orders/a/1?after=x-1"):
            stream = http.stream("GET", f"/topics/{path}", headers={"Accept": "text/event-stream"})
            parser = Parser()
            async with stream as answer:
                async for chunk in answer.aiter_bytes():
                    events = parser.feed(chunk)
                    for event in events:
                        fits(found, described[event.kind]["payload"], event.data)
                    if any(event.kind == "message" for event in events):
                        break


async def test_what_a_stream_brings_is_what_is_described(caller: Caller) -> None:
    answer = await caller.http.get("/asyncapi.json")
    assert answer.headers["content-type"] == "application/json"
    found = checked(answer.json())
    messages = found["channels"]["operation"]["messages"]
    steps = await caller.submit("steps", {"count": 3})
    held = await caller.submit("hold", {"gate": "g"})
    caller.gates.open("g")
    kinds = set()
    for tracked in (steps, held):
        await tracked.until(status="succeeded")
        for after in ("earliest", "", "x-1"):
            stream = await tracked.get("/events", query={"after": after})
            for event in Parser().feed(stream.content):
                fits(found, messages[event.kind]["payload"], event.data)
                kinds.add(event.kind)
    assert kinds == set(EVENTS) == set(messages)
    acknowledged = found["channels"]["acknowledgement"]["messages"]["acknowledgement"]
    fits(found, acknowledged["payload"], steps.answer.json())
    for kind in ("snapshot", "progress", "part"):
        with pytest.raises(jsonschema.ValidationError):
            fits(found, messages[kind]["payload"], {"index": 0})
