"""The network goes and comes, pages are left in the middle: nothing is lost, nothing is doubled."""

import asyncio
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Dialog, Route, expect

from tests.e2e.demonstration import Demonstration
from tests.examples.ask_around_me.browser.visitor import Company, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINUTE, PAUSE = 60, 10
"""Seconds."""
MISSED = tuple(f"What happened at {hour}?" for hour in range(1, 4))


async def go_offline(visitor: Visitor, by: str) -> None:
    if by == "switch":
        await visitor.switch_network()
        await expect(visitor.chip).to_have_attribute("data-status", "waiting")
    else:
        await visitor.page.context.set_offline(True)
        await expect(visitor.chip).to_have_attribute("data-status", "offline")


async def come_back(visitor: Visitor, by: str) -> None:
    if by == "switch":
        await visitor.switch_network()
    else:
        await visitor.page.context.set_offline(False)


@pytest.mark.parametrize(
    ("by", "transport"),
    [
        ("browser", "Best"),
        *(
            pytest.param(by, transport, marks=pytest.mark.soak)
            for by, transport in (
                *(("switch", "Best"), ("switch", "SSE"), ("browser", "SSE")),
                *(
                    (by, each)
                    for by in ("browser", "switch")
                    for each in ("Long polling", "Polling")
                ),
            )
        ),
    ],
)
async def test_who_was_away_catches_up(
    company: Company, demo: Demonstration, by: str, transport: str
) -> None:
    ada = await company.comes(demo.url, "Ada")
    ben = await company.comes(demo.url, "Ben")
    await ada.ask("Are you there?")
    await ben.sees("Are you there?")
    if transport != "Best":
        await ben.follow_by(transport)
    await ben.open("Are you there?")
    await ben.is_live()
    await go_offline(ben, by)
    await expect(ben.page.locator(".banner[data-trouble]")).to_be_visible()
    await ben.give_stars(4)  # shown at once, and sent later
    await ben.sees_score("4.0", "1 answer")
    await ben.go_home()
    await ben.ask("What have I missed?")
    await expect(ben.pending).to_contain_text("Waits for the network")
    for text in MISSED:
        await ada.ask(text)
    await ada.sees("Are you there?", *MISSED)
    await expect(ada.card("Are you there?")).to_contain_text("no answers")
    await expect(ben.card(MISSED[0])).to_have_count(0)
    await come_back(ben, by)
    for each in (ada, ben):
        await each.sees("Are you there?", "What have I missed?", *MISSED)
        await expect(each.card("Are you there?")).to_contain_text("1 answer")
    await ben.is_live("" if transport == "Best" else transport)
    await expect(ben.page.locator(".banner")).to_have_count(0)


@pytest.mark.soak
@pytest.mark.parametrize("by", ["browser", "switch"])
async def test_who_was_away_for_a_minute_catches_up(
    company: Company, demo: Demonstration, by: str
) -> None:
    """So long that a client has backed off as far as it goes."""
    ada = await company.comes(demo.url, "Ada")
    ben = await company.comes(demo.url, "Ben")
    await ada.ask("Are you there?")
    await ben.sees("Are you there?")
    await ben.is_live()
    await go_offline(ben, by)
    await ben.ask("What have I missed?")
    asked = []
    for hour in range(MINUTE // PAUSE):
        asked.append(f"What happened at {hour}?")
        await ada.ask(asked[-1])
        await asyncio.sleep(PAUSE)
    await ada.sees("Are you there?", *asked)
    await expect(ben.pending).to_contain_text("Waits for the network")
    await expect(ben.card("What happened")).to_have_count(0)
    await come_back(ben, by)
    for each in (ada, ben):
        await each.sees("Are you there?", "What have I missed?", *asked)
    await ben.is_live()
    await expect(ben.page.locator(".banner")).to_have_count(0)


async def test_a_reload_before_the_acknowledgement_asks_once(
    company: Company, demo: Demonstration
) -> None:
    """The server has it; the page does not know, and is left."""
    ada = await company.comes(demo.url, "Ada")
    ben = await company.comes(demo.url)
    keys: list[str] = []
    is_back = False

    async def lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        answer = await route.fetch()
        assert answer.status == 202
        if is_back:
            await route.fulfill(response=answer)
        else:
            await route.abort()

    await ada.page.route("**/tasks/ask", lose)
    await ada.ask("Did you hear me?")
    await ben.sees("Did you hear me?")
    await expect(ada.pending).to_contain_text("Did you hear me?")
    await ada.page.goto("about:blank")
    before, is_back = len(keys), True
    await ada.page.goto(demo.url)
    for each in (ada, ben):
        await each.sees("Did you hear me?")
    assert len(keys) == before + 1
    assert len(set(keys)) == 1


async def test_a_reload_after_the_acknowledgement_goes_on(
    company: Company, demo: Demonstration
) -> None:
    ada = await company.comes(demo.url, "Ada")
    ben = await company.comes(demo.url)
    async with ada.page.expect_response("**/tasks/ask"):
        await ada.ask("Where was I?")
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    await ada.page.reload()
    for each in (ada, ben):
        await each.sees("Where was I?")
    assert not [each for each in asked if each.startswith("POST") and "/tasks/" in each]


async def test_a_server_that_will_not_is_asked_again_by_hand(
    company: Company, demo: Demonstration
) -> None:
    """The same question, however often: it is there once."""
    ada = await company.comes(demo.url, "Ada")

    async def refuse(route: Route) -> None:
        await route.fulfill(
            status=403,
            content_type="application/problem+json",
            json={"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "Not now."},
        )

    await ada.page.route("**/tasks/ask", refuse)
    await ada.ask("May I?")
    await expect(ada.pending.get_by_role("alert")).to_contain_text("Not now.")
    await ada.page.reload()
    await expect(ada.pending.get_by_role("alert")).to_contain_text("Not now.")
    await ada.page.unroute("**/tasks/ask")
    await ada.pending.get_by_role("button", name="Try again").click()
    await ada.sees("May I?")


async def test_a_page_with_photos_to_send_is_not_left_by_mistake(
    company: Company, demo: Demonstration, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    Image.new("RGB", (30, 20), "teal").save(photo)
    ada = await company.comes(demo.url, "Ada")
    page = ada.page

    async def is_stopped() -> None:
        async with page.expect_event("dialog") as asking:
            await page.evaluate("void setTimeout(() => location.reload())")
        dialog = await asking.value
        assert dialog.type == "beforeunload"
        await dialog.dismiss()

    await ada.is_live()
    await go_offline(ada, "switch")
    await ada.write("Whose is this?", photos=[photo])
    await is_stopped()
    await expect(page.locator(".preview")).to_have_count(1)
    await page.get_by_role("button", name="Ask", exact=True).click()
    await expect(ada.pending).to_contain_text("Waits for the network")
    await is_stopped()
    await come_back(ada, "switch")
    await expect(ada.card("Whose is this?").locator(".card-photo img")).to_be_visible()
    asked: list[str] = []

    async def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", leave)
    await page.reload()
    await ada.sees("Whose is this?")
    assert not asked, "the server has it"
