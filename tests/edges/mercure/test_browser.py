"""A real EventSource, in Chromium: across origins, with the cookie, over a cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from tests.e2e import chromium
from tests.edges.mercure.hub import BOOK, HUB, hub, token
from tests.serving import serve, until

PAGE = """(url) => {
    window.got = [];
    const source = new EventSource(url, { withCredentials: true });
    const note = (event) => got.push([event.type, event.lastEventId, event.data]);
    source.onmessage = note;
    source.addEventListener("renamed", note);
    source.onopen = () => { window.opened = (window.opened || 0) + 1; };
}"""


async def page_of_another_origin(scope: dict, receive: object, send: object) -> None:  # type: ignore[type-arg]
    """An application with an empty page."""
    headers = [(b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b"<!doctype html>"})  # type: ignore[operator]


async def test_an_event_source_comes_back_and_misses_nothing(data: Path, path: str) -> None:
    found = chromium.find()
    if found is None:
        pytest.skip(f"no Chromium is installed. {chromium.CURE}")
    async with (
        serve(page_of_another_origin, lifespan="off") as origin,
        hub(data, path, cors_origins=(origin,)) as served,
        async_playwright() as playwright,
    ):
        url = str(served.client.base_url).rstrip("/")
        browser = await playwright.chromium.launch(executable_path=found, args=chromium.ARGUMENTS)
        context = await browser.new_context()
        cookie = {"name": "mercureAuthorization", "value": token(None, [BOOK]), "url": url}
        await context.add_cookies([cookie])  # type: ignore[list-item]
        page = await context.new_page()
        await page.goto(origin)
        await page.evaluate(PAGE, f"{url}{HUB}?topic={BOOK}")
        await page.wait_for_function("window.opened === 1")
        # Cut before the first event, and after: what comes meanwhile is there at once.
        for times in (1, 2):
            served.rb.started.http.keeper.farewell(0.3)
            await until(lambda: not served.rb.started.hub.followers)
            await served.publish(data=f"{times}\nprivate", private="on", id=f"urn:é:{times}")
            await served.publish(data='{"n": 1}', type="renamed")
            await page.wait_for_function(f"window.opened === {times + 1}")
            await page.wait_for_function(f"got.length === {2 * times}")
        got = await page.evaluate("got")
        await browser.close()
        assert [each[0] for each in got] == ["message", "renamed"] * 2
        assert [each[2] for each in got] == [
            "1\nprivate",
            '{"n": 1}',
            "2\nprivate",
            '{"n": 1}',
        ]
        assert [each[1] for each in got][::2] == ["urn:é:1", "urn:é:2"]
