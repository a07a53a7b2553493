"""Several tabs of one person: one connection carries for all, and each shows the same."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.e2e.demonstration import ROOT, Demonstration
from tests.examples.ask_around_me.browser.visitor import Company, Visitor
from tests.serving import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENDS = 60
"""Seconds that a server may take to end."""


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory, browser_path: str) -> Iterator[str]:
    """The application as its README starts it, and not as a demo."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        # The socket goes to the child: no port can be taken in between.
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "ask_around_me.app:app"),
                *("--fd", str(listening.fileno()), "--log-level", "warning"),
            ],
            cwd=ROOT / "examples",
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT / "src"),
                "RINGBACK_DATA": str(tmp_path_factory.mktemp("ordinary")),
            },
            pass_fds=[listening.fileno()],
        )
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        transport = httpx.HTTPTransport(retries=20)  # it listens when it is ready
        with httpx.Client(transport=transport, timeout=ENDS) as client:
            assert client.get(f"{url}/api/config").json()["demo"] is None
        yield url
    finally:
        process.terminate()
        process.wait(ENDS)


def sockets_of(page: Page) -> list[str]:
    """The WebSockets that a page has open."""
    open_: list[str] = []

    def opened(socket: object) -> None:
        open_.append("")
        socket.on("close", lambda _: open_.pop())  # type: ignore[attr-defined]

    page.on("websocket", opened)
    return open_


async def tab(company: Company, context: BrowserContext, url: str) -> tuple[Visitor, list[str]]:
    page = await context.new_page()
    sockets = sockets_of(page)
    await page.goto(url)
    visitor = Visitor(page)
    await visitor.is_live("WebSocket")
    return visitor, sockets


async def test_one_tab_carries_for_all_and_another_takes_over(
    company: Company, ordinary: str
) -> None:
    context = await company.context()
    first = await company.open(context, ordinary)
    await first.page.get_by_role("button", name="Where I am").click()
    await first.sign_in("Ada")
    await first.is_home()
    second, of_second = await tab(company, context, ordinary)
    third, of_third = await tab(company, context, ordinary)
    assert (of_second, of_third) == ([], [])
    for each in (second, third):
        await expect(each.page.locator(".menu summary")).to_contain_text("Ada")
    ben = await company.comes(ordinary, "Ben")
    await ben.ask("Who hears this?")
    for each in (first, second, third):
        await each.sees("Who hears this?")
    await second.ask("One of us asks?")
    for each in (first, second, third, ben):
        await each.sees("Who hears this?", "One of us asks?")
    await first.page.close()
    await until(lambda: len(of_second) + len(of_third) == 1)
    await ben.ask("And now?")
    for each in (second, third):
        await each.sees("Who hears this?", "One of us asks?", "And now?")
        await each.is_live("WebSocket")
    assert len(of_second) + len(of_third) == 1


@pytest.mark.soak
async def test_what_one_tab_answers_is_the_answer_in_the_other(
    company: Company, demo: Demonstration
) -> None:
    context = await company.context()
    first = await company.open(context, demo.url)
    await first.page.get_by_role("button", name="Where I am").click()
    await first.sign_in("Ada")
    await first.ask("Twice?")
    await first.sees("Twice?")
    second, _ = await tab(company, context, demo.url)
    await second.sees("Twice?")
    await first.open("Twice?")
    await second.open("Twice?")
    await first.give_stars(2)
    await second.sees_score("2.0", "1 answer")
    await second.give_stars(4)
    await first.sees_score("4.0", "1 answer")
    await second.page.reload()
    await expect(second.page.get_by_role("heading", name="You answered")).to_be_visible()
