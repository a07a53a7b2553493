"""What one asks and answers, the others see: on each transport, with places and photos."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import expect

from tests.e2e.demonstration import Demonstration
from tests.examples.ask_around_me.browser.visitor import TRANSPORTS, Company

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_others_see_what_is_asked_and_answered(company: Company, demo: Demonstration) -> None:
    """On each transport, one after the other: a page takes longer to open than all of it."""
    ada = await company.comes(demo.url, "Ada")
    ben = await company.comes(demo.url, "Ben")
    eve = await company.comes(demo.url)
    asked: list[str] = []
    for transport in TRANSPORTS:
        bread, cheese = (
            f"Is the bread good, by {transport}?",
            f"Is the cheese good, by {transport}?",
        )
        await ben.follow_by(transport)
        await ada.is_live("WebSocket")

        await ada.ask(bread)
        await expect(ben.card(bread)).to_contain_text("New")
        await ben.ask(cheese)  # followed by the same transport
        asked += [bread, cheese]
        for each in (ada, ben, eve):
            await each.sees(*asked)
        await expect(ada.card(cheese)).to_contain_text("Ben")

        await ben.open(bread)
        await ada.open(bread)
        await ben.give_stars(3.5)
        await expect(ben.page.get_by_role("heading", name="You answered")).to_be_visible()
        await ada.sees_score("3.5", "1 answer")
        await ada.give_stars(5)
        await ben.sees_score("4.3", "2 answers")
        await ben.give_stars(2)
        await ada.sees_score("3.5", "2 answers")
        bars = ada.page.get_by_role("list", name="Answers by stars").get_by_role("listitem")
        await expect(bars.filter(has_text="2 stars: 1 answer")).to_have_count(1)
        await expect(bars.filter(has_text=re.compile(": 1 answer"))).to_have_count(2)
        await ben.page.get_by_role("button", name="Withdraw").click()
        await ada.sees_score("5.0", "1 answer")
        await expect(eve.card(bread)).to_contain_text("1 answer")
        await ben.is_live(transport)
        for each in (ada, ben):
            await each.go_home()


async def test_places_become_a_heat_map(company: Company, demo: Demonstration) -> None:
    ada = await company.comes(demo.url, "Ada")
    ben = await company.comes(demo.url)
    await ada.ask("Where is it quiet?", "A place")
    for each in (ada, ben):
        await each.open("Where is it quiet?")
    await ben.point_at_middle()
    await ben.give_name("Ben")  # only now he has to
    await expect(ada.page.get_by_role("button", name="show on the map")).to_have_count(1)
    map_ = ada.page.get_by_role("application")
    box = await map_.bounding_box()
    assert box is not None
    await ada.page.mouse.click(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.3)
    await ada.page.get_by_role("button", name="Send this place").click()
    await expect(ada.page.get_by_role("heading", name="You answered")).to_be_visible()
    for each in (ada, ben):
        shares = each.page.locator(".places-share")
        await expect(shares).to_have_text(["50%", "50%"])
        await expect(each.page.locator(".places")).to_contain_text("north-east")


async def test_photos_are_made_small_and_shown_to_all(
    company: Company, demo: Demonstration, tmp_path: Path
) -> None:
    paths = [tmp_path / "wide.jpg", tmp_path / "tall.png"]
    for path, size in zip(paths, ((2000, 1000), (300, 600)), strict=True):
        Image.effect_noise(size, 60).convert("RGB").save(path)
    (tmp_path / "notes.txt").write_text("hello")
    ada = await company.comes(demo.url, "Ada")
    ben = await company.comes(demo.url)
    await ada.write("Whose are these?", photos=[*paths, tmp_path / "notes.txt"])
    await expect(ada.page.get_by_role("alert")).to_contain_text("notes.txt is no JPEG")
    await expect(ada.page.locator(".preview")).to_have_count(2)
    await ada.page.get_by_role("button", name="Ask", exact=True).click()
    await ben.sees("Whose are these?")
    await ada.open("Whose are these?")
    for each in (ada, ben):
        if each is ben:
            await expect(ben.card("Whose are these?")).to_contain_text("2 photos")
            await ben.open("Whose are these?")
        thumbs = each.page.get_by_role("button", name=re.compile("^Photo . of 2"))
        await expect(thumbs).to_have_count(2)
        await thumbs.first.click()
        shown = each.page.get_by_role("dialog").get_by_role("img", name="Photo 1 of 2")
        await expect(shown).to_have_js_property("complete", True)
        assert await shown.evaluate("image => image.naturalWidth") in (300, 1600)
        await each.page.keyboard.press("Escape")
    await expect(ada.page.locator(".sending")).to_have_count(0)


async def test_who_moves_the_map_sees_what_is_asked_there(
    company: Company, demo: Demonstration
) -> None:
    ada = await company.comes(demo.url, "Ada")
    ben = await company.comes(demo.url, "Ben")
    await ada.ask("Still here?")
    await ben.sees("Still here?")
    await ben.page.get_by_role("application").focus()
    for _ in range(8):
        await ben.page.keyboard.press("ArrowRight")
    await expect(ben.page.get_by_role("heading", level=1)).to_have_text("Around here")
    await ben.sees()
    await expect(ben.page.get_by_text("Nobody has asked here yet")).to_be_visible()
    await ben.ask("And over here?")
    await ben.sees("And over here?")
    await ben.page.get_by_role("button", name="Where I am").click()
    await ben.is_home()
    await ben.sees("Still here?")
    await ada.ask("Are you back?")
    await ben.sees("Still here?", "Are you back?")
    await ada.sees("Still here?", "Are you back?")
