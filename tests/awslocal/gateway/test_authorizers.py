"""Lambda authorizers of HTTP APIs, and the policies that they return."""

from typing import Any

import httpx
import pytest

from ringback.awslocal.gateway import Limits
from ringback.awslocal.gateway.policies import verdict
from ringback.awslocal.model import Integration, LambdaAuthorizer
from tests.awslocal.gateway.functions import Functions, Stand, ok, route

ARN = "arn:aws:execute-api:eu-west-1:111122223333:abc123/$default/GET/pets/1"


def policy(effect: str, resource: Any = "*", action: Any = "execute-api:Invoke") -> dict[str, Any]:
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (policy("Allow"), "allow"),
        (policy("Allow", ARN), "allow"),
        (policy("Allow", [ARN.replace("GET", "POST"), ARN]), "allow"),
        (policy("Allow", "arn:aws:execute-api:*:*:abc123/*/GET/*"), "allow"),
        (policy("Allow", ARN[:-1] + "?"), "allow"),
        (policy("Allow", ARN, "execute-api:*"), "allow"),
        (policy("Allow", ARN, ["s3:*", "Execute-API:invoke"]), "allow"),
        (policy("Allow", ARN, "s3:*"), "silent"),
        (policy("Allow", ARN + "/more"), "silent"),
        (policy("Deny"), "deny"),
        (
            {"Statement": [*policy("Deny", ARN)["Statement"], *policy("Allow")["Statement"]]},
            "deny",
        ),
        ({"Statement": policy("Allow")["Statement"][0]}, "allow"),
        ({"Statement": {"Effect": "Allow", "Action": "*", "NotResource": ARN}}, "silent"),
        ({}, "silent"),
    ],
)
def test_policies(document: dict[str, Any], expected: str) -> None:
    assert verdict(document, ARN) == expected


def test_a_policy_for_all_routes_of_http_does_not_cover_connect() -> None:
    """A trap of real life: ``stage/*/*`` has one slash too many for ``stage/$connect``."""
    base = "arn:aws:execute-api:eu-west-1:1:ws/prod"
    assert verdict(policy("Allow", f"{base}/*/*"), f"{base}/$connect") == "silent"
    assert verdict(policy("Allow", f"{base}/*"), f"{base}/$connect") == "allow"


def simple(**more: Any) -> LambdaAuthorizer:
    return LambdaAuthorizer(
        name="Auth",
        function="auth",
        identity_sources=("$request.header.Authorization", "$request.querystring.user"),
        simple=True,
        **more,
    )


ROUTES = {"authorization": "CUSTOM", "authorizer": "Auth"}


