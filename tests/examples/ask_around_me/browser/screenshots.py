"""Takes pictures of Ask Around Me as `make demo` shows it, into docs/images; `make screenshots`.

The neighbours are the demo's own, and what they say is drawn by lot: each run gives other pictures
of the same.
"""

import asyncio
import io
import re
import tempfile
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.e2e import chromium
from tests.e2e.demonstration import ROOT, Demonstration
from tests.examples.ask_around_me.browser.visitor import PHONE, Visitor

IMAGES = ROOT / "docs" / "images"
SPREAD = re.compile("[4-8] answers")
"""So many that it is seen how they spread; there are eight neighbours."""
NAME = "ask-around-me"
WINDOW = {"width": 1280, "height": 1040}
SLOW = {"ASK_AROUND_ME_PACE": "1.5"}
"""There is time to take a picture of what is on its way."""


PATIENCE = 120_000
"""Milliseconds until neighbours who take their time have answered."""
COLOURS = 256
MOST_BYTES = 200 * 1024
SHARP = 1.25
"""Device pixels to a CSS pixel: legible on a fine screen, and small enough a file."""


async def visitor(browser: Browser, demo: Demonstration, **options: object) -> Visitor:
    context = await browser.new_context(reduced_motion="reduce", **options)  # type: ignore[arg-type]
    seen = Visitor(await context.new_page())
    await seen.page.goto(demo.url)
    await expect(seen.questions.get_by_role("listitem")).not_to_have_count(0)
    return seen


async def around(browser: Browser, demo: Demonstration, scheme: str) -> None:
    """The map, the list, and what goes over the wire while one's own question is on its way."""
    ada = await visitor(
        browser, demo, viewport=WINDOW, color_scheme=scheme, device_scale_factor=SHARP
    )
    page = ada.page
    await ada.sign_in("Ada")
    await ada.follow_by("WebSocket")
    rated = ada.questions.get_by_role("listitem").filter(
        has_text=re.compile("[2-9] (answers|places)")
    )
    await expect(rated.nth(5)).to_be_visible(timeout=PATIENCE)
    await page.get_by_role("button", name="Wire").click()
    await ada.ask("Who repairs bicycles on a Sunday?", "A place")
    await expect(ada.pending).to_contain_text("Publishing")
    await page.get_by_role("button", name="Pause").click()
    await rest(ada)
    await save(page, f"{NAME}-{scheme}")
    await expect(ada.pending).to_have_count(0)
    await page.context.close()


async def phone(browser: Browser, demo: Demonstration) -> None:
    """What people say, on a small screen."""
    ada = await visitor(
        browser,
        demo,
        viewport=PHONE,
        is_mobile=True,
        has_touch=True,
        device_scale_factor=2 * SHARP,
    )
    rated = ada.questions.get_by_role("listitem").filter(has_text=SPREAD)
    await rated.first.get_by_role("link").click(timeout=PATIENCE)
    await expect(ada.page.locator(".score")).to_contain_text(SPREAD)
    await rest(ada)
    await save(ada.page, f"{NAME}-phone")
    await ada.page.context.close()


async def rest(seen: Visitor) -> None:
    """Nothing is pointed at, and nothing has the focus."""
    await seen.page.mouse.move(0, 0)
    await seen.page.evaluate("document.activeElement.blur()")


async def save(page: Page, name: str) -> None:
    """Keep a picture of what is to be seen, with as few colours as do it justice."""
    taken = Image.open(io.BytesIO(await page.screenshot())).convert("RGB")
    few = taken.quantize(COLOURS, kmeans=3, dither=Image.Dither.FLOYDSTEINBERG)
    path = IMAGES / f"{name}.png"
    few.save(path, optimize=True)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{path} has {size} bytes; at most {MOST_BYTES} are to be kept.")


async def main() -> None:
    path = chromium.find()
    if path is None:
        raise SystemExit(f"No Chromium is installed. {chromium.CURE}")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with async_playwright() as playwright:
            arguments = (*chromium.ARGUMENTS, chromium.LOOPBACK_ONLY)
            browser = await playwright.chromium.launch(executable_path=path, args=arguments)
            for scheme in ("light", "dark"):
                # Each begins as `make demo` does.
                place = Path(folder) / scheme
                place.mkdir()
                with Demonstration(place, NAME, SLOW) as demo:
                    await around(browser, demo, scheme)
                    if scheme == "light":
                        await phone(browser, demo)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
