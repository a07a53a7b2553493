"""What is served as it is, and the headers that keep it safe."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from examples.ask_around_me import files
from examples.ask_around_me.problems import tell_problems
from tests.examples.ask_around_me.people import served
from tests.serving import serve


async def test_the_page_may_load_its_own_files_and_tiles_and_nothing_else(data: Path) -> None:
    async with served(data) as url, httpx.AsyncClient(base_url=url) as client:
        page = await client.get("/")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        policy = dict(
            part.strip().partition(" ")[::2]
            for part in page.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["img-src"] == "'self' data: blob: https://tile.openstreetmap.org"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-cache"


async def test_built_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = tmp_path / "static"
    built.mkdir()
    (built / "index.html").write_text("<!doctype html><title>built</title>")
    (built / "main-3FA9C01B.js").write_text("1")
    (built / "icon.svg").write_text("<svg/>")
    (tmp_path / "secret").write_text("secret")
    monkeypatch.setattr(files, "BUILT", built)
    app = FastAPI()
    tell_problems(app)
    app.include_router(files.router)
    app.mount("/static", files.Built())
    async with serve(app) as url, httpx.AsyncClient(base_url=url) as client:
        assert "built" in (await client.get("/")).text
        script = await client.get("/static/main-3FA9C01B.js")
        assert "immutable" in script.headers["cache-control"]
        assert script.headers["x-content-type-options"] == "nosniff"
        assert "javascript" in script.headers["content-type"]
        icon = await client.get("/static/icon.svg")
        assert icon.headers["cache-control"] == "no-cache"
        assert icon.headers["content-security-policy"].startswith("default-src 'none'; ")
        for path in ("/static/nothing.js", "/static/../secret", "/static/%2e%2e/secret"):
            missing = await client.get(path)
            assert missing.status_code == 404
            assert missing.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://tiles.example:8443/osm/{z}/{x}/{y}.png?key=1", " https://tiles.example:8443"),
        ("/tiles/{z}/{x}/{y}.png", ""),  # from here, which is allowed anyway
        ("", ""),
    ],
)
async def test_the_tiles_of_somebody_else(
    data: Path, monkeypatch: pytest.MonkeyPatch, given: str, origin: str
) -> None:
    monkeypatch.setenv("ASK_AROUND_ME_TILES", given)
    async with served(data) as url, httpx.AsyncClient(base_url=url) as client:
        policy = (await client.get("/")).headers["content-security-policy"]
        assert f"img-src 'self' data: blob:{origin}; " in policy
        told = (await client.get("/api/config")).json()["tiles"]
        assert told == (
            {"url": given, "attribution": "© OpenStreetMap contributors"} if given else None
        )


async def test_the_config_says_what_holds(data: Path) -> None:
    async with served(data) as url, httpx.AsyncClient(base_url=url) as client:
        config = (await client.get("/api/config")).json()
        assert config["radius"] == 8000
        assert config["max_text"] == 100
        assert config["sign_in"] == {"kind": "name"}
        assert config["demo"] is None
        assert config["photos"]["types"] == ["image/jpeg", "image/png", "image/webp"]


async def test_what_is_of_the_demo_is_not_there_otherwise(data: Path) -> None:
    async with served(data) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.post("/api/demo/kill-worker")).status_code == 404
        assert (await client.put("/api/demo/place", json={"lat": 0, "lng": 0})).status_code == 404
        large = await client.put("/api/demo/place", json={"lat": 0, "lng": 0, "x": "x" * 5000})
        assert large.status_code == 413, "it was read before anybody asked what it is for"


async def test_both_halves_describe_themselves(data: Path) -> None:
    async with served(data) as url, httpx.AsyncClient(base_url=url) as client:
        assert "/api/questions" in (await client.get("/api/openapi.json")).json()["paths"]
        assert "/tasks/ask" in (await client.get("/openapi.json")).json()["paths"]
