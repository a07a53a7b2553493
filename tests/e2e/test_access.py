"""Everybody can use the page: axe-core finds nothing, and the keyboard suffices."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.axe import check, check_both
from tests.e2e.conftest import watch
from tests.e2e.demonstration import Demonstration
from tests.e2e.page import DemoPage

pytestmark = pytest.mark.asyncio(loop_scope="session")


@contextlib.asynccontextmanager
async def seen(browser: Browser, demo: Demonstration, width: int) -> AsyncIterator[DemoPage]:
    """The page, so wide. No script may have failed at the end."""
    faults: list[str] = []
    async with await browser.new_context(
        viewport={"width": width, "height": 844},
        reduced_motion="reduce",  # what fades in is measured when it is there
    ) as context:
        page = DemoPage(await context.new_page(), demo)
        watch(page.page, faults)
        await page.page.goto(demo.url)
        yield page
    assert not faults, "\n".join(faults)


# All states of the page take minutes: for `make soak`; the most of them below.
@pytest.mark.soak
@pytest.mark.parametrize("width", [1280, 390])
async def test_axe_finds_nothing(
    browser: Browser, demo: Demonstration, files: Path, width: int
) -> None:
    async with seen(browser, demo, width) as page:
        await check_both(page.page, "empty")
        await page.page.get_by_text("Make trouble").click()
        await check_both(page.page, "menu")
        await page.page.keyboard.press("Escape")
        await page.set_pace(0)
        await page.start("stumble")
        await page.card("Fail once, then succeed").becomes("retrying")
        await check_both(page.page, "trying again")
        await page.set_pace(0.1)
        await page.start("table")
        await page.start("photo")
        await page.card("orders.csv").becomes("running")
        await page.card("dawn.jpg").becomes("running")
        await page.set_pace(2)  # so long that it is there to be cancelled
        await page.start("primes")
        await expect(page.card("dawn.jpg").thumbnails().first).to_be_visible()
        await page.page.locator("details.wire").evaluate_all(
            "panels => panels.forEach(panel => { panel.open = true; })"
        )
        await check_both(page.page, "running")
        await page.kill_worker()  # of the primes at least: the others may have ended
        await page.card("Count primes").button("Cancel").click()
        await check_both(page.page, "killed")
        (files / "notes.txt").write_text("hello")
        await page.choose(files / "notes.txt")
        await page.set_pace(0)
        await page.start("doomed")
        await page.card("Fail for good").becomes("failed")
        await page.card("Count primes").becomes("cancelled")
        await page.card("dawn.jpg").becomes("succeeded")
        await page.card("orders.csv").becomes("succeeded")
        await check_both(page.page, "ended")
        await page.start("burst")
        await expect(page.page.locator("#toast-text")).to_contain_text("50 requests")
        await check_both(page.page, "crowded")
        await page.page.get_by_role("button", name="Other").click()
        await check_both(page.page, "filtered")


@pytest.mark.soak
async def test_axe_finds_nothing_on_a_phone(browser: Browser, demo: Demonstration) -> None:
    async with seen(browser, demo, 390) as page:
        await check(page.page, "empty")
        await page.page.get_by_text("Make trouble").click()
        await check(page.page, "menu")
        await page.page.keyboard.press("Escape")
        await page.set_pace(0)
        await page.start("doomed")
        await page.card("Fail for good").becomes("failed")
        await page.set_pace(2)
        await page.start("primes")
        await page.card("Count primes").becomes("running")
        await page.page.locator("details.wire").evaluate_all(
            "panels => panels.forEach(panel => { panel.open = true; })"
        )
        await check(page.page, "running")


async def test_axe_finds_nothing_while_the_server_is_away(page: DemoPage) -> None:
    await page.page.route("**/*", lambda route: route.abort())
    await page.start("primes")
    await expect(page.page.locator("#link-text")).to_have_text("Server away")
    await check(page.page, "away")
    await page.page.unroute("**/*")
    await expect(page.page.locator("#link-text")).to_have_text("Connected")
    await page.card("Count primes").becomes("running")


@pytest.mark.soak
async def test_by_keyboard_alone(page: DemoPage) -> None:
    keyboard = page.page.keyboard

    async def focused() -> str:
        found: str = await page.page.evaluate(
            "(document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"
            " || document.activeElement.labels?.[0]?.innerText || '').trim().split('\\n')[0]"
        )
        return found

    async def tab_to(name: str) -> None:
        for _ in range(60):
            await keyboard.press("Tab")
            if await focused() == name:
                return
        raise AssertionError(f"{name} is not reached by Tab")

    await tab_to("Choose files")
    await tab_to("Make trouble")
    await keyboard.press("Enter")
    await tab_to("Fail for good")
    await keyboard.press("Escape")
    assert await focused() == "Make trouble"
    await tab_to("SSE")
    await keyboard.press("ArrowRight")
    await expect(page.page.get_by_role("radio", name="Long polling")).to_be_checked()
    await tab_to("Slow motion")
    await keyboard.press("End")
    await expect(page.page.locator("#pace-value")).to_have_text("2.0 s a step")
    await page.page.locator("[data-start=primes]").focus()
    await keyboard.press("Enter")
    card = page.card("Count primes")
    await card.becomes("running")
    await expect(page.page.locator("#announcer")).to_contain_text("Count primes: running.")
    await tab_to("Cancel")
    await keyboard.press("Enter")
    await card.becomes("cancelled")
    await tab_to("Remove Count primes")
    await keyboard.press("Enter")
    await expect(page.cards()).to_have_count(0)
    assert await focused() == "Choose files", "the focus is not lost with the card"


@pytest.mark.soak
async def test_what_is_focused_is_seen(page: DemoPage) -> None:
    await page.set_pace(0)
    await page.start("photo")
    await page.card("dawn.jpg").becomes("succeeded")
    await page.page.keyboard.press("Tab")
    count: int = await page.page.evaluate(
        "document.querySelectorAll('button,input,summary,[tabindex=\"0\"]').length"
    )
    unseen = []
    for _ in range(count):
        await page.page.keyboard.press("Tab")
        outlined = await page.page.evaluate(
            """() => {
              const here = document.activeElement;
              if (here === document.body) return true;
              return [here, here.closest("label")].some(
                (each) => each && getComputedStyle(each).outlineStyle !== "none");
            }"""
        )
        if not outlined:
            unseen.append(await page.page.evaluate("document.activeElement.outerHTML"))
    assert not unseen


@pytest.mark.soak
async def test_nothing_moves_for_those_who_do_not_want_it(page: DemoPage) -> None:
    await page.page.emulate_media(reduced_motion="reduce")
    await page.set_pace(1)
    await page.start("photo")
    await page.start("table")
    await page.card("dawn.jpg").becomes("running")
    assert await page.page.evaluate("document.getAnimations().length") == 0
