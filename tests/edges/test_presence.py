"""Who is on a topic, over HTTP."""

from __future__ import annotations

from pathlib import Path

import httpx

from ringback import Ringback
from ringback.core.filters import parse
from tests.edges.application import problem_of
from tests.hub.following import Listener
from tests.security.keys import SECRET, bearer
from tests.serving import serve


def declared(data: Path) -> Ringback:
    rb = Ringback(data=data, jwt_secret=SECRET)
    rb.topic("room/{id}", subscribe="signed_in", presence=lambda claims, id: claims.subject == id)
    rb.topic("other")
    return rb


async def test_a_count_for_followers_and_names_for_whoever_may(data: Path) -> None:
    rb = declared(data)
    async with serve(rb.asgi) as url, httpx.AsyncClient(base_url=url) as http:
        hub = rb.started.hub
        await hub.start()
        for subject in ("bob", "bob", None):
            hub.attach(Listener(subject=subject), parse("room/ann"))
        for caller, wanted in (
            ("ann", {"subjects": ["bob"], "anonymous": 1}),
            ("bob", {}),
        ):
            headers = {"Authorization": bearer(caller)}
            answer = await http.get("/presence/room/ann", headers=headers)
            assert answer.json() == {"topic": "room/ann", "connections": 3, **wanted}
        problem_of(await http.get("/presence/room/ann"), 401, "unauthenticated")
        for path, status, code in (
            ("other", 404, "unknown-topic"),
            ("nothing", 404, "unknown-topic"),
            ("operations/x", 404, "unknown-topic"),
            ("a//b", 422, "invalid-input"),
        ):
            answer = await http.get(f"/presence/{path}", headers={"Authorization": bearer("ann")})
            problem_of(answer, status, code)
