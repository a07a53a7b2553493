"""Everybody can use the page: axe-core finds nothing, the keyboard suffices, fingers hit."""

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Page, expect

from tests.e2e.axe import check, check_both
from tests.e2e.demonstration import Demonstration
from tests.examples.ask_around_me.browser.visitor import PHONE, WIDE, Company, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")

FINGER = 44
"""CSS pixels that what is pressed has at least (WCAG 2.2, 2.5.5)."""
TARGETS = """
  () => [...document.querySelectorAll(
      'a[href], button, input, select, textarea, summary, pre, [role="application"]')]
    .filter((each) => each.checkVisibility() && !each.matches('.map-credit a'))  // inline
    .map((each) => {
      const after = getComputedStyle(each, '::after');
      const covers = after.content !== 'none' && after.position === 'absolute';
      const pressed = [each, ...(each.labels ?? []), ...(covers ? [each.closest('li')] : [])];
      const boxes = pressed.map((one) => one.getBoundingClientRect());
      return [
        Math.max(...boxes.map((box) => box.width)), Math.max(...boxes.map((box) => box.height)),
        each.outerHTML.slice(0, 200),
      ];
    })
    .filter(([width, height]) => width < FINGER || height < FINGER)
""".replace("FINGER", str(FINGER))
HAND: dict[str, Any] = {"is_mobile": True, "has_touch": True}


async def look(visitor: Visitor, when: str) -> None:
    """A state of the page: in light and dark; on a phone once, and under a thumb."""
    page = visitor.page
    if not await page.evaluate("matchMedia('(pointer: coarse)').matches"):
        await check_both(page, when)
    else:
        await check(page, when)
        small: list[Any] = await page.evaluate(TARGETS)
        assert not small, f"{when}: smaller than {FINGER} pixels:\n" + "\n".join(map(str, small))
        size = await page.evaluate("[innerWidth, visualViewport.scale]")
        assert size == [PHONE["width"], 1], when


# A phone's page is the same in another order: half a minute more, for `make soak`.
everywhere = pytest.mark.parametrize(
    ("viewport", "options"),
    [
        pytest.param(WIDE, {}, id="wide"),
        pytest.param(PHONE, HAND, id="phone", marks=pytest.mark.soak),
    ],
)


@everywhere
async def test_axe_finds_nothing(
    company: Company, demo: Demonstration, tmp_path: Path, viewport: Any, options: Any
) -> None:
    photo = tmp_path / "photo.png"
    Image.effect_noise((300, 200), 60).convert("RGB").save(photo)
    ada = await company.comes(demo.url, viewport=viewport, **options)
    ben = await company.comes(demo.url, "Ben")
    page = ada.page
    await look(ada, "nothing asked")
    await page.get_by_role("button", name="Sign in").click()
    await look(ada, "signing in")
    await ada.give_name("Ada")
    await page.locator(".menu summary").click()
    await look(ada, "who one is")
    await page.locator(".menu summary").click()

    await ada.write("")
    await look(ada, "asking")
    await page.get_by_role("button", name="Ask", exact=True).click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.get_by_label("Add photos").set_input_files([photo])
    await expect(page.get_by_role("img", name="photo.png")).to_be_visible()
    await look(ada, "nothing written")
    await page.get_by_label("Your question").fill("Which is the best café for a long afternoon?")
    await page.get_by_role("button", name="Ask", exact=True).click()
    await ben.ask("Where is the pump?", "A place")
    await ada.sees("Which is the best café for a long afternoon?", "Where is the pump?")
    await expect(ada.card("Which is the best").get_by_role("presentation")).to_have_count(1)
    await look(ada, "a list")

    await ada.open("Which is the best café for a long afternoon?")
    await look(ada, "no answers")
    await page.get_by_role("button", name=re.compile("^Photo 1")).click()
    await look(ada, "a photo")
    await page.keyboard.press("Escape")
    await ada.give_stars(3.5)
    await ada.sees_score("3.5", "1 answer")
    await look(ada, "stars")
    await ada.go_home()
    await ada.open("Where is the pump?")
    await look(ada, "no places")
    await ada.point_at_middle()
    await expect(page.locator(".places-share")).to_have_text("100%")
    await look(ada, "places")
    await page.evaluate("location.hash = '#/questions/00000000-0000-4000-8000-000000000000'")
    await expect(page.get_by_role("heading", name="There is no such question")).to_be_visible()
    await look(ada, "no such question")
    await ada.go_home()

    await page.get_by_role("button", name="Wire").click()
    await page.locator("details.entry, .entry details").first.locator("summary").click()
    await look(ada, "the wire")
    await page.get_by_role("button", name="Close the panel").click()
    await ada.switch_network()
    await expect(page.locator(".banner[data-trouble]")).to_be_visible()
    await ada.ask("Nobody hears this yet?")
    await look(ada, "cut off")
    await ada.switch_network()
    await ada.is_live()
    await expect(ada.pending).to_have_count(0)


