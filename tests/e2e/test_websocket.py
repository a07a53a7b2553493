"""The WebSocket of a real browser, as a page would use it: no headers, no pings of its own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.edges.websocket.talking import WAYS, Server, granted, served

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLIENT = """
(url) => {
  const socket = new WebSocket(url, ["ringback.v1"]);
  const heard = [];
  let waiting = [];
  const wake = () => { waiting.forEach((each) => each()); waiting = []; };
  socket.onmessage = (event) => { heard.push(JSON.parse(event.data)); wake(); };
  socket.onclose = (event) => { heard.push({type: "closed", code: event.code}); wake(); };
  window.say = (action) => socket.send(JSON.stringify(action));
  window.hear = async () => {
    while (!heard.length) await new Promise((resolve) => waiting.push(resolve));
    return heard.shift();
  };
  return new Promise((resolve) => {
    socket.onopen = () => resolve({protocol: socket.protocol, extensions: socket.extensions});
    socket.onerror = () => resolve(null);
  });
}
"""


class Client:
    """A WebSocket in a page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def open(self, url: str) -> Any:
        return await self.page.evaluate(CLIENT, url)

    async def say(self, **action: object) -> None:
        await self.page.evaluate("(action) => say(action)", action)

    async def hear(self) -> Any:
        return await self.page.evaluate("() => hear()")


@pytest_asyncio.fixture(params=WAYS, loop_scope="session")
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    async with served(tmp_path / "data", request.param) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def client(browser: Browser, server: Server) -> AsyncIterator[Client]:
    page = await browser.new_page()
    await page.goto(f"{server.http}/healthz")
    yield Client(page)
    await page.close()


async def test_a_page_authenticates_follows_and_publishes(server: Server, client: Client) -> None:
    opened = await client.open(f"{server.url}/ws")
    assert opened["protocol"] == "ringback.v1"
    assert "permessage-deflate" in opened["extensions"]
    assert (await client.hear())["type"] == "welcome"
    token = granted("granted/#", publish=("granted/#",))
    await client.say(action="authenticate", id="1", token=token)
    assert (await client.hear())["result"]["subject"] == "ada"
    await client.say(action="subscribe", id="2", filter="granted/+")
    position = (await client.hear())["result"]["position"]
    await server.publish("granted/a", {"text": 3000 * "é"})
    message = await client.hear()
    assert message["data"] == {"text": 3000 * "é"}
    await client.say(action="publish", id="3", topic="granted/b", data=[1])
    both = [await client.hear(), await client.hear()]
    assert {each["type"] for each in both} == {"reply", "message"}
    await client.say(action="subscribe", id="4", filter="granted/#", after=position)
    assert (await client.hear())["result"]["position"] == position
    replayed = [await client.hear() for _ in range(3)]
    assert [each["type"] for each in replayed] == ["message", "message", "current"]
    await client.say(action="submit", id="5", task="double", input={"n": 21}, follow=True)
    heard = [await client.hear()]
    while heard[-1]["type"] != "end":
        heard.append(await client.hear())
    assert heard[-2]["data"]["result"] == 42


async def test_a_page_sees_the_close_code(server: Server, client: Client) -> None:
    await client.open(f"{server.url}/ws")
    await client.hear()
    for _ in range(17):
        await client.say(nothing=True)
    heard = [await client.hear()]
    while heard[-1]["type"] != "closed":
        heard.append(await client.hear())
    assert heard[-1]["code"] == 4400


async def test_a_page_is_told_goodbye(server: Server, client: Client) -> None:
    await client.open(f"{server.url}/ws")
    await client.hear()
    server.application.started.hub.close()
    async with asyncio.timeout(60):
        bye, closed = await client.hear(), await client.hear()
    assert bye["type"] == "bye"
    assert closed["code"] == 4500


async def test_a_page_of_another_origin_is_refused(server: Server, client: Client) -> None:
    await client.page.goto("data:text/html,<p>elsewhere</p>")
    assert await client.open(f"{server.url}/ws") is None
    assert (await client.hear())["code"] == 1006
