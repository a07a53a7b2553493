"""The servers that other tests rely on."""

from pathlib import Path

import httpx

from ringback import Ringback
from tests.serving import ServerProcess, serve

rb = Ringback("serving")


@rb.task(lease=0.5)
async def double(n: int) -> int:
    return 2 * n


async def test_an_application_is_served_from_this_process(data: Path) -> None:
    app = Ringback("inner", data=data)
    app.task()(double)
    async with serve(app) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.post("/tasks/double", json={"n": 4}, headers={"Prefer": "wait=20"})
        assert answer.json()["result"] == 8


def test_a_killed_server_has_what_it_accepted_when_it_is_back(data: Path) -> None:
    with ServerProcess("tests.test_serving:rb", data=data) as server:
        accepted = httpx.post(f"{server.url}/tasks/double", json={"n": 4})
        assert accepted.status_code == 202
        server.kill()
        server.start()
        location = accepted.headers["location"]
        answer = httpx.get(f"{server.url}{location}/result", params=shown(accepted), timeout=60)
        while answer.status_code == 409:
            answer = httpx.get(
                f"{server.url}{location}/result",
                params=shown(accepted),
                headers={"Prefer": "wait=20"},
                timeout=60,
            )
        assert answer.json() == 8
        assert server.stop() == 0


def shown(accepted: httpx.Response) -> dict[str, str]:
    return {"token": accepted.json()["token"]}
