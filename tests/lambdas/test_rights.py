"""Functions that read the stream, or say who comes in, do with no more rights than the template
gives them: DynamoDB's requests are held against their policies here.
"""

import asyncio
import fnmatch
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ringback import Ringback
from ringback.core.access import Claims
from ringback.engines.dynamodb.client import Client
from ringback.errors import ConfigurationError
from ringback.lambdas.handler import LambdaHandler
from ringback.lambdas.posts import Posts
from ringback.lambdas.queues import Queues
from ringback.sam import document, plan
from tests.core.states import NOW, operation
from tests.lambdas.cloud import KEYS, Context, On
from tests.lambdas.events import authorizer, http
from tests.lambdas.table import Table
from tests.sam.shop import rb as shop

TABLE = {"Fn::GetAtt": ["Table", "Arn"]}
TEMPLATE = document(shop, plan(shop, "tests.sam.shop:rb"))

EXPRESSIONS = {"SET", "REMOVE", "ADD", "if_not_exists", "list_append"}
WORD = re.compile(r"(?<![:\w])#?[A-Za-z_]\w*")

Request = tuple[str, list[str], bool, set[str]]
"""An action, the partitions that it is about, whether it asks an index, and which attributes it
updates.
"""


def requests(action: str, parameters: Mapping[str, Any]) -> list[Request]:
    """What IAM sees of a call."""
    name = "".join(word.capitalize() for word in action.split("_"))

    def partition(item: Mapping[str, Any]) -> str:
        return str((item.get("Key") or item["Item"])["pk"]["S"])

    def attributes(item: Mapping[str, Any]) -> set[str]:
        names = item.get("ExpressionAttributeNames", {})
        words = set(WORD.findall(item.get("UpdateExpression", "")))
        return {names.get(word, word) for word in words} - EXPRESSIONS | {"pk", "sk"}

    if action == "query":
        values = parameters["ExpressionAttributeValues"]
        index = "IndexName" in parameters
        return [(name, [] if index else [values[":pk"]["S"]], index, set())]
    if action == "transact_write_items":
        names = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}
        items = [one for each in parameters["TransactItems"] for one in each.items()]
        return [(names[verb], [partition(what)], False, attributes(what)) for verb, what in items]
    if action == "batch_get_item":
        (found,) = parameters["RequestItems"].values()
        return [(name, [key["pk"]["S"] for key in found["Keys"]], False, set())]
    if action == "batch_write_item":
        (found,) = parameters["RequestItems"].values()
        keys = [partition(one) for each in found for one in each.values()]
        return [(name, keys, False, set())]
    if "Key" in parameters or "Item" in parameters:
        return [(name, [partition(parameters)], False, attributes(parameters))]
    return [(name, [], False, set())]


class Rights:
    """Those of one function at a time."""

    def __init__(self) -> None:
        self._of: list[dict[str, Any]] | None = None
        self.asked: set[str] = set()
        self.refused: list[Request] = []

    def of(self, function: str | None) -> None:
        """Hold against these from now on; None: all is allowed."""
        self._of = None
        if function is not None:
            self.asked.clear()
            role = TEMPLATE["Resources"][f"{function}Role"]["Properties"]
            self._of = role["Policies"][0]["PolicyDocument"]["Statement"]

    def check(self, service: str, action: str, parameters: Mapping[str, Any]) -> None:
        if self._of is None or service != "dynamodb":
            return
        for request in requests(action, parameters):
            self.asked.add(request[0])
            if not any(self._allows(statement, request) for statement in self._of):
                self.refused.append(request)
                raise ConfigurationError(f"AWS refuses: {request}")

    def _allows(self, statement: Mapping[str, Any], request: Request) -> bool:
        action, partitions, index, attributes = request
        resources = statement["Resource"]
        resources = resources if isinstance(resources, list) else [resources]
        if f"dynamodb:{action}" not in statement["Action"] or TABLE not in resources:
            return False
        if index and len(resources) == 1:
            return False
        condition = statement.get("Condition")
        if condition is None:
            return True
        named = condition.get("ForAllValues:StringEquals")
        if named is not None and attributes - set(named["dynamodb:Attributes"]):
            return False
        patterns = condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        return all(any(fnmatch.fnmatchcase(each, p) for p in patterns) for each in partitions)


