"""The demo's page, in a user's words."""

import json
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.e2e.demonstration import Demonstration

LIMIT = 40_000
"""Milliseconds to wait for what the page is to show: the machine may be busy."""

expect.set_options(timeout=LIMIT)


class DemoPage:
    """What a user does, and sees."""

    def __init__(self, page: Page, demo: Demonstration) -> None:
        self.page = page
        self.demo = demo
        page.set_default_timeout(LIMIT)

    # Doing

    async def choose(self, *paths: Path) -> None:
        """Choose files from the disk."""
        await self.page.get_by_label("Choose files").set_input_files(paths)

    async def start(self, name: str) -> None:
        """Press one of the buttons that start something."""
        button = self.page.locator(f"[data-start={name}]")
        if not await button.is_visible():
            await self.page.get_by_text("Make trouble").click()
        await button.click()

    async def set_pace(self, seconds: float) -> None:
        """How long each step waits."""
        await self.page.get_by_label("Slow motion").fill(str(seconds))

    async def follow_by(self, way: str) -> None:
        """Choose the way operations are followed."""
        await self.page.get_by_text(way, exact=True).click()

    async def kill_worker(self) -> None:
        await self.page.get_by_role("button", name="Kill the worker").click()
        await expect(self.page.locator("#toast-text")).to_contain_text("is dead")

    # Seeing

    def cards(self) -> Locator:
        return self.page.locator("li.card")

    def card(self, title: str) -> "CardPart":
        """The newest card with this title."""
        named = self.page.get_by_role("heading", name=title, exact=True)
        return CardPart(self, self.cards().filter(has=named).first)

    async def tell(self, locator: Locator) -> dict[str, Any]:
        """What the page remembers of a card: its id, token and links."""
        key = await locator.get_attribute("data-key")
        text = await self.page.evaluate(
            "key => localStorage.getItem('ringback-demo:card:' + key)", key
        )
        told: dict[str, Any] = json.loads(text)
        return told


class CardPart:
    """One card."""

    def __init__(self, page: DemoPage, locator: Locator) -> None:
        self.page = page
        self.here = locator

    async def becomes(self, state: str) -> None:
        """Wait for a state."""
        await expect(self.here).to_have_attribute("data-state", state)

    def button(self, name: str) -> Locator:
        return self.here.locator("header").get_by_role("button", name=name)

    def thumbnails(self) -> Locator:
        return self.here.locator("li.thumb")

    def requests(self) -> Locator:
        return self.here.locator(".wire-request")

    async def wire(self) -> list[dict[str, Any]]:
        """The wire log as the page keeps it."""
        key = await self.here.get_attribute("data-key")
        # It is written once a second, and when the page is left.
        await self.page.page.evaluate("dispatchEvent(new Event('pagehide'))")
        text = await self.page.page.evaluate(
            "key => localStorage.getItem('ringback-demo:wire:' + key)", key
        )
        entries: list[dict[str, Any]] = json.loads(text)
        return entries

    async def operation(self) -> dict[str, Any]:
        """The operation, as the server tells it."""
        answer = await self.page.demo.ask(await self.page.tell(self.here))
        shown: dict[str, Any] = answer.raise_for_status().json()
        return shown