async def test_the_simple_form(stand: Stand, client: httpx.AsyncClient) -> None:
    answers: list[Any] = [
        {"isAuthorized": True, "context": {"tenant": "t1", "n": 5, "nested": {"a": [1]}}},
        {"isAuthorized": False},
        {"isAuthorized": "yes"},
        None,
    ]
    functions = Functions(fn=ok, auth=lambda _: answers.pop(0))
    base = await stand.http(
        functions, route("GET /pets/{id}", **ROUTES), authorizers={"Auth": simple()}
    )
    url, headers = f"{base}/pets/1?user=u", {"Authorization": "token"}
    # Without all of its identity sources nobody is asked.
    for missing in (f"{base}/pets/1", f"{base}/pets/1?user="):
        answer = await client.get(missing, headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    assert functions.calls == []

    assert (await client.get(url, headers=headers)).status_code == 200
    (asked,), (event,) = functions.of("auth"), functions.of("fn")
    assert asked["version"] == "2.0"
    assert asked["type"] == "REQUEST"
    assert asked["routeArn"] == ARN
    assert asked["identitySource"] == ["token", "u"]
    assert asked["routeKey"] == "GET /pets/{id}"
    assert asked["pathParameters"] == {"id": "1"}
    assert asked["requestContext"]["http"]["method"] == "GET"
    assert "body" not in asked
    assert "isBase64Encoded" not in asked
    assert event["requestContext"]["authorizer"] == {
        "lambda": {"tenant": "t1", "n": 5, "nested": {"a": [1]}}
    }
    for status, message in (
        (403, "Forbidden"),
        (500, "Internal Server Error"),
        (500, "Internal Server Error"),
    ):
        answer = await client.get(url, headers=headers)
        assert (answer.status_code, answer.json()) == (status, {"message": message})
    assert len(functions.of("fn")) == 1


async def test_a_policy_and_format_1(stand: Stand, client: httpx.AsyncClient) -> None:
    said = {"principalId": "me", "policyDocument": policy("Allow", ARN), "context": {"a": "b"}}
    functions = Functions(fn=ok, auth=lambda _: said)
    authorizer = LambdaAuthorizer(
        name="Auth",
        function="auth",
        identity_sources=("$request.header.Authorization",),
        payload_format="1.0",
    )
    first = Integration(function="fn", payload_format="1.0")
    base = await stand.http(
        functions,
        route("GET /pets/{id}", integration=first, **ROUTES),
        authorizers={"Auth": authorizer},
    )
    headers = {"Authorization": "token"}
    assert (await client.get(f"{base}/pets/1", headers=headers)).status_code == 200
    assert (await client.get(f"{base}/pets/2", headers=headers)).status_code == 403
    asked, event = functions.of("auth")[0], functions.of("fn")[0]
    assert asked["methodArn"] == ARN
    assert asked["identitySource"] == asked["authorizationToken"] == "token"
    assert asked["version"] == "1.0"
    assert event["requestContext"]["authorizer"] == {"principalId": "me", "a": "b"}


async def test_answers_are_kept_by_their_identity_sources(
    stand: Stand, client: httpx.AsyncClient
) -> None:
    now = [1000.0]
    functions = Functions(
        fn=ok, auth=lambda event: {"isAuthorized": "bad" not in event["identitySource"]}
    )
    base = await stand.http(
        functions,
        route("$default", **ROUTES),
        authorizers={"Auth": simple(ttl=300)},
        limits=Limits().scaled(0.1),
        clock=lambda: now[0],
    )

    async def status(token: str) -> int:
        url = f"{base}/pets/1?user=u"
        return (await client.get(url, headers={"Authorization": token})).status_code

    assert [await status("good"), await status("good"), await status("bad")] == [200, 200, 403]
    assert await status("bad") == 403
    assert len(functions.of("auth")) == 2
    now[0] += 29  # of 300 seconds, a tenth as long
    assert await status("good") == 200
    assert len(functions.of("auth")) == 2
    now[0] += 2
    assert await status("good") == 200
    assert len(functions.of("auth")) == 3


async def test_without_identity_sources_nothing_is_kept(
    stand: Stand, client: httpx.AsyncClient
) -> None:
    functions = Functions(fn=ok, auth=lambda _: {"isAuthorized": True})
    authorizer = LambdaAuthorizer(name="Auth", function="auth", simple=True, ttl=300)
    base = await stand.http(
        functions, route("$default", **ROUTES), authorizers={"Auth": authorizer}
    )
    assert [(await client.get(base)).status_code for _ in range(2)] == [200, 200]
    assert len(functions.of("auth")) == 2
    assert functions.of("auth")[0]["identitySource"] is None


async def test_unauthorized_is_said_by_an_error(stand: Stand, client: httpx.AsyncClient) -> None:
    def auth(event: dict[str, Any]) -> None:
        raise PermissionError(event["identitySource"][0])

    base = await stand.http(
        Functions(fn=ok, auth=auth), route("$default", **ROUTES), authorizers={"Auth": simple()}
    )
    for token, status in (("Unauthorized", 401), ("something else", 500)):
        answer = await client.get(f"{base}/?user=u", headers={"Authorization": token})
        assert answer.status_code == status


async def test_what_an_authorizer_may_return_is_bounded(
    stand: Stand, client: httpx.AsyncClient
) -> None:
    functions = Functions(
        fn=ok, auth=lambda _: {"isAuthorized": True, "context": {"long": "x" * 9000}}
    )
    base = await stand.http(functions, route("$default", **ROUTES), authorizers={"Auth": simple()})
    answer = await client.get(f"{base}/?user=u", headers={"Authorization": "t"})
    assert answer.status_code == 500
