"""A submission in one piece is answered without a task: as ASGI would have answered it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from ringback import Claims, OperationState, Ringback, tracing
from ringback.edges.asgi import AsgiApp
from ringback.tasks.registry import Task
from tests.edges.application import Gates, application
from tests.security.keys import SECRET, bearer
from tests.serving import serve, until

BODY = b'{"n": 2}'
CHANGING = re.compile(
    rb"[0-9a-f]{8}-[0-9a-f-]{27}|rbo_[\w-]+|\d{4}-\d\d-\d\dT[\d:.]+Z|date: [^\r]+|\d+ GMT"
)


def request(*headers: str, body: bytes = BODY, line: str = "POST /tasks/double HTTP/1.1") -> bytes:
    lines = [line, "Host: 127.0.0.1", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


REQUESTS = {
    "plain": request(),
    "a key": request('Idempotency-Key: "k"'),
    "the key again, with other work": request('Idempotency-Key: "k"', body=b'{"n": 3}'),
    "a key that is none": request("Idempotency-Key: a b"),
    "async": request("Prefer: respond-async"),
    "wait": request("Prefer: wait=1"),
    "both": request("Prefer: respond-async, wait=0"),
    "delayed": request(line="POST /tasks/double?delay=30 HTTP/1.1"),
    "a trace": request("traceparent: 00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
    "closing": request("Connection: close"),
    "old": request(line="POST /tasks/double HTTP/1.0"),
    "no JSON": request(body=b'{"n": }'),
    "another type": request("Content-Type: text/plain"),
    "compressed": request("Content-Encoding: gzip"),
    "not compressed": request("Content-Encoding: identity"),
    "a long key": request(f'Idempotency-Key: "{256 * "k"}"'),
    "unfit": request(body=b'{"n": "x"}'),
    "empty": request(body=b""),
    "too large": request(body=b"[" + b" " * 2_000_000 + b"]"),
    "no task": request(line="POST /tasks/nothing HTTP/1.1"),
    "no method": request(line="GET /tasks/double HTTP/1.1"),
    "below": request(line="POST /tasks/double/x HTTP/1.1"),
    "escaped": request(line="POST /tasks/doubl%65 HTTP/1.1"),
    "a page of another": request("Origin: https://elsewhere.example"),
    "large headers": request("X-Much: " + "m" * 66_000),
    "a bad token": request("Authorization: Bearer x.y.z"),
    "no bearer": request("Authorization: Basic eDp5"),
}


async def answers(url: str, sent: list[bytes]) -> list[bytes]:
    """The answers to requests sent in these pieces, until the server is done with them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    found = []
    for piece in sent:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    for _ in range(b"".join(sent).count(b" HTTP/1.")):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        found.append(head + await reader.readexactly(length))
    writer.close()
    return found


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    """One application served both ways: at once, and as ASGI says."""
    async with AsyncExitStack() as stack:
        quick = application(tmp_path / "quick", Gates(), workers=0)
        slow = application(tmp_path / "slow", Gates(), workers=0)
        yield (
            await stack.enter_async_context(serve(quick)),
            await stack.enter_async_context(serve(slow, http="httptools")),
        )


def comparable(answer: bytes) -> tuple[list[bytes], Any]:
    """An answer without what differs from one to the next: ids, times, the order of its lines."""
    head, _, body = CHANGING.sub(b"*", answer).partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    return [status, *sorted(line for line in lines if b"content-length" not in line)], (
        json.loads(body) if body else None
    )


async def test_it_answers_as_asgi_does(both: tuple[str, str]) -> None:
    for name, sent in REQUESTS.items():
        (quick,), (slow,) = [await answers(url, [sent]) for url in both]
        assert comparable(quick) == comparable(slow), name


