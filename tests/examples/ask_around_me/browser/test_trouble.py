"""The server dies, a worker dies, a token ends: in the middle of an operation."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Request, expect

from tests.e2e.demonstration import Demonstration
from tests.examples.ask_around_me.browser.conftest import ALONE
from tests.examples.ask_around_me.browser.visitor import TRANSPORTS, Company, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")

SLOW = ALONE | {"ASK_AROUND_ME_PACE": "0.8"}
"""There is a middle to do something in."""
LIFETIME = 3
"""Seconds of a token: ends more than once in a test."""


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory, browser_path: str) -> Iterator[Demonstration]:
    with Demonstration(tmp_path_factory.mktemp("slow"), "ask-around-me", SLOW) as started:
        yield started


async def in_the_middle(visitor: Visitor) -> None:
    """Wait until what was asked is being worked on."""
    await expect(visitor.pending).to_contain_text("Checking")


@pytest.mark.parametrize(
    "transport",
    [TRANSPORTS[0], *(pytest.param(each, marks=pytest.mark.soak) for each in TRANSPORTS[1:])],
)
async def test_the_server_is_killed_and_comes_back(
    company: Company, slow: Demonstration, transport: str
) -> None:
    ada = await company.comes(slow.url, "Ada")
    ben = await company.comes(slow.url, "Ben")
    await ben.follow_by(transport)
    await ada.ask("Before?")
    await ben.sees("Before?")
    await ada.ask("Does this survive?")
    await in_the_middle(ada)
    slow.kill()
    for each in (ada, ben):
        await expect(each.chip).to_have_attribute("data-status", "waiting")
        await expect(each.page.locator(".banner")).to_contain_text("The connection is lost")
    await ben.ask("And this?")  # while there is no server
    slow.start()
    # Ada does not wait for the next of the client's own attempts.
    await ada.page.get_by_role("button", name="Try now").click()
    for each in (ada, ben):
        await each.sees("Before?", "Does this survive?", "And this?")
        await each.is_live()
    await ben.ask("Signed in still?")
    await ada.sees("Before?", "Does this survive?", "And this?", "Signed in still?")


async def test_a_page_that_comes_while_the_server_is_away_waits_for_it(
    company: Company, slow: Demonstration
) -> None:
    ada = await company.comes(slow.url, "Ada")
    await ada.ask("Here?")
    await ada.sees("Here?")
    await ada.page.route("**/api/config", lambda route: route.abort())
    await ada.page.reload()
    await expect(ada.page.get_by_role("alert")).to_contain_text("cannot be reached")
    await ada.page.unroute("**/api/config")
    await ada.page.get_by_role("button", name="Try now").click()
    await ada.sees("Here?")


async def test_a_worker_is_killed_from_the_panel(company: Company, slow: Demonstration) -> None:
    ada = await company.comes(slow.url, "Ada")
    ben = await company.comes(slow.url)
    await ada.ask("Who does this?")
    await in_the_middle(ada)
    said = await ada.kill_worker()
    assert "goes on within" in said
    for each in (ada, ben):
        await each.sees("Who does this?")
    await ada.ask("And this one?")
    await ben.sees("Who does this?", "And this one?")


async def test_tokens_end_in_the_middle(
    company: Company, tmp_path: Path, browser_path: str
) -> None:
    environment = SLOW | {"ASK_AROUND_ME_TOKEN_LIFETIME": str(LIFETIME)}
    refreshed: list[str] = []

    def count(request: Request) -> None:
        if request.url.endswith("/api/session/refresh"):
            refreshed.append(request.url)

    with Demonstration(tmp_path, "ask-around-me", environment) as demo:
        ada = await company.comes(demo.url, "Ada")
        ben = await company.comes(demo.url, "Ben")
        ada.page.on("request", count)
        asked: list[str] = []
        # Each takes most of a token's time.
        while len(refreshed) < 2:
            text = f"Question {len(asked) + 1}?"
            await ada.ask(text)
            asked.append(text)
            for each in (ada, ben):
                await each.sees(*asked)
        await ben.open("Question 1?")
        await ben.give_stars(4.5)
        await expect(ada.card("Question 1?")).to_contain_text("1 answer")
        for each in (ada, ben):
            await each.is_live("WebSocket")
            await expect(each.page.get_by_role("alert")).to_have_count(0)
        # A session outlives its tokens.
        await ada.page.reload()
        await expect(ada.page.locator(".menu summary")).to_contain_text("Ada")
        await ada.ask("After a reload?")
        await ada.sees(*asked, "After a reload?")
