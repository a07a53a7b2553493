"""Events from outside: SNS, EventBridge, S3, and who asks an authorizer."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringback import CloudEvent, Ringback, Upload
from ringback.core.model import Query
from ringback.errors import ConfigurationError
from ringback.lambdas.handler import LambdaHandler
from tests.edges.websocket.talking import token
from tests.lambdas.cloud import Context, On
from tests.lambdas.events import authorizer, bus, http, s3, sns
from tests.lambdas.memory import Memory
from tests.security.keys import SECRET


def made(**settings: Any) -> Ringback:
    rb = Ringback("shop", open_topics=True, **settings)

    @rb.on("*")
    async def everything(event: CloudEvent[Any]) -> None: ...

    @rb.on_upload()
    async def stored(upload: Upload) -> int:
        return upload.size

    return rb


class Home:
    def __init__(self, memory: Memory, rb: Ringback) -> None:
        self.memory = memory
        self.handler = LambdaHandler(On(rb, memory), None)

    def __call__(self, event: dict[str, Any]) -> Any:
        return self.handler(event, Context(30))

    def accepted(self) -> list[dict[str, Any]]:
        """The events that handlers were given."""

        async def look() -> list[dict[str, Any]]:
            async with self.memory.engine() as engine:
                return [json.loads(each.input) for each in await engine.list(Query())]

        found: list[dict[str, Any]] = []
        thread = threading.Thread(target=lambda: found.extend(asyncio.run(look())))
        thread.start()
        thread.join()
        return found


@contextlib.contextmanager
def home_of(folder: Path, **settings: Any) -> Iterator[Home]:
    home = Home(Memory(folder), made(**settings))
    try:
        yield home
    finally:
        home.handler.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with home_of(tmp_path / "store", uploads=str(tmp_path / "uploads")) as home:
        yield home


def test_a_notification_is_handled_once(home: Home) -> None:
    home(sns("photos", '{"photo": 1}', subject="new"))
    home(sns("photos", '{"photo": 1}', subject="new"))
    (event,) = home.accepted()
    assert event["type"] == "aws.sns.photos"
    assert (event["data"], event["subject"]) == ({"photo": 1}, "new")
    home(sns("photos", "plain text", id="m2"))
    assert {str(each["data"]) for each in home.accepted()} == {"{'photo': 1}", "plain text"}


def test_a_cloud_event_in_a_notification_is_itself(home: Home) -> None:
    told = {"specversion": "1.0", "id": "1", "source": "/x", "type": "made", "data": 5}
    home(sns("photos", json.dumps(told)))
    (event,) = home.accepted()
    assert (event["type"], event["source"], event["data"]) == ("made", "/x", 5)


def test_an_event_of_a_bus(home: Home) -> None:
    home(bus("order placed", {"order": 7}))
    home(bus("order placed", {"order": 7}))
    (event,) = home.accepted()
    assert (event["type"], event["data"]) == ("order placed", {"order": 7})


def test_what_it_put_on_the_bus_itself_is_passed_over(home: Home) -> None:
    home(bus("made", {"specversion": "1.0"}, source="ringback.shop"))
    assert home.accepted() == []


def test_an_object_of_another_kind_is_an_event(home: Home) -> None:
    home(s3("photos", "a+b%2Fc.png"))
    (event,) = home.accepted()
    assert (event["type"], event["subject"]) == ("aws.s3.ObjectCreated:Put", "a b/c.png")


def test_unknown_events_say_what_is_known(home: Home) -> None:
    with pytest.raises(ConfigurationError, match="Known are"):
        home({"hello": "world"})
    with pytest.raises(ConfigurationError, match=r"2\.0"):
        home({"requestContext": {"httpMethod": "GET"}})


def test_the_authorizer_knows_the_same_tokens(tmp_path: Path) -> None:
    with home_of(tmp_path, jwt_secret=SECRET, uploads=str(tmp_path / "u")) as home:
        answer = home(authorizer(Authorization=f"Bearer {token('ada')}"))
        assert answer["principalId"] == "ada"
        assert answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
        assert json.loads(answer["context"]["ringback"])["subject"] == "ada"
        assert home(authorizer())["principalId"] == "anonymous"
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            home(authorizer(Authorization="Bearer wrong"))
        refused = home(authorizer(Origin="https://elsewhere.example"))
        assert refused["policyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_every_token_of_a_handshake_is_looked_at(tmp_path: Path) -> None:
    own, jwt = "rbo_x", token("ada")
    with home_of(tmp_path, jwt_secret=SECRET, uploads=str(tmp_path / "u")) as home:

        def asked(*tokens: str) -> dict[str, Any]:
            query = {"multiValueQueryStringParameters": {"token": list(tokens)}}
            return authorizer() | {"queryStringParameters": {"token": tokens[-1]}} | query

        def connect(*tokens: str) -> int:
            event = asked(*tokens)
            del event["type"], event["methodArn"]
            return int(home(event)["statusCode"])

        assert home(asked(own, own))["principalId"] == "anonymous"
        assert connect(own, own) == 200
        for tokens in [(jwt, own), (own, jwt), (jwt,)]:
            assert connect(*tokens) == 401
            with pytest.raises(Exception, match=r"^Unauthorized$"):
                home(asked(*tokens))
            raw = {"version": "2.0", "rawQueryString": "&".join(f"token={t}" for t in tokens)}
            with pytest.raises(Exception, match=r"^Unauthorized$"):
                home(authorizer() | {"queryStringParameters": {"token": ",".join(tokens)}} | raw)


def test_development_stays_on_this_machine(home: Home) -> None:
    event = http("POST", "/topics/a", "1")
    event["requestContext"]["http"]["sourceIp"] = "203.0.113.7"
    assert home(event)["statusCode"] == 403
