"""The wire log tells what was sent, so exactly that it can be sent again from a shell."""

import json
import shutil
import subprocess

import pytest
from playwright.async_api import expect

from tests.e2e.page import CardPart, DemoPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None, reason="curl is not installed: apt install curl"
)


async def copied(card: CardPart, number: int) -> str:
    """The command that the copy button of a request gives."""
    page = card.page.page
    row = card.requests().nth(number)
    await row.scroll_into_view_if_needed()
    await row.get_by_role("button", name="Copy").click()
    await expect(row.locator(".copied")).to_be_visible()
    command: str = await page.evaluate("navigator.clipboard.readText()")
    return command


def run(command: str) -> str:
    # The user's shell, as when it is pasted there.
    return subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=True, timeout=30
    ).stdout


@needs_curl
@pytest.mark.soak
async def test_a_submission_copied_as_curl_is_the_same_submission(page: DemoPage) -> None:
    await page.set_pace(0)
    await page.start("primes")
    card = page.card("Count primes")
    await card.becomes("succeeded")
    command = await copied(card, 0)
    assert command.startswith("curl -i -X POST ")
    answer = run(command)
    head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
    assert "idempotency-replayed: true" in head.lower()
    assert json.loads(body)["id"] == (await page.tell(card.here))["id"]


@needs_curl
async def test_a_stream_copied_as_curl_tells_the_same(page: DemoPage) -> None:
    await page.set_pace(0)
    await page.start("primes")
    card = page.card("Count primes")
    await card.becomes("succeeded")
    command = await copied(card, 1)
    assert command.startswith("curl -N ")
    told = run(command)
    assert "event: snapshot" in told
    assert "348513" in told


async def test_tokens_are_not_shown(page: DemoPage) -> None:
    await page.set_pace(0)
    await page.start("primes")
    card = page.card("Count primes")
    await card.becomes("succeeded")
    token = (await page.tell(card.here))["token"]
    assert token not in await page.page.content()


async def test_every_request_of_the_page_is_in_a_log(page: DemoPage) -> None:
    sent: list[tuple[str, str]] = []
    page.page.on(
        "request",
        lambda request: sent.append((request.method, request.url.removeprefix(page.demo.url))),
    )
    await page.set_pace(0.2)
    await page.start("photo")
    card = page.card("dawn.jpg")
    await card.becomes("succeeded")
    logged = [
        (entry["method"], entry["path"])
        for entry in await card.wire()
        if entry["kind"] == "request"
    ]
    ours = [line for line in sent if line[1].startswith(("/uploads", "/operations", "/tasks"))]
    assert sorted(logged) == sorted(ours)