class World:
    """One table, and functions that each have their rights."""

    def __init__(self, rights: Rights) -> None:
        self.table = Table()
        self.rights = rights
        self.apps: dict[str | None, Ringback] = {}
        self._handlers: dict[str | None, LambdaHandler] = {}

    def call(self, function: str | None, event: dict[str, Any]) -> Any:
        """Call a function, which is started for it if it is its first."""
        self.rights.of(function)
        handler = self._handlers.get(function)
        if handler is None:
            rb = Ringback(open_topics=True, **self.table.settings())
            rb.topic("live/{x}", durable=False)

            @rb.task
            async def double(x: int) -> int:
                return 2 * x

            self.apps[function] = rb
            handler = self._handlers[function] = LambdaHandler(On(rb, self.table), None)
        try:
            return handler(event, Context(30.0))
        finally:
            self.rights.of(None)

    def revoke(self, subject: str) -> None:
        runner = self._handlers[None]._runner
        assert runner is not None
        runner.run(self.apps[None].revoke(subject=subject))

    def socket(self, kind: str, body: str | None = None) -> None:
        context = {"connectionId": "c1", "eventType": kind, "identity": {"sourceIp": "127.0.0.1"}}
        headers = {"Host": "localhost"} if kind == "CONNECT" else {}
        event = {"requestContext": context, "headers": headers, "body": body}
        assert self.call(None, event)["statusCode"] == 200

    def stream(self, function: str) -> None:
        """Hand over what the stream tells next."""
        records = asyncio.run(self.table.read())
        assert self.call(function, {"Records": records}) == {"batchItemFailures": []}

    def close(self) -> None:
        for handler in self._handlers.values():
            handler.close()


@pytest.fixture
def told() -> list[dict[str, Any]]:
    """The frames that were posted."""
    return []


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, told: list[dict[str, Any]]) -> Iterator[World]:
    for name, value in (KEYS | {"AWS_LAMBDA_FUNCTION_NAME": "f"}).items():
        monkeypatch.setenv(name, value)
    rights = Rights()
    asks: Callable[..., Any] = Client._call

    def call(self: Client, service: str, action: str, parameters: Mapping[str, Any]) -> Any:
        rights.check(service, action, parameters)
        return asks(self, service, action, parameters)

    async def post(self: Posts, connection: str, data: bytes) -> bool:
        if b'"bye"' in data:
            return False
        told.append(json.loads(data))
        return b"the last" not in data

    monkeypatch.setattr(Client, "_call", call)
    monkeypatch.setattr(Posts, "post", post)
    world = World(rights)
    yield world
    world.close()


def test_who_comes_in_is_said_with_reading_alone(world: World) -> None:
    world.call(None, http("GET", "/topics/a"))
    world.revoke("eve")
    answer = world.call("AuthorizerFunction", authorizer())
    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert world.apps["AuthorizerFunction"].started.service.revocations.covers(
        Claims(subject="eve")
    )
    assert world.rights.asked == {"GetItem", "Query"}
    assert not world.rights.refused


def test_who_comes_in_first_is_no_other_than_who_comes_later(world: World) -> None:
    """Nothing but the authorizer was called since the stack was made."""
    answer = world.call("AuthorizerFunction", authorizer())
    assert answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    # What the catalogue is, it leaves to others.
    assert [partitions for _, partitions, *_ in world.rights.refused] == [["fact#tasks"]]
    world.call(None, http("GET", "/topics/a"))
    first, other = (world.apps[each].started for each in ("AuthorizerFunction", None))
    assert first.service.engine.epoch == other.service.engine.epoch
    state = operation()
    token = first.service.tokens.make(state)
    assert other.service.tokens.opens(token, state.id, NOW) is not None


def test_followers_are_told_without_a_right_to_operations(
    world: World, told: list[dict[str, Any]]
) -> None:
    world.socket("CONNECT")
    world.stream("PushFunction")
    for filter in ("a", "live/+", "b"):
        world.socket("MESSAGE", json.dumps({"action": "subscribe", "filter": filter}))
    for topic, text in (("a", "one"), ("live/a", "two"), ("b", "the last")):
        world.call(None, http("POST", f"/topics/{topic}", json.dumps(text)))
        told.clear()
        world.stream("PushFunction")
        assert [each["data"] for each in told if each["type"] == "message"] == [text]
    assert not [each for each in world.table.items() if each["pk"]["S"].startswith("socket#")]
    assert not world.rights.refused


def test_work_is_sent_again_with_reading_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    async def send(self: Queues, states: Any, delay: float = 0.0) -> None:
        sent.extend(states)

    monkeypatch.setattr(Queues, "send", send)
    monkeypatch.setenv("RINGBACK_STREAM", "backstop")
    assert world.call(None, http("POST", "/tasks/double", '{"x": 1}'))["statusCode"] == 202
    world.stream("BackstopFunction")
    assert [state.task for state in sent] == ["double"]
    assert not world.rights.refused
