"""People at the page of Ask Around Me: what they do and what they see, in their own words."""

import contextlib
import itertools
import re
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from tests.e2e.conftest import watch

LIMIT = 40_000
"""Milliseconds to wait for what a page is to show: the machine may be busy."""
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
TRANSPORTS = ("WebSocket", "SSE", "Long polling", "Polling")

expect.set_options(timeout=LIMIT)
_towns = itertools.count()


def town() -> dict[str, float]:
    """A place that no other test has: the next one is a hundred kilometres on."""
    return {"latitude": 45.0, "longitude": -170.0 + 1.5 * next(_towns)}


class Company:
    """Those who meet in one test. As a context manager, they leave at its end."""

    def __init__(self, browser: Browser) -> None:
        self.faults: list[str] = []
        self.town = town()
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    async def context(self, **options: Any) -> BrowserContext:
        """A browser that was never here, of somebody who lives in this test's town."""
        given: dict[str, Any] = {
            "viewport": WIDE,
            "geolocation": self.town,
            "permissions": ["geolocation"],
            "reduced_motion": "reduce",  # what is looked at is there, and does not fade in
        }
        made = await self._browser.new_context(**(given | options))
        made.set_default_timeout(LIMIT)
        self._contexts.append(made)
        return made

    async def open(self, context: BrowserContext, url: str) -> "Visitor":
        """A page of a browser, where it says it is."""
        page = await context.new_page()
        watch(page, self.faults)
        visitor = Visitor(page)
        await page.goto(url)
        return visitor

    async def comes(self, url: str, name: str | None = None, **options: Any) -> "Visitor":
        """Somebody looks at where they are; with a name, they sign in."""
        visitor = await self.open(await self.context(**options), url)
        await visitor.page.get_by_role("button", name="Where I am").click()
        await visitor.is_home()
        if name is not None:
            await visitor.sign_in(name)
        return visitor

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in self._contexts:
            with contextlib.suppress(Exception):
                await each.close()


class Visitor:
    """Somebody at a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.chip = page.locator(".chip")
        """How the connection is."""
        self.questions = page.get_by_role("list", name="Questions, nearest first")
        self.pending = page.get_by_role("list", name="What you asked, on its way")

    # Doing

    async def sign_in(self, name: str) -> None:
        """Give a name."""
        await self.page.get_by_role("button", name="Sign in").click()
        await self.give_name(name)
        await expect(self.page.locator(".menu summary")).to_contain_text(name)

    async def give_name(self, name: str) -> None:
        """Answer what one is asked for when a name is needed."""
        dialog = self.page.get_by_role("dialog")
        await dialog.get_by_label("Name").fill(name)
        await dialog.get_by_role("button", name="Go on").click()
        await expect(dialog).to_have_count(0)

    async def write(self, text: str, kind: str = "Stars", photos: list[Path] | None = None) -> None:
        """Write a question, and not send it yet."""
        await self.page.get_by_role("link", name="Ask a question").click()
        await self.page.get_by_label("Your question").fill(text)
        await self.page.get_by_role("radio", name=kind).check()
        if photos:
            await self.page.get_by_label("Add photos").set_input_files(photos)

    async def ask(self, text: str, kind: str = "Stars", photos: list[Path] | None = None) -> None:
        """Ask a question."""
        await self.write(text, kind, photos)
        await self.page.get_by_role("button", name="Ask", exact=True).click()
        await expect(self.page.get_by_role("heading", level=1)).to_contain_text("Around")

    async def open(self, text: str) -> None:
        """Look at one question."""
        await self.questions.get_by_role("link", name=text).click()
        await expect(self.page.get_by_role("heading", level=1, name=text)).to_be_visible()

    async def go_home(self) -> None:
        """Look at all of them."""
        await self.page.get_by_role("link", name="All questions").click()
        await self.is_home()

    async def give_stars(self, stars: float) -> None:
        """Answer with stars, or change that."""
        await self.page.get_by_role("slider").fill(str(stars))
        await self.page.get_by_role("button", name=re.compile(r"^(Give|Change it)")).click()

    async def point_at_middle(self) -> None:
        """Answer with the middle of the map."""
        await self.page.get_by_role("button", name="Middle of the map").click()
        await self.page.get_by_role("button", name=re.compile("this place$")).click()

    @contextlib.asynccontextmanager
    async def _panel(self) -> AsyncIterator[Locator]:
        toggle = self.page.get_by_role("button", name="Wire")
        await toggle.click()
        yield self.page.get_by_role("complementary", name="On the wire")
        await self.page.get_by_role("button", name="Close the panel").click()

    async def follow_by(self, transport: str) -> None:
        """Have one transport, and no other."""
        async with self._panel() as panel:
            await panel.get_by_role("radio", name=transport, exact=True).check()
        await self.is_live(transport)

    async def switch_network(self) -> None:
        """Pull the plug, or put it back."""
        async with self._panel() as panel:
            await panel.get_by_role("switch", name="Network").click()

    async def kill_worker(self) -> str:
        """Kill a worker; what the page says of it."""
        async with self._panel() as panel:
            await panel.get_by_role("button", name="Kill a worker").click()
            told = panel.locator(".killed")
            await expect(told).to_contain_text("is gone")
            return await told.inner_text()

    # Seeing

    async def is_home(self) -> None:
        """The list is there, of where one is."""
        await expect(self.page.get_by_role("heading", level=1)).to_have_text("Around you")
        await expect(self.page.locator(".view-head .muted")).to_contain_text(
            re.compile("questions? within")
        )

    async def is_live(self, transport: str = "") -> None:
        """It is connected."""
        await expect(self.chip).to_have_attribute("data-status", "connected")
        await expect(self.chip).to_contain_text(transport)

    def card(self, text: str) -> Locator:
        """Questions with this text in the list."""
        named = self.page.get_by_role("heading", level=2, name=re.compile(re.escape(text)))
        return self.questions.get_by_role("listitem").filter(has=named)

    async def sees(self, *texts: str) -> None:
        """Exactly these are in the list, each once, and nothing is on its way."""
        for text in texts:
            await expect(self.card(text)).to_have_count(1)
        await expect(self.pending).to_have_count(0)
        await expect(self.page.locator("li[data-question]")).to_have_count(len(texts))

    async def sees_score(self, average: str, answers: str) -> None:
        """What all stars come to, at the question that is looked at."""
        score = self.page.locator(".score")
        await expect(score.locator(".score-value")).to_have_text(average)
        await expect(score).to_contain_text(answers)
