"""`GET /operations`: one's own, newest first, a page at a time."""

from pathlib import Path
from typing import Any

import httpx

from tests.edges.application import Caller, problem_of, served
from tests.security.keys import SECRET, bearer

ANN = {"Authorization": bearer("ann")}
ADMIN = {"Authorization": bearer("root", scope="ringback:admin")}


async def listed(caller: Caller, query: str = "", headers: dict[str, str] = ANN) -> list[str]:
    answer = await caller.http.get(f"/operations{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    return [shown["id"] for shown in answer.json()["operations"]]


async def submitted(caller: Caller, count: int, who: str = "ann") -> list[str]:
    """Ids of operations that wait, newest first."""
    ids = [
        (await caller.submit("double", {"n": n}, Authorization=bearer(who))).id
        for n in range(count)
    ]
    return ids[::-1]


async def test_a_list_is_of_ones_own(data: Path) -> None:
    async with served(data, jwt_secret=SECRET, workers=0) as caller:
        own = await submitted(caller, 3)
        others = await submitted(caller, 2, "bob")
        await caller.submit("announce", {"text": "anonymous"})
        assert await listed(caller) == own
        assert await listed(caller, headers={"Authorization": bearer("bob")}) == others
        assert len(await listed(caller, headers=ADMIN)) == 6


async def test_a_list_shows_what_each_operation_shows(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        done = await caller.submit("double", {"n": 2}, Authorization=ANN["Authorization"])
        alone = await done.until(status="succeeded")
        answer = await caller.http.get("/operations", headers=ANN)
        (shown,) = answer.json()["operations"]
        assert shown.items() <= alone.items()
        assert shown["result"] == 4
        assert shown["links"]["self"] == done.path
        assert "token" not in answer.text
        assert answer.headers["cache-control"] == "no-store"


async def test_pages_follow_one_another(data: Path) -> None:
    async with served(data, jwt_secret=SECRET, workers=0) as caller:
        own = await submitted(caller, 7)
        seen: list[str] = []
        path: str | None = "/operations?limit=3&task=double&other=x"
        pages = 0
        while path is not None:
            answer = await caller.http.get(path, headers=ANN)
            body: dict[str, Any] = answer.json()
            seen += [shown["id"] for shown in body["operations"]]
            path = body["next"]
            link = answer.headers.get("link")
            assert link == (None if path is None else f'<{path}>; rel="next"')
            assert path is None or path.startswith("/operations?task=double&")
            pages += 1
        assert seen == own
        assert pages == 3


async def test_a_page_that_is_just_full_has_no_next(data: Path) -> None:
    async with served(data, jwt_secret=SECRET, workers=0) as caller:
        own = await submitted(caller, 3)
        page = (await caller.http.get("/operations?limit=3", headers=ANN)).json()
        assert [shown["id"] for shown in page["operations"]] == own
        assert page["next"] is None


async def test_the_next_page_is_not_moved_by_what_comes_in_between(data: Path) -> None:
    async with served(data, jwt_secret=SECRET, workers=0) as caller:
        own = await submitted(caller, 4)
        first = (await caller.http.get("/operations?limit=2", headers=ANN)).json()
        await submitted(caller, 2)
        second = (await caller.http.get(first["next"], headers=ANN)).json()
        assert [shown["id"] for shown in second["operations"]] == own[2:]


async def test_a_list_is_filtered(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        who = ANN["Authorization"]
        done = await caller.submit("double", {"n": 1}, Authorization=who)
        crashed = await caller.submit("crash", Authorization=who)
        held = await caller.submit("hold", {"gate": "g"}, Authorization=who)
        await done.until(status="succeeded")
        await crashed.until(status="failed")
        await held.until(status="running")
        again = (await caller.http.post(f"{crashed.path}/redrive", headers=ANN)).json()["id"]
        assert await listed(caller, "?status=succeeded") == [done.id]
        assert held.id in await listed(caller, "?status=running")
        assert done.id not in await listed(caller, "?status=running")
        assert await listed(caller, "?task=double") == [done.id]
        assert await listed(caller, f"?parent={crashed.id}") == [again]
        assert crashed.id not in await listed(caller, "?dead_letter=true")
        assert crashed.id in await listed(caller, "?dead_letter=false")
        assert await listed(caller, "?task=nothing") == []


async def test_a_question_that_makes_no_sense_is_400(data: Path) -> None:
    async with served(data, jwt_secret=SECRET, workers=0) as caller:
        for query in (
            "status=done",
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=x",
            "limit=%D9%A3",
            "dead_letter=yes",
            "after=x",
            "parent=%00",
        ):
            answer = await caller.http.get(f"/operations?{query}", headers=ANN)
            problem = problem_of(answer, 400, "malformed-request")
            assert problem["parameter"] == query.partition("=")[0]


async def test_a_list_needs_a_caller_with_a_name(data: Path) -> None:
    async with served(data, jwt_secret=SECRET, workers=0) as caller:
        operation = await caller.submit("announce", {"text": "x"})

        def refused(answer: httpx.Response) -> None:
            problem_of(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"].startswith("Bearer")

        refused(await caller.http.get("/operations"))
        refused(await caller.http.get("/operations", params={"token": operation.token}))
        headers = {"Authorization": f"Bearer {operation.token}"}
        refused(await caller.http.get("/operations", headers=headers))