@everywhere
async def test_axe_finds_nothing_where_there_is_nothing_to_show(
    company: Company, demo: Demonstration, viewport: Any, options: Any
) -> None:
    ada = await company.comes(demo.url, viewport=viewport, **options)
    page = ada.page
    await page.route("**/api/questions?*", lambda route: None)
    await page.reload()
    await expect(page.locator(".skeleton").first).to_be_visible()
    await look(ada, "reading")
    await page.unroute("**/api/questions?*")
    await page.route("**/api/questions?*", lambda route: route.abort())
    await page.reload()
    await expect(page.get_by_role("alert")).to_contain_text("cannot be read")
    await look(ada, "not read")
    await page.route("**/api/config", lambda route: route.abort())
    await page.reload()
    await expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    await look(ada, "no server")


async def focused(page: Page) -> str:
    """The name of what has the focus."""
    name: str = await page.evaluate(
        """() => {
          const here = document.activeElement;
          return (here.getAttribute('aria-label') || here.labels?.[0]?.textContent
            || here.textContent || '').trim();
        }"""
    )
    return name


async def tab_to(page: Page, name: str) -> None:
    """Go there as the Tab key goes; what has the focus on the way is seen to have it."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        here = await focused(page)
        shown = await page.evaluate(
            """() => {
              const here = document.activeElement;
              const around = [here, here.nextElementSibling, ...(here.labels ?? []),
                here.closest('li'), here.parentElement];
              return here === document.body || around.some(
                (each) => each && getComputedStyle(each).outlineStyle !== 'none');
            }"""
        )
        assert shown, f"{here} has the focus, and nothing shows it"
        if here.startswith(name):
            return
    raise AssertionError(f"{name} is not reached by Tab")


async def test_by_keyboard_alone(company: Company, demo: Demonstration) -> None:
    ben = await company.comes(demo.url, "Ben")
    await ben.ask("Where is the ferry?", "A place")
    ada = await company.comes(demo.url)
    page, keyboard = ada.page, ada.page.keyboard
    await ada.sees("Where is the ferry?")

    await tab_to(page, "Sign in")
    await keyboard.press("Enter")
    await keyboard.type("Ada")
    await keyboard.press("Enter")
    await expect(page.locator(".menu summary")).to_contain_text("Ada")

    await tab_to(page, "Ask a question")
    await keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await tab_to(page, "Your question")
    await keyboard.type("How good is the soup?")
    await tab_to(page, "Stars")
    await tab_to(page, "Ask")
    await keyboard.press("Enter")
    await ada.sees("Where is the ferry?", "How good is the soup?")
    await ben.sees("Where is the ferry?", "How good is the soup?")

    await tab_to(page, "How good is the soup?")
    await keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await tab_to(page, "How many stars do you give?")
    for _ in range(7):
        await keyboard.press("ArrowRight")
    await expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", "3½ stars")
    await tab_to(page, "Give 3½ stars")
    await keyboard.press("Enter")
    await ada.sees_score("3.5", "1 answer")
    await expect(ben.card("How good is the soup?")).to_contain_text("1 answer")

    await page.go_back()
    await expect(ada.card("How good is the soup?").get_by_role("link")).to_be_focused()
    await ada.questions.get_by_role("link", name="Where is the ferry?").focus()
    await keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await tab_to(page, "The place of this question")
    await keyboard.press("ArrowUp")
    await keyboard.press("Enter")
    await expect(page.locator(".answer")).to_contain_text("north of where it was asked")
    await page.locator("#own").focus()
    await tab_to(page, "Send this place")
    await keyboard.press("Enter")
    await expect(page.locator(".places-share")).to_have_text("100%")
    await expect(ben.card("Where is the ferry?")).to_contain_text("1 place")


async def test_nothing_moves_for_those_who_do_not_want_it(
    company: Company, demo: Demonstration
) -> None:
    ada = await company.comes(demo.url, "Ada")
    await ada.ask("Does anything move?")
    await ada.open("Does anything move?")
    await ada.page.get_by_role("button", name="Zoom in").click()
    assert await ada.page.evaluate("document.getAnimations().length") == 0
