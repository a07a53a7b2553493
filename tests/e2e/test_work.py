"""What a user sees of the work: acknowledged, in progress, in part, done, cancelled, failed."""

import csv
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from ringback.demo import samples
from ringback.demo.photos import SIZES
from tests.e2e.page import DemoPage

pytestmark = pytest.mark.asyncio(loop_scope="session")

STEPS = len(SIZES) + 2
"""Parts of a photo: the thumbnails, the palette, the histogram."""


async def test_a_photo_from_the_disk(page: DemoPage, files: Path) -> None:
    photo = files / "my dawn & <b>more.jpg"
    photo.write_bytes(samples.photo("dawn"))
    await page.set_pace(0.3)
    await page.choose(photo)
    card = page.card(photo.name)
    await expect(card.here.locator(".meta")).to_contain_text("acknowledged in")
    # Parts arrive before the whole is done.
    await expect(card.thumbnails().first).to_be_visible()
    await expect(card.here).to_have_attribute("data-state", "running")
    assert await card.thumbnails().count() < len(SIZES)
    await card.becomes("succeeded")
    await expect(card.thumbnails()).to_have_count(len(SIZES))
    widths = (
        await card.thumbnails()
        .locator("img")
        .evaluate_all("images => images.map(image => image.naturalWidth)")
    )
    assert widths == list(SIZES)
    await expect(card.here.locator(".facts")).to_contain_text(re.compile("1,800 . 1,200 JPEG"))
    await expect(card.here.locator(".palette li")).to_have_count(6)
    await expect(card.here.locator(".histogram")).to_be_visible()
    asked = [
        (entry["method"], entry["status"])
        for entry in await card.wire()
        if entry["kind"] == "request"
    ]
    assert sorted(asked) == [("GET", 200), ("POST", 201), ("PUT", 202)]


@pytest.mark.soak
async def test_a_large_photo_goes_in_pieces(page: DemoPage, files: Path) -> None:
    photo = files / "large.jpg"
    # A JPEG ends at its end marker; what stands behind it only makes the file large.
    photo.write_bytes(samples.photo("noon") + bytes(5 * 1024 * 1024))
    await page.set_pace(0)
    await page.choose(photo)
    card = page.card("large.jpg")
    await card.becomes("succeeded")
    pieces = [entry for entry in await card.wire() if entry.get("method") == "PUT"]
    assert [piece["status"] for piece in pieces] == [200] * (len(pieces) - 1) + [202]
    assert sum(piece["size"] for piece in pieces) == photo.stat().st_size
    assert len(pieces) == 6


@pytest.mark.soak
async def test_a_table_from_the_disk(page: DemoPage, files: Path) -> None:
    table = files / "small.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["n", "half", "day", "word", "nothing"])
        for number in range(1, 101):
            word = "odd" if number % 2 else "even"
            rows.writerow([number, number / 2, f"2024-01-{1 + number % 31:02}", word, ""])
    await page.set_pace(0)
    await page.choose(table)
    card = page.card("small.csv")
    await card.becomes("succeeded")
    await expect(card.here.locator(".facts")).to_have_text("100 rows, 5 columns")
    shown = {
        (await row.locator("th").inner_text()): [
            await cell.inner_text() for cell in await row.locator("td").all()
        ]
        for row in await card.here.locator("tbody tr").all()
    }
    assert shown["n"][:5] == ["integer", "100 %", "1", "50.5", "100"]
    assert shown["half"][:5] == ["number", "100 %", "0.5", "25.25", "50"]
    assert shown["day"][:5] == ["date", "100 %", "2024-01-01", "", "2024-01-31"]
    assert shown["word"][0] == "text"
    assert [" ".join(value.split()) for value in shown["word"][5].split("odd")] == [
        "even 50 %",
        "50 %",
    ]
    assert shown["nothing"][:2] == ["empty", "0 %"]


@pytest.mark.soak
async def test_a_table_shows_its_columns_while_it_is_read(page: DemoPage) -> None:
    await page.set_pace(0.2)
    await page.start("table")
    card = page.card("orders.csv")
    await expect(card.here.locator(".facts")).to_contain_text("rows so far, 8 columns")
    await card.becomes("succeeded")
    await expect(card.here.locator(".facts")).to_have_text("20,000 rows, 8 columns")


async def test_cancelling(page: DemoPage) -> None:
    await page.set_pace(1)
    await page.start("primes")
    card = page.card("Count primes")
    await card.becomes("running")
    await card.button("Cancel").click()
    await card.becomes("cancelled")
    await expect(card.button("Cancel")).to_be_hidden()
    assert (await card.operation())["status"] == "cancelled"


