"""``/ringback.js``: what the build left, kept as long as it may be, for pages of any origin."""

import gzip
import json
import re
from pathlib import Path

import pytest
from httpx import AsyncClient

from ringback import Ringback
from ringback.edges.http import script
from tests.edges.application import Caller, problem_of, served
from tests.security.keys import SECRET
from tests.serving import serve

ENTRY = "/ringback.js"


async def test_the_client_is_served_to_anybody(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        answer = await caller.http.get(ENTRY)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.content == (script.BUILT / "ringback.js").read_bytes()
        assert re.search(rb"export\{.* as connect\b", answer.content)


async def test_its_source_map_is_where_it_says(caller: Caller) -> None:
    answer = await caller.http.get(ENTRY)
    found = await caller.http.get(str(answer.url.join(answer.headers["sourcemap"])))
    assert found.headers["content-type"] == "application/json"
    sources = json.loads(found.content)
    assert any(re.search(r"src/\w+\.ts$", name) for name in sources["sources"])
    assert all(sources["sourcesContent"])


async def test_a_page_that_has_it_is_told_so(caller: Caller) -> None:
    known = (await caller.http.get(ENTRY)).headers["etag"]
    for condition in (known, f'W/{known}, "other"', "*"):
        answer = await caller.http.get(ENTRY, headers={"If-None-Match": condition})
        assert answer.status_code == 304
        assert answer.headers["etag"] == known
        assert answer.content == b""
        assert "content-type" not in answer.headers
    other = await caller.http.get(ENTRY, headers={"If-None-Match": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("br", False), ("", False)],
)
async def test_it_is_compressed_for_who_takes_that(
    caller: Caller, accepted: str, compressed: bool
) -> None:
    plain = await caller.http.get(ENTRY, headers={"Accept-Encoding": "identity"})
    async with caller.http.stream("GET", ENTRY, headers={"Accept-Encoding": accepted}) as answer:
        content = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["vary"] == "Accept-Encoding"
    assert ("content-encoding" in answer.headers) is compressed
    assert (answer.headers["etag"] != plain.headers["etag"]) is compressed
    assert (gzip.decompress(content) if compressed else content) == plain.content


async def test_pages_of_listed_origins_may_load_it_as_those_of_others(data: Path) -> None:
    async with served(data, cors_origins=("https://app.example",)) as caller:
        for origin in ("https://app.example", "https://other.example"):
            answer = await caller.http.get(ENTRY, headers={"Origin": origin})
            assert answer.headers.get_list("access-control-allow-origin") in ([origin], ["*"])


async def test_what_is_not_of_it_is_not_found(caller: Caller) -> None:
    for path in ("/ringback/other.js", "/ringback/..%2Fscript.py", "/ringback/..", "/ringback/"):
        problem_of(await caller.http.get(path), 404, "not-found")


async def test_what_is_loaded_later_is_kept_for_ever(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ringback").mkdir()
    (tmp_path / "ringback.js").write_text('import("./ringback/part-1.js")')
    (tmp_path / "ringback" / "part-1.js").write_text("export {}")
    (tmp_path / "secret.txt").write_text("no part of it")
    monkeypatch.setattr(script.Script.__init__, "__defaults__", (tmp_path,))
    async with serve(Ringback("built", data=data)) as url, AsyncClient(base_url=url) as http:
        answer = await http.get("/ringback/part-1.js")
        assert answer.text == "export {}"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await http.get("/secret.txt")).status_code == 404
        assert (await http.get("/ringback/part-2.js")).status_code == 404


async def test_a_checkout_without_it_says_the_cure(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script.Script.__init__, "__defaults__", (tmp_path / "nothing",))
    async with serve(Ringback("unbuilt", data=data)) as url, AsyncClient(base_url=url) as http:
        problem = problem_of(await http.get(ENTRY), 404, "not-found")
        assert "make setup" in problem["detail"]
