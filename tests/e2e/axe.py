"""What axe-core finds in a page as it stands."""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from playwright.async_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def check(page: Page, when: str, rules: object = RULES) -> None:
    """No violation in the page as it stands; and nothing to be scrolled to at the side."""
    if not await page.evaluate("'axe' in window"):  # half a megabyte to read
        await page.evaluate(AXE_SCRIPT)
    found: dict[str, Any] = await page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", rules
    )
    told = [
        f"{violation['id']}: {violation['help']}\n  {node['html']}\n  {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
    assert not told, f"{when}:\n" + "\n".join(told)
    assert await page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    ), f"{when}: the page is wider than its window"


async def check_both(page: Page, when: str) -> None:
    """The same in light and in dark; what does not depend on colours is looked at once."""
    await page.emulate_media(color_scheme="light")
    await check(page, f"{when}, light")
    await page.emulate_media(color_scheme="dark")
    await check(page, f"{when}, dark", {"type": "rule", "values": ["color-contrast"]})
