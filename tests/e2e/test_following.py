"""Nothing is lost and nothing comes twice: over reloads, restarts, ways to follow and tabs."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Route, expect

from ringback.demo import samples
from ringback.demo.photos import SIZES
from tests.e2e.demonstration import Demonstration
from tests.e2e.page import DemoPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

HELD = re.compile(r"wait=\d+")


def requests(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in entries if entry["kind"] == "request"]


async def test_a_reload_in_the_middle(page: DemoPage) -> None:
    await page.set_pace(0.5)
    await page.start("photo")
    card = page.card("dawn.jpg")
    await expect(card.thumbnails().nth(1)).to_be_visible()
    before = requests(await card.wire())
    await page.page.reload()
    await expect(card.thumbnails().nth(1)).to_be_visible()
    await expect(card.here).to_have_attribute("data-state", "running")
    await expect(page.page.get_by_label("Slow motion")).to_have_value("0.5")
    await card.becomes("succeeded")
    await expect(card.thumbnails()).to_have_count(len(SIZES))
    after = await card.wire()
    assert [entry["path"] for entry in requests(after)][: len(before)] == [
        entry["path"] for entry in before
    ]
    assert any(entry.get("text") == "The page was loaded again." for entry in after)
    # It was asked once how it stands, and then only for what came after.
    resumed = [entry for entry in requests(after) if entry.get("stream")][-1]
    assert "after=" in resumed["path"]


@pytest.mark.soak
async def test_a_reload_after_the_end(page: DemoPage) -> None:
    await page.set_pace(0)
    await page.start("photo")
    await page.start("table")
    await page.start("doomed")
    await page.card("dawn.jpg").becomes("succeeded")
    await page.card("orders.csv").becomes("succeeded")
    await page.card("Fail for good").becomes("failed")
    await page.page.reload()
    await expect(page.cards()).to_have_count(3)
    await page.card("dawn.jpg").becomes("succeeded")
    await expect(page.card("dawn.jpg").thumbnails()).to_have_count(len(SIZES))
    await page.card("orders.csv").becomes("succeeded")
    await expect(page.card("orders.csv").here.locator("tbody tr")).to_have_count(8)
    await page.card("Fail for good").becomes("failed")


@pytest.mark.soak
@pytest.mark.parametrize("way", ["SSE", "Long polling", "Polling"])
async def test_each_way_to_follow(page: DemoPage, way: str) -> None:
    await page.follow_by(way)
    await page.set_pace(0.3)
    await page.start("photo")
    card = page.card("dawn.jpg")
    await expect(card.thumbnails().first).to_be_visible()
    await card.becomes("succeeded")
    await expect(card.thumbnails()).to_have_count(len(SIZES))
    entries = await card.wire()
    reads = [entry for entry in requests(entries) if entry["method"] == "GET"]
    streams = [entry for entry in reads if entry.get("stream")]
    held = [entry for entry in reads if HELD.search(entry["headers"].get("Prefer", ""))]
    if way == "SSE":
        assert len(streams) == len(reads) == 1
        parts = [entry["gist"] for entry in entries if entry.get("name") == "part"]
        assert len(parts) == len(set(parts))
    elif way == "Long polling":
        assert not streams
        assert len(held) >= 3
        assert len(held) >= len(reads) - 1, "each but the first waits for a change"
    else:
        assert not streams
        assert not held
        assert len(reads) >= 2
        assert any("If-None-Match" in entry["headers"] for entry in reads)
    await page.page.reload()
    await expect(page.page.get_by_role("radio", name=way, exact=True)).to_be_checked()


@pytest.mark.soak
async def test_changing_the_way_in_the_middle(page: DemoPage) -> None:
    await page.set_pace(0.8)
    await page.start("photo")
    card = page.card("dawn.jpg")
    way = card.here.locator(".wire-way")
    await expect(way).to_have_text("SSE")
    await expect(card.thumbnails().first).to_be_visible()
    await page.follow_by("Polling")
    await expect(way).to_have_text("polling")
    await page.follow_by("Long polling")
    await expect(way).to_have_text("long polling")
    await page.follow_by("SSE")
    await expect(way).to_have_text("SSE")
    await card.becomes("succeeded")
    await expect(card.thumbnails()).to_have_count(len(SIZES))
    read = [entry for entry in requests(await card.wire()) if "/operations/" in entry["path"]]
    first, *later = read
    assert "after=" not in first["path"]
    assert all("after=" in entry["path"] for entry in later), "only what is new is asked for"


@pytest.mark.soak
async def test_a_crowd_leaves_room_for_requests(page: DemoPage) -> None:
    """More operations than a browser opens connections: some are polled, none is starved."""
    await page.set_pace(1)
    for _ in range(8):
        await page.start("primes")
    await expect(page.page.locator("#count-open")).to_have_text("8")
    await expect(page.page.locator(".wire-way", has_text=re.compile("^SSE$"))).to_have_count(4)
    ways = Counter(await page.page.locator(".wire-way").all_text_contents())
    assert ways.keys() <= {"SSE", "polling, until a connection is free", ""}
    # A request is answered at once, though all the streams are open.
    for card in await page.cards().all():
        await card.locator("header").get_by_role("button", name="Cancel").click()
    await expect(page.page.locator("#count-open")).to_have_text("0")
    await expect(page.page.locator("#count-ended")).to_have_text("8")


@pytest.mark.soak
async def test_two_tabs(page: DemoPage, context: BrowserContext) -> None:
    other = DemoPage(await context.new_page(), page.demo)
    await other.page.goto(page.demo.url)
    await page.set_pace(0)
    await page.start("primes")
    await page.card("Count primes").becomes("succeeded")
    await other.card("Count primes").becomes("succeeded")
    await other.card("Count primes").button("Remove").click()
    await expect(page.cards()).to_have_count(0)


@pytest.mark.soak
async def test_an_upload_cut_off_by_a_reload_goes_on(page: DemoPage, files: Path) -> None:
    table = files / "cut.csv"
    table.write_bytes(samples.table() * 5)
    size = table.stat().st_size
    seen, leaving = 0, False

    async def cut(route: Route) -> None:
        nonlocal seen
        seen += route.request.method == "PUT"
        if leaving or seen <= 2:
            await route.continue_()
        # The third piece is under way when the page is left.

    await page.page.route("**/uploads/*", cut)
    await page.set_pace(0)
    await page.choose(table)
    card = page.card("cut.csv")
    await expect(card.here.locator(".message")).to_contain_text("Sending, 2.1 MB of 4.7 MB")
    leaving = True
    await page.page.reload()
    await card.becomes("needs-file")
    await expect(card.here.locator(".message")).to_contain_text("2.1 MB of 4.7 MB are there")
    wrong = files / "other.csv"
    wrong.write_bytes(b"a,b\n")
    await card.here.locator("input[type=file]").set_input_files(wrong)
    await expect(card.here.locator(".message")).to_contain_text("another file")
    await card.here.locator("input[type=file]").set_input_files(table)
    await card.becomes("succeeded")
    sent = [entry for entry in requests(await card.wire()) if entry["method"] == "PUT"]
    taken = [entry for entry in sent if entry["status"] in (200, 202)]
    assert [entry["file"]["offset"] for entry in taken] == [n * 1024 * 1024 for n in range(5)]
    assert sum(entry["size"] for entry in taken) == size


async def test_the_server_is_cut_off_and_comes_back(page: DemoPage, demo: Demonstration) -> None:
    await page.set_pace(0.6)
    await page.start("photo")
    card = page.card("dawn.jpg")
    await expect(card.thumbnails().nth(1)).to_be_visible()
    demo.kill()  # the worker too
    await expect(page.page.locator("#link-text")).to_have_text("Server away")
    # What is asked meanwhile is asked again when it is back, and accepted once.
    await page.set_pace(0)
    await page.start("primes")
    await page.card("Count primes").becomes("asking")
    demo.start()
    await expect(page.page.locator("#link-text")).to_have_text("Connected")
    await card.becomes("succeeded")
    await page.card("Count primes").becomes("succeeded")
    await expect(card.thumbnails()).to_have_count(len(SIZES))
    operation = await card.operation()
    assert [part["index"] for part in operation["parts"]] == list(range(len(SIZES) + 2))
    parts = [entry["gist"] for entry in await card.wire() if entry.get("name") == "part"]
    assert len(parts) == len(set(parts))


@pytest.mark.soak
async def test_another_store_starts_the_page_anew(
    page: DemoPage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    await page.set_pace(0)
    await page.start("primes")
    await page.card("Count primes").becomes("succeeded")
    demo = page.demo
    data = demo.data
    demo.kill()
    demo.data = tmp_path_factory.mktemp("another") / "data"
    demo.start()
    try:
        await page.page.reload()
        await expect(page.page.locator("#toast-text")).to_contain_text("The server has a new store")
        await expect(page.cards()).to_have_count(0)
    finally:
        demo.kill()
        demo.data = data
        demo.start()
