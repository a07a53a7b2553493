"""Sending bytes: in order, exactly as many as declared, checked, by one request at a time."""

import asyncio
import base64
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ringback.uploads import slots
from tests.serving import until
from tests.uploads.client import Declared, declared, names_of, sha256
from tests.uploads.conftest import Served

MB = 1024 * 1024


async def chunks(data: bytes, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    """A body whose length the request does not say."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_one_request(client: httpx.AsyncClient, data: Path) -> None:
    content = os.urandom(9 * MB + 17)
    upload = await declared(client, "loop/a", content, sha256=sha256(content).upper())
    answer = await upload.put(content)
    assert answer.status_code == 202
    assert answer.json()["id"] == upload.id
    assert answer.headers["location"] == f"/operations/{upload.id}"
    assert answer.headers["upload-offset"] == answer.headers["upload-length"] == str(len(content))
    assert answer.headers["upload-complete"] == "?1"
    result = await upload.result()
    assert result["sha256"] == result["declared"] == sha256(content)
    assert (await upload.show())["complete"] is True
    # The file is there, and nothing of how it came.
    assert names_of(data, upload) == ["declared", "file"]


async def test_many_requests(client: httpx.AsyncClient) -> None:
    content = os.urandom(1000)
    upload = await declared(client, "loop/a", content)
    first = await upload.put(content[:400])
    assert (first.status_code, first.json()) == (200, {"offset": 400, "size": 1000})
    assert first.headers["upload-offset"] == "400"
    assert first.headers["upload-complete"] == "?0"
    second = await upload.put(content[400:700], 400, method="PATCH")
    assert second.json()["offset"] == 700
    head = await client.head(upload.url, headers=upload.headers)
    assert head.status_code == 200
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == ("700", "1000")
    assert head.headers["cache-control"] == "no-store"
    third = await upload.put(content[700:800], Content_Range="bytes 700-799/1000")
    assert third.json()["offset"] == 800
    last = await upload.put(content[800:], 800, Upload_Complete="?1")
    assert last.status_code == 202
    assert (await upload.result())["sha256"] == sha256(content)


async def test_an_empty_file(client: httpx.AsyncClient) -> None:
    upload = await declared(client, "loop/a", b"")
    assert (await upload.operation())["status"] == "queued"
    assert (await upload.put(b"x")).status_code == 413
    assert (await upload.put(chunks(b"x"))).status_code == 413
    assert (await upload.put(b"")).status_code == 202
    assert (await upload.result())["sha256"] == sha256(b"")


async def test_the_last_request_can_be_repeated(client: httpx.AsyncClient) -> None:
    upload = await declared(client, "loop/a", b"0123456789")
    await upload.put(b"01234", 0)
    assert (await upload.put(b"56789", 5)).status_code == 202
    result = await upload.result()
    again = await upload.put(b"56789", 5)
    assert again.status_code == 200  # as it has ended
    assert again.json()["result"] == result
    assert again.json()["attempt"] == 1
    assert again.headers["upload-complete"] == "?1"


async def test_a_wrong_offset(client: httpx.AsyncClient) -> None:
    upload = await declared(client, "loop/a", b"0123456789")
    await upload.put(b"0123", 0)
    for offset in (0, 3, 5, 10, 11):
        answer = await upload.put(b"45", offset)
        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:ringback:problem:offset-mismatch"
        assert answer.json()["offset"] == 4
        assert answer.headers["upload-offset"] == "4"
    assert await upload.offset() == 4
    assert (await upload.put(b"456789", 4)).status_code == 202
    assert (await upload.result())["sha256"] == sha256(b"0123456789")


@pytest.mark.parametrize(
    "headers",
    [
        {"Upload-Offset": "-1"},
        {"Upload-Offset": "a"},
        {"Upload-Offset": "9" * 19},
        {"Upload-Complete": "yes"},
        {"Content-Range": "bytes */10"},
        {"Content-Range": "bytes 4-3/10"},
        {"Content-Range": "bytes 0-3/11"},
        {"Content-Range": "bytes 0-4/10"},
        {"Content-Range": "bytes 0-3/10", "Upload-Offset": "1"},
        {"Repr-Digest": "sha-256=:AAAA:"},
        {"Upload-Complete": "?1"},
    ],
)
async def test_headers_that_are_not_right(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    upload = await declared(client, "loop/a", b"0123456789")
    answer = await client.put(upload.url, content=b"0123", headers=upload.headers | headers)
    assert answer.status_code == 400
    assert answer.json()["detail"]
    # Only the last of them is about bytes that are good in themselves.
    assert await upload.offset() == (4 if headers == {"Upload-Complete": "?1"} else 0)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "image/png"}, 200),
        ({"Content-Type": "IMAGE/PNG; a=b"}, 200),
        ({"Content-Type": "application/octet-stream"}, 200),
        ({"Content-Type": "application/partial-upload"}, 200),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": "text/html"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Encoding": "identity"}, 200),
    ],
)
async def test_what_the_bytes_are_said_to_be(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    upload = await declared(client, "loop/a", 10, kind="image/png")
    answer = await client.put(upload.url, content=b"0123", headers=upload.headers | headers)
    assert answer.status_code == status, answer.text
    assert await upload.offset() == (4 if status == 200 else 0)


async def test_more_bytes_than_declared(client: httpx.AsyncClient) -> None:
    content = os.urandom(6 * MB)
    upload = await declared(client, "loop/a", content)
    await upload.put(content[:1000], 0)
    # Where the request says how much it brings, nothing of it is looked at.
    said = await upload.put(content[1000:] + b"x", 1000)
    assert (said.status_code, said.json()["offset"]) == (413, 1000)
    assert await upload.offset() == 1000
    # Without a length it shows only at the end, when a piece of it is stored already.
    unsaid = await upload.put(chunks(content[1000:] + b"x"), 1000)
    assert unsaid.status_code == 413
    assert unsaid.headers["upload-offset"] == str(unsaid.json()["offset"]) == "0"
    assert await upload.offset() == 0
    few = await upload.put(chunks(content[:5000]), 0)
    assert few.json()["offset"] == 5000
    assert (await upload.put(chunks(content[5000:]), 5000)).status_code == 202
    assert (await upload.result())["sha256"] == sha256(content)


async def test_a_small_excess_costs_only_its_own_request(client: httpx.AsyncClient) -> None:
    upload = await declared(client, "loop/a", b"0123456789")
    await upload.put(b"01234", 0)
    answer = await upload.put(chunks(b"567890"), 5)
    assert (answer.status_code, answer.json()["offset"]) == (413, 5)
    assert (await upload.put(b"56789", 5)).status_code == 202
    assert (await upload.result())["sha256"] == sha256(b"0123456789")


async def test_a_wrong_checksum_starts_anew(client: httpx.AsyncClient) -> None:
    content = os.urandom(5 * MB)
    upload = await declared(client, "loop/a", content, sha256=sha256(content))
    wrong = bytes([content[0] ^ 1]) + content[1:]
    answer = await upload.put(wrong)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:ringback:problem:checksum-mismatch"
    assert (problem["declared"], problem["received"]) == (sha256(content), sha256(wrong))
    assert (problem["offset"], answer.headers["upload-offset"]) == (0, "0")
    seen = await upload.operation()
    assert (seen["status"], seen["progress"]["fraction"]) == ("queued", 0.0)
    assert await upload.offset() == 0
    assert (await upload.put(content)).status_code == 202
    assert (await upload.result())["sha256"] == sha256(content)


@pytest.mark.parametrize("other", ["", "md5=:AAAA:, "])
async def test_a_digest_of_the_request(client: httpx.AsyncClient, other: str) -> None:
    content = b"0123456789"
    upload = await declared(client, "loop/a", content)
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    right = base64.b64encode(hashlib.sha256(content).digest()).decode()
    refused = await upload.put(content, Repr_Digest=f"{other}sha-256=:{wrong}:")
    assert (refused.status_code, refused.json()["offset"]) == (422, 0)
    taken = await upload.put(content, Repr_Digest=f"{other}sha-256=:{right}:")
    assert taken.status_code == 202
    assert (await upload.result())["sha256"] == sha256(content)


async def test_a_second_request_at_once_is_refused(client: httpx.AsyncClient) -> None:
    content = os.urandom(2 * MB)
    upload = await declared(client, "loop/a", content)
    async with await upload.wire(0, len(content)) as first:
        await first.send(content[:MB])
        await until(lambda: _moved(upload))
        refused = await upload.put(content, 0)
        assert refused.status_code == 409
        assert refused.json()["type"] == "urn:ringback:problem:upload-busy"
        assert int(refused.headers["retry-after"]) > 0
        await first.send(content[MB:])
        assert await first.status() == 202
    assert (await upload.result())["sha256"] == sha256(content)


async def test_a_request_that_waits_for_its_turn(
    client: httpx.AsyncClient, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before it ends meanwhile, with the last byte: nothing is stored twice."""
    monkeypatch.setattr(slots, "PATIENCE", 20.0)
    content = os.urandom(2 * MB)
    upload = await declared(client, "loop/a", content)
    async with await upload.wire(0, len(content)) as first:
        await first.send(content[:MB])
        await until(lambda: _moved(upload))
        second = asyncio.ensure_future(upload.put(content, 0))
        third = asyncio.ensure_future(upload.put(content, 0))
        await upload.offset()  # a round trip, in which they arrive
        await first.send(content[MB:])
        assert await first.status() == 202
    assert {(await second).is_success, (await third).is_success} == {True}
    assert (await upload.result())["sha256"] == sha256(content)
    assert names_of(data, upload) == ["declared", "file"]


async def _moved(upload: Declared) -> bool:
    """Whether the operation's log tells of bytes: the request has the upload then."""
    seen = await upload.operation()
    return seen["progress"] is not None


async def test_many_requests_at_once_do_no_harm(client: httpx.AsyncClient) -> None:
    content = os.urandom(9 * MB)
    upload = await declared(client, "loop/a", content)
    answers = await asyncio.gather(*(upload.put(chunks(content), 0) for _ in range(4)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 202
    assert set(statuses) <= {202, 409}
    assert (await upload.result())["sha256"] == sha256(content)


async def test_a_silent_request_gives_way(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "SILENT", 0.05)
    content = os.urandom(2 * MB)
    upload = await declared(client, "loop/a", content)
    async with await upload.wire(0, len(content)) as dead:
        await dead.send(content[:MB])
        await until(lambda: _moved(upload))
        # What the dead request had is stored when another comes, which then learns the offset.
        answer = await until(lambda: _not_busy(upload))
        assert answer.status_code == 409
        offset = answer.json()["offset"]
        assert 0 < offset <= MB
        assert await dead.status() == 408
        assert (await upload.put(content[offset:], offset)).status_code == 202
    assert (await upload.result())["sha256"] == sha256(content)


async def _not_busy(upload: Declared) -> httpx.Response | None:
    answer = await upload.put(b"x", 1999999)
    busy = answer.json()["type"] == "urn:ringback:problem:upload-busy"
    return None if busy else answer


async def test_a_stalled_request_is_ended(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "IDLE", 0.3)
    upload = await declared(client, "loop/a", b"0123456789")
    async with await upload.wire(0, 10) as wire:
        await wire.send(b"01234")
        assert await wire.status() == 408
    assert await upload.offset() == 5


async def test_too_many_requests_at_once(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "MAX_TRANSFERS", 1)
    one = await declared(client, "loop/a", 10)
    other = await declared(client, "loop/b", 10)
    async with await one.wire(0, 10) as wire:
        await wire.send(b"01234")
        await until(lambda: _moved(one))
        refused = await other.put(b"0123456789")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        await wire.send(b"56789")
        assert await wire.status() == 202
    assert (await other.put(b"0123456789")).status_code == 202


async def test_cancelling_ends_the_upload(
    client: httpx.AsyncClient, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "IDLE", 3600.0)
    content = os.urandom(6 * MB)
    upload = await declared(client, "loop/a", content)
    async with await upload.wire(0, len(content)) as wire:
        await wire.send(content[: 5 * MB])
        await until(upload.offset)
        answer = await client.delete(upload.url, headers=upload.headers)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert await wire.status() == 410
    for method in ("PUT", "PATCH", "GET"):
        refused = await client.request(method, upload.url, headers=upload.headers)
        assert refused.status_code == 410
        assert refused.json()["type"] == "urn:ringback:problem:upload-ended"
    await until(lambda: not (data / "uploads" / upload.id).exists())
    again = await client.delete(upload.url, headers=upload.headers)
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")


async def test_cancelling_the_operation_ends_it_too(client: httpx.AsyncClient) -> None:
    content = os.urandom(6 * MB)
    upload = await declared(client, "loop/a", content)
    async with await upload.wire(0, len(content)) as wire:
        await wire.send(content[: 5 * MB])
        await until(upload.offset)
        answer = await client.post(upload.body["links"]["cancel"], headers=upload.headers)
        assert answer.status_code == 202
        await wire.send(content[5 * MB :])
        assert await wire.status() == 410
    assert (await upload.operation())["status"] == "cancelled"
    assert (await upload.put(b"x", 0)).status_code == 410


async def test_a_store_that_fails(served: Served, data: Path) -> None:
    async with served(upload_lifetime=3600) as client:
        upload = await declared(client, "loop/a", b"0123456789")
        folder = data / "uploads" / upload.id
        shutil.rmtree(folder)
        folder.write_bytes(b"no folder")
        answer = await upload.put(b"0123456789")
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        folder.unlink()
        assert (await upload.put(b"0123456789")).status_code == 202
        assert (await upload.result())["size"] == 10
