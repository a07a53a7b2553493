"""The map's ground: tiles of a server on this machine, and outlines where there are none."""

import io
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.e2e.demonstration import Demonstration
from tests.examples.ask_around_me.browser.conftest import ALONE
from tests.examples.ask_around_me.browser.visitor import Company
from tests.serving import serve

pytestmark = pytest.mark.asyncio(loop_scope="session")

GENOA = {"latitude": 44.41, "longitude": 8.93}
"""Half land, half sea."""
COLOUR = (12, 200, 34)
"""Of a tile; nothing else on the page has it."""
GROUND = """
  (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const counts = new Map();
    for (let at = 0; at < data.length; at += 4) {
      const colour = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
      counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
    return [...counts.values()].filter((count) => count > data.length / 40).length;
  }
"""
"""How many colours have a tenth of the canvas."""


class Tiles:
    """A tile server: what it was asked for, and whether it answers."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_broken = False
        picture = io.BytesIO()
        Image.new("RGB", (256, 256), COLOUR).save(picture, "PNG")
        self._picture = picture.getvalue()

    async def tile(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        if self.is_broken:
            return Response("Not now.", 503)
        return Response(self._picture, media_type="image/png")

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{z:int}/{x:int}/{y:int}.png", self.tile)])


@pytest_asyncio.fixture(loop_scope="session")
async def tiles() -> AsyncIterator[tuple[Tiles, str]]:
    served = Tiles()
    async with serve(served.app) as url:
        yield served, url


async def share(page: Page) -> float:
    """How much of the map has a tile's colour."""
    taken = await page.locator(".area-map").screenshot()
    picture = Image.open(io.BytesIO(taken)).convert("RGB").resize((100, 100), Image.Resampling.BOX)
    data = picture.tobytes()
    near = [
        all(abs(one - other) < 60 for one, other in zip(pixel, COLOUR, strict=True))
        for pixel in zip(data[0::3], data[1::3], data[2::3], strict=True)
    ]
    return sum(near) / len(near)


async def test_tiles_are_shown_and_outlines_where_they_fail(
    company: Company, tiles: tuple[Tiles, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    served, url = tiles
    served.is_broken = True
    environment = ALONE | {"ASK_AROUND_ME_TILES": f"{url}/{{z}}/{{x}}/{{y}}.png"}
    with Demonstration(tmp_path_factory.mktemp("tiles"), "ask-around-me", environment) as demo:
        ada = await company.comes(demo.url, geolocation=GENOA)
        page = ada.page
        ground, shown = page.locator(".area-map"), page.locator(".map-tiles img[data-shown=true]")
        credit = page.get_by_role("link", name="© OpenStreetMap contributors")
        # All that were tried have failed: the outlines are what is seen.
        await expect(page.locator(".map-tiles img")).to_have_count(0)
        assert len(served.asked) >= 6
        await expect(ground).to_have_attribute("data-tiled", "false")
        await page.wait_for_function(
            f"() => ({GROUND})(document.querySelector('.map-ground')) >= 2"
        )
        assert await share(page) == 0

        # There is a network again.
        served.is_broken = False
        await page.evaluate("dispatchEvent(new Event('online'))")
        await expect(ground).to_have_attribute("data-tiled", "true")
        await expect(shown).not_to_have_count(0)
        assert await share(page) > 0.5
        await expect(credit).to_be_visible()
        await expect(credit).to_have_attribute("href", re.compile("openstreetmap.org/copyright$"))
        assert all(re.fullmatch(r"/\d+/\d+/\d+\.png", path) for path in served.asked)

        # Those that are there stay, and where the next ones fail the outlines are beneath them.
        served.is_broken = True
        await page.get_by_role("button", name="Zoom in", exact=True).click()
        await page.get_by_role("button", name="Zoom in", exact=True).click()
        await expect(ground).to_have_attribute("data-tiled", "false")
        await expect(page.get_by_role("application")).to_be_visible()