async def test_a_nameless_callers_key_is_long_either_way(tmp_path: Path) -> None:
    head = "POST /tasks/announce HTTP/1.1"
    body = b'{"text": "x"}'
    found = []
    for name, options in (("quick", {}), ("slow", {"http": "httptools"})):
        rb = application(tmp_path / name, Gates(), jwt_secret=SECRET, workers=0)
        async with serve(rb, **options) as url:
            for key in ("order-7", "0" * 16):
                sent = request(f'Idempotency-Key: "{key}"', line=head, body=body)
                found += await answers(url, [sent])
    assert [each[9:12] for each in found] == [b"400", b"202"] * 2
    assert comparable(found[0]) == comparable(found[2])


@pytest.mark.parametrize("size", [1, 7, len(request()) - len(BODY), len(request()) - 1])
async def test_in_pieces_too(both: tuple[str, str], size: int) -> None:
    whole = request('Idempotency-Key: "pieces"')
    for url in both:
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        (answer,) = await answers(url, pieces)
        assert answer.startswith(b"HTTP/1.1 202 ")


async def test_one_behind_the_other_in_one_piece(both: tuple[str, str]) -> None:
    """Pipelined requests (RFC 9112 §9.3.2) are answered in their order."""
    sent = [b"".join(request(f"Idempotency-Key: {n % 3}") for n in range(12)) + request()]
    for url in both:
        found = await answers(url, sent)
        ids = [json.loads(each.partition(b"\r\n\r\n")[2])["id"] for each in found]
        assert ids[:3] * 4 == ids[:12]
        assert len(set(ids)) == 4


async def test_a_body_that_is_asked_for(both: tuple[str, str]) -> None:
    """Expect: 100-continue (RFC 9110 §10.1.1): the body comes when the server wants it."""
    head, body = request("Expect: 100-continue")[: -len(BODY)], BODY
    for url in both:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(head)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(body)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202 ")
        writer.close()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each submission was answered at once."""
    seen: list[bool] = []
    offered = AsgiApp.at_once

    def at_once(self: Any, scope: Any, body: bytes) -> Any:
        pending = offered(self, scope, body)
        seen.append(pending is not None)
        return pending

    monkeypatch.setattr(AsgiApp, "at_once", at_once)
    monkeypatch.setattr(tracing, "INSTALLED", False)  # other tests load what records spans
    return seen


async def test_the_usual_request_goes_that_way(data: Path, taken: list[bool]) -> None:
    async with serve(application(data, Gates(), jwt_secret=SECRET, workers=0)) as url:
        sent = request('Idempotency-Key: "a"', f"Authorization: {bearer('ann')}")
        first, again = await answers(url, [sent]), await answers(url, [sent])
    assert taken == [False, True], "once the token is verified"
    assert first[0].startswith(b"HTTP/1.1 202 ")
    assert b"idempotency-replayed: true" in again[0]


async def test_a_hook_is_always_asked(data: Path, taken: list[bool]) -> None:
    asked: list[str] = []

    async def rule(action: str, claims: Claims, target: Task | OperationState | None) -> bool:
        asked.append(action)
        return False

    rb = Ringback("hooked", data=data, authorize=rule, jwt_secret=SECRET, workers=0)
    rb.task(name="double")(_double)
    async with serve(rb) as url:
        (answer,) = await answers(url, [request()])
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert asked == ["submit"]
    assert taken == [False]


async def test_rates_count_each_request_once(data: Path) -> None:
    rb = Ringback("rates", data=data, rate=0.001, burst=3, workers=0)
    rb.task(name="double")(_double)
    async with serve(rb) as url:
        found = await answers(url, [request() * 4])
    assert [each[9:12] for each in found] == [b"202", b"202", b"202", b"429"]


async def test_a_client_that_leaves_is_not_written_to(data: Path) -> None:
    rb = application(data, Gates(), workers=0)
    async with serve(rb) as url:
        _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(request())
        writer.transport.abort()

        async def stored() -> bool:
            return await rb.started.service.engine.count_queued() == 1

        await until(stored)
        (answer,) = await answers(url, [request()])
        assert answer.startswith(b"HTTP/1.1 202 ")


async def _double(n: int) -> int:
    return 2 * n
