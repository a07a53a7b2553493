"""Cancel, forget and redrive."""

import asyncio
from pathlib import Path

from tests.edges.application import Caller, problem_of, served
from tests.edges.test_read import running
from tests.security.keys import SECRET, bearer

# Cancel


async def test_a_running_operation_is_asked_to_stop(caller: Caller) -> None:
    held = await running(caller)
    answer = await held.request("POST", "/cancel")
    assert answer.status_code == 202
    assert answer.json()["cancel_requested"] is True
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
    shown = await held.until(status="cancelled")
    assert "result" not in shown


async def test_a_queued_operation_never_begins(data: Path) -> None:
    async with served(data, workers=0) as caller:
        waiting = await caller.submit("double", {"n": 1})
        answer = await waiting.request("POST", "/cancel")
        assert answer.status_code == 202
        assert answer.json()["status"] == "cancelled"
        assert "started_at" not in answer.json()


async def test_cancelling_is_idempotent(caller: Caller) -> None:
    held = await running(caller)
    answers = await asyncio.gather(*(held.request("POST", "/cancel") for _ in range(10)))
    assert {answer.status_code for answer in answers} <= {200, 202}
    await held.until(status="cancelled")
    version = (await held.get()).json()["version"]
    answer = await held.request("POST", "/cancel")
    assert answer.status_code == 200
    assert answer.json()["version"] == version


async def test_what_has_ended_is_left_as_it_is(caller: Caller) -> None:
    done = await caller.submit("double", {"n": 1})
    before = await done.until(status="succeeded")
    answer = await done.request("POST", "/cancel")
    assert answer.status_code == 200
    assert answer.json() == before


async def test_a_stale_version_cancels_nothing(caller: Caller) -> None:
    held = await running(caller)
    tag = (await held.get()).headers["etag"]
    for stale in ('"0"', f"W/{tag}", '"x"'):
        answer = await held.request("POST", "/cancel", If_Match=stale)
        assert problem_of(answer, 412, "stale-version")["version"] == int(tag.strip('"'))
    assert (await held.get()).headers["etag"] == tag
    problem_of(await held.request("POST", "/cancel", If_Match="1"), 400, "malformed-request")
    answer = await held.request("POST", "/cancel", If_Match=f'"0", {tag}')
    assert answer.status_code == 202


async def test_any_version_is_cancelled(caller: Caller) -> None:
    held = await running(caller)
    assert (await held.request("POST", "/cancel", If_Match="*")).status_code == 202


# Forget


async def test_an_open_operation_is_not_forgotten(caller: Caller) -> None:
    held = await running(caller)
    problem_of(await held.request("DELETE"), 409, "still-open")
    assert (await held.get()).status_code == 200


async def test_what_is_forgotten_is_410_for_its_token_and_404_for_others(caller: Caller) -> None:
    done = await caller.submit("double", {"n": 1}, Idempotency_Key='"k"')
    await done.until(status="succeeded")
    answer = await done.request("DELETE")
    assert answer.status_code == 204
    assert answer.content == b""
    for part in ("", "/events", "/result"):
        problem_of(await done.get(part), 410, "operation-forgotten")
        problem_of(await caller.http.get(done.path + part), 404, "unknown-operation")
    problem_of(await done.request("DELETE"), 410, "operation-forgotten")
    problem_of(await done.request("POST", "/cancel"), 410, "operation-forgotten")
    again = await caller.http.post(
        "/tasks/double", json={"n": 1}, headers={"Idempotency-Key": '"k"'}
    )
    problem_of(again, 410, "operation-forgotten")


async def test_a_link_that_was_passed_on_forgets_nothing(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        done = await caller.submit("double", {"n": 1}, Authorization=bearer("ann"))
        await done.until(status="succeeded")
        problem_of(await done.request("DELETE"), 403, "forbidden")
        assert (await done.get("/result")).json() == 2


async def test_what_is_forgotten_is_410_for_its_owner_and_404_for_others(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        done = await caller.submit("double", {"n": 1}, Authorization=bearer("ann"))
        await done.until(status="succeeded")
        gone = await caller.http.delete(done.path, headers={"Authorization": bearer("ann")})
        assert gone.status_code == 204
        for who, status in (("ann", 410), ("bob", 404)):
            headers = {"Authorization": bearer(who)}
            answer = await caller.http.get(done.path, headers=headers)
            assert answer.status_code == status
        headers = {"Authorization": bearer("root", scope="ringback:admin")}
        assert (await caller.http.get(done.path, headers=headers)).status_code == 410


async def test_a_stale_version_forgets_nothing(caller: Caller) -> None:
    done = await caller.submit("double", {"n": 1})
    await done.until(status="succeeded")
    problem_of(await done.request("DELETE", If_Match='"0"'), 412, "stale-version")
    assert (await done.get()).status_code == 200


# Redrive


async def test_a_dead_letter_is_done_again_as_a_new_operation(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        owner = {"Authorization": bearer("ann")}
        crashed = await caller.submit("crash", Authorization=owner["Authorization"])
        shown = await crashed.until(status="failed")
        assert shown["dead_letter"] is True
        assert "for the log alone" not in str(shown)
        stranger = {"Authorization": bearer("bob")}
        path = f"{crashed.path}/redrive"
        answer = await caller.http.post(path, headers=stranger)
        problem_of(answer, 404, "unknown-operation")
        # The operation's own token lets follow and cancel it, and nothing else.
        problem_of(await crashed.request("POST", "/redrive"), 403, "forbidden")
        answer = await caller.http.post(path, headers=owner)
        assert answer.status_code == 202
        assert answer.json()["parent"] == crashed.id
        assert answer.headers["location"] == answer.json()["links"]["self"]
        assert answer.json()["id"] != crashed.id
        again = await caller.http.post(path, headers=owner)
        problem_of(again, 409, "transition-not-allowed")


async def test_an_administrator_redrives_what_is_anybodys(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        crashed = await caller.submit("crash", Authorization=bearer("ann"))
        await crashed.until(status="failed")
        headers = {"Authorization": bearer("root", scope="other ringback:admin")}
        answer = await caller.http.post(f"{crashed.path}/redrive", headers=headers)
        assert answer.status_code == 202


async def test_in_development_the_token_redrives(caller: Caller) -> None:
    crashed = await caller.submit("crash")
    await crashed.until(status="failed")
    assert (await crashed.request("POST", "/redrive")).status_code == 202
