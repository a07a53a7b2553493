"""A real EventSource, in Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from tests.e2e import chromium
from tests.edges.topics.application import publish, served
from tests.serving import until

PAGE = """
    window.got = [];
    window.source = new EventSource("/topics?filter=log/%2B&filter=gauge/%2B");
    source.onmessage = (event) => got.push([event.lastEventId, JSON.parse(event.data)]);
    source.addEventListener("gap", (event) => got.push(["gap", JSON.parse(event.data)]));
    source.onopen = () => { window.opened = (window.opened || 0) + 1; };
"""


async def test_an_event_source_comes_back_and_misses_nothing(data: Path, path: str) -> None:
    found = chromium.find()
    if found is None:
        pytest.skip(f"no Chromium is installed. {chromium.CURE}")
    async with served(data, path) as (rb, http), async_playwright() as playwright:
        await publish(http, "gauge/a", "last")
        browser = await playwright.chromium.launch(executable_path=found, args=chromium.ARGUMENTS)
        page = await browser.new_page()
        await page.goto(f"{str(http.base_url).rstrip('/')}/healthz")
        await page.evaluate(f"() => {{ {PAGE} }}")
        await page.wait_for_function("window.opened === 1 && got.length === 1")
        await publish(http, "log/a", 1)
        await page.wait_for_function("got.length === 2")
        # Cut before the next message: what comes meanwhile is there after the reconnect.
        for connection in rb.started.http.keeper._all():
            connection.farewell(0.3)
        await until(lambda: not rb.started.hub.followers)
        await publish(http, "log/b", 2, 3)
        await page.wait_for_function("window.opened === 2 && got.length === 4")
        got = await page.evaluate("got")
        await browser.close()
        assert [each["data"] for _, each in got] == ["last", 1, 2, 3]
        assert [each["topic"] for _, each in got] == ["gauge/a", "log/a", "log/b", "log/b"]
        assert [each["position"] for _, each in got[1:]] == [id for id, _ in got[1:]]
