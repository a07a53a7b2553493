"""Takes the pictures in docs/images, of the real demo at work: `python -m tests.e2e.screenshots`.

What it takes a picture of is waited for, so a run gives the same pictures but for some figures.
"""

import asyncio
import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, async_playwright, expect

from tests.e2e import chromium
from tests.e2e.demonstration import ROOT, Demonstration
from tests.e2e.page import DemoPage

IMAGES = ROOT / "docs" / "images"
COLOURS = 256
MOST_BYTES = 200 * 1024
SHARP = 1.25
"""Device pixels to a CSS pixel: legible on a fine screen, and small enough a file."""


async def working(browser: Browser, demo: Demonstration, name: str, scheme: str) -> None:
    """A photo gone on with after its worker was killed, and a table that is being read."""
    context = await browser.new_context(
        viewport={"width": 1180, "height": 1320},
        color_scheme=scheme,  # type: ignore[arg-type]
        device_scale_factor=SHARP,
        reduced_motion="reduce",
    )
    page = DemoPage(await context.new_page(), demo)
    await page.page.goto(demo.url)
    await page.set_pace(0.8)
    await page.start("table")
    await page.start("photo")
    photo, table = page.card("dawn.jpg"), page.card("orders.csv")
    await expect(photo.thumbnails().nth(1)).to_be_visible()
    await page.kill_worker()
    await page.page.get_by_role("button", name="Close").click()
    await expect(photo.thumbnails().nth(3)).to_be_visible()
    await expect(table.here.locator("tbody tr").first).to_be_visible()
    await page.page.mouse.move(0, 0)
    await page.page.evaluate("document.activeElement.blur()")
    await save(page, name)
    await context.close()


async def phone(browser: Browser, demo: Demonstration, name: str) -> None:
    """A finished photo on a small screen."""
    context = await browser.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=SHARP, reduced_motion="reduce"
    )
    page = DemoPage(await context.new_page(), demo)
    await page.page.goto(demo.url)
    await page.set_pace(0)
    await page.start("photo")
    card = page.card("dawn.jpg")
    await card.becomes("succeeded")
    await card.here.scroll_into_view_if_needed()
    await page.page.evaluate("scrollTo(0, document.querySelector('#overview').offsetTop - 12)")
    await card.here.locator(".wire summary").click()
    await page.page.evaluate("document.activeElement.blur()")
    await save(page, name)
    await context.close()


async def save(page: DemoPage, name: str) -> None:
    """Keep a picture of what is to be seen, with as few colours as do it justice."""
    taken = Image.open(io.BytesIO(await page.page.screenshot())).convert("RGB")
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
    with tempfile.TemporaryDirectory() as folder, Demonstration(Path(folder)) as demo:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=path, args=chromium.ARGUMENTS
            )
            await working(browser, demo, "demo-light", "light")
            await working(browser, demo, "demo-dark", "dark")
            await phone(browser, demo, "demo-phone")
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
