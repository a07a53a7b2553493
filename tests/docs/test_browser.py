"""What the documents show for browsers works in one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.docs.blocks import blocks
from tests.docs.session import Session
from tests.docs.test_pages import ROOT, pytestmark
from tests.e2e import chromium

LIMIT = 40_000
"""Milliseconds to wait for what a page is to show: the machine may be busy."""
HANDED = """
    window.shown = [];
    const show = (operation) => shown.push(operation);
    const showProgress = (progress) => shown.push(progress);
    const add = (part) => shown.push(part);
    const input = {files: [new File(["buy milk, and tea"], "list.txt", {type: "text/plain"})]};
"""
"""What a snippet takes from the page it stands for."""

__all__ = ["pytestmark"]


@pytest.fixture(scope="module")
def browser(browser_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser_path, args=chromium.ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Of a visitor who has never been here."""
    with browser.new_context() as context:
        opened = context.new_page()
        opened.set_default_timeout(LIMIT)
        yield opened


def test_the_page_of_the_quickstart(page: Page, tmp_path: Path) -> None:
    found = blocks(ROOT / "docs" / "quickstart.md")
    (served,) = (block for block in found if block.role == "server" and "uvicorn" in block.text)
    written = [block for block in found if block.role in ("file", "append")]
    with Session("docs/quickstart.md", tmp_path) as session:
        session.run([*written, served])
        page.goto(session.url)
        page.get_by_role("button").click()
        expect(page.locator("li").nth(1)).to_be_visible(timeout=LIMIT)
        page.reload()  # it comes back to the same operation, with what it had shown
        expect(page.locator("#message")).to_have_text("succeeded", timeout=LIMIT)
        expect(page.locator("li")).to_have_count(6)
        expect(page.locator("#result")).to_have_text('{"orders":621}')


@pytest.mark.parametrize(
    ("name", "before", "seen"),
    [
        ("follow", 0, ["each.status === 'succeeded' && each.result === 3", "each.data === 2"]),
        ("uploads", 0, ["each.fraction === 1", "each.message === 'reading'"]),
        ("topics", 2, ["each.topic === 'prices/tea' && each.cents === 250"]),
    ],
)
def test_a_snippet(page: Page, tmp_path: Path, name: str, before: int, seen: list[str]) -> None:
    """``before``: blocks behind the server's that have to be run for it."""
    document = ROOT / "docs" / "how-to" / f"{name}.md"
    found = blocks(document)
    (snippet,) = (block for block in found if block.role == "browser")
    server = next(index for index, block in enumerate(found) if block.role == "server")
    with Session(str(document), tmp_path) as session:
        session.run(found[: server + 1 + before])
        page.goto(f"{session.url}/healthz")
        page.evaluate(f"async () => {{ {HANDED} {snippet.text} }}")
        for condition in seen:
            page.wait_for_function(f"shown.some((each) => {condition})")
