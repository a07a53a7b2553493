"""The demo's web application beside Ringback's routes, and what its dangerous button refuses."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from ringback.core.model import Demand
from ringback.demo import app, rb
from tests.serving import serve, until


@asynccontextmanager
async def demo(data: Path) -> AsyncIterator[httpx.AsyncClient]:
    rb.configure(data=data)  # and other settings by the environment, which leaves with a test
    async with serve(app) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


async def test_the_page_and_ringback_stand_side_by_side(data: Path) -> None:
    async with demo(data) as client:
        page = await client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        script = await client.get("/demo/main.js")
        assert script.headers["content-type"].partition(";")[0].endswith("javascript")
        assert script.headers["content-security-policy"] == policy
        assert (await client.get("/demo/nothing.js")).status_code == 404
        assert (await client.get("/demo/../app.py")).status_code == 404
        accepted = await client.post("/tasks/nap", json={"seconds": 0})
        assert accepted.status_code == 202
        assert (await client.get("/openapi.json")).status_code == 200
        missing = await client.get("/nothing")
        assert missing.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("name", "begins"), [("dawn.jpg", b"\xff\xd8"), ("orders.csv", b"order,day,city")]
)
async def test_samples(data: Path, name: str, begins: bytes) -> None:
    async with demo(data) as client:
        assert (await client.get(f"/demo/samples/{name}")).content.startswith(begins)
        assert (await client.get(f"/demo/samples/no-{name}")).status_code == 404


async def test_the_epoch_of_the_store_is_told(data: Path) -> None:
    async with demo(data) as client:
        epoch = (await client.get("/demo/store")).json()["epoch"]
    async with demo(data) as client:
        assert (await client.get("/demo/store")).json()["epoch"] == epoch
    async with demo(data.with_name("other")) as client:
        assert (await client.get("/demo/store")).json()["epoch"] != epoch


async def test_nobody_to_kill(data: Path) -> None:
    async with demo(data) as client:
        answer = await client.post("/demo/kill-worker")
        assert answer.status_code == 409
        assert "No operation is running" in answer.json()["detail"]
        assert (await client.get("/demo/kill-worker")).status_code == 404


async def test_the_server_does_not_kill_itself(data: Path) -> None:
    async with demo(data) as client:
        accepted = (await client.post("/tasks/nap", json={"seconds": 30})).json()

        async def runs() -> bool:
            return (await rb.get(accepted["id"])).worker is not None

        await until(runs)
        answer = await client.post("/demo/kill-worker")
        assert answer.status_code == 409
        assert "server itself" in answer.json()["detail"]
        await client.post(accepted["links"]["cancel"], params={"token": accepted["token"]})


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://elsewhere.example"}, {"Host": "elsewhere.example"}]
)
async def test_other_pages_cannot_kill(data: Path, headers: dict[str, str]) -> None:
    async with demo(data) as client:
        answer = await client.post("/demo/kill-worker", headers=headers)
        assert answer.status_code == 403


async def test_the_worker_is_killed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of our own stands for the worker: the store says that it runs the operation."""
    monkeypatch.setenv("RINGBACK_WORKERS", "0")
    async with demo(data) as client:
        accepted = (await client.post("/tasks/nap", json={"seconds": 30})).json()
        victim = await asyncio.create_subprocess_exec("sleep", "60")
        name = f"{socket.gethostname()}:{victim.pid}"
        service = rb.started.service
        await service.engine.claim(name, [Demand("nap", 1)], 1, service.clock())
        answer = (await client.post("/demo/kill-worker")).json()
        assert answer == {"pid": victim.pid, "operations": 1, "lease": 2.5}
        assert await victim.wait() == -9
        again = await client.post("/demo/kill-worker")
        assert again.status_code == 409
        assert "gone already" in again.json()["detail"]
        assert (await rb.get(accepted["id"])).attempt == 1


async def test_in_production_nobody_kills(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_JWT_SECRET", "0123456789abcdef0123456789abcdef")
    async with demo(data) as client:
        assert (await client.post("/demo/kill-worker")).status_code == 403