@pytest.mark.soak
async def test_a_killed_worker_is_made_up_for(page: DemoPage) -> None:
    await page.set_pace(0.5)
    await page.start("photo")
    card = page.card("dawn.jpg")
    await expect(card.thumbnails().nth(1)).to_be_visible()
    await page.kill_worker()
    await card.becomes("succeeded")
    await expect(card.here.locator(".notice")).to_contain_text("Went on in attempt 2, after the")
    await expect(card.thumbnails()).to_have_count(len(SIZES))
    operation = await card.operation()
    assert operation["attempt"] == 2
    parts = operation["parts"]
    assert [part["index"] for part in parts] == list(range(STEPS))
    assert len({part["data"]["step"] for part in parts}) == STEPS
    attempts = [part["attempt"] for part in parts]
    assert attempts == sorted(attempts)
    assert set(attempts) == {1, 2}
    # What the page shows is what there is: each part's event came once.
    events = [
        entry["gist"].split()[0] for entry in await card.wire() if entry.get("name") == "part"
    ]
    assert events == [f"#{index}" for index in range(STEPS)]


async def test_nothing_to_kill(page: DemoPage) -> None:
    await page.page.get_by_role("button", name="Kill the worker").click()
    await expect(page.page.locator("#toast-text")).to_contain_text("No operation is running")


@pytest.mark.soak
async def test_failing_once(page: DemoPage) -> None:
    await page.set_pace(0.1)
    await page.start("stumble")
    card = page.card("Fail once, then succeed")
    await card.becomes("succeeded")
    await expect(card.here.locator(".facts")).to_have_text("Done, in attempt 2.")
    # A stream that was opened late begins with the state as it was by then.
    told = ("snapshot", "status")
    states = [entry["gist"] for entry in await card.wire() if entry.get("name") in told]
    assert states[-3:] == [
        "queued  attempt 1",
        "running  attempt 2",
        "succeeded  attempt 2  with the result",
    ]


@pytest.mark.soak
async def test_failing_for_good_and_running_again(page: DemoPage) -> None:
    await page.set_pace(0)
    await page.start("doomed")
    first = page.card("Fail for good")
    await first.becomes("failed")
    await expect(first.here.locator(".problem")).to_contain_text("dead letter")
    before = await first.operation()
    await first.button("Run again").click()
    await expect(page.cards()).to_have_count(2)
    second = page.card("Fail for good")  # the newest stands first
    await second.becomes("failed")
    after = await second.operation()
    assert after["parent"] == before["id"]
    await expect(
        page.page.locator("li.card").last.get_by_role("button", name="Run again")
    ).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "content", "state", "cause"),
    [
        ("notes.txt", b"hello", "refused", "Unsupported media type"),
        ("broken.jpg", b"hello", "failed", "no picture that Pillow can read"),
        ("empty.csv", b"", "failed", "holds no table"),
    ],
)
async def test_what_cannot_be_worked_on(
    page: DemoPage, files: Path, name: str, content: bytes, state: str, cause: str
) -> None:
    (files / name).write_bytes(content)
    await page.choose(files / name)
    card = page.card(name)
    await card.becomes(state)
    await expect(card.here.locator(".problem")).to_contain_text(cause)


@pytest.mark.soak
async def test_removing_forgets_at_the_server_too(page: DemoPage) -> None:
    await page.set_pace(0)
    await page.start("primes")
    card = page.card("Count primes")
    await card.becomes("succeeded")
    told = await page.tell(card.here)
    async with page.page.expect_response(
        lambda answer: answer.request.method == "DELETE"
    ) as deleted:
        await card.button("Remove").click()
    assert (await deleted.value).status == 204
    await expect(page.cards()).to_have_count(0)
    await expect(page.page.locator("#empty")).to_be_visible()
    answer = await page.demo.ask(told)
    assert answer.status_code == 410
    await page.page.reload()
    await expect(page.page.locator("#empty")).to_be_visible()


@pytest.mark.soak
async def test_a_burst_is_acknowledged_and_done(page: DemoPage) -> None:
    await page.start("burst")
    await expect(page.page.locator("#toast-text")).to_contain_text("50 requests acknowledged")
    await expect(page.page.locator("#count-succeeded")).to_have_text("50", timeout=90_000)
    await expect(page.page.locator("#count-open")).to_have_text("0")
    ids = [(await page.tell(card))["id"] for card in await page.cards().all()]
    assert len(set(ids)) == 50
    await page.page.get_by_role("button", name="Remove ended").click()
    await expect(page.cards()).to_have_count(0)
