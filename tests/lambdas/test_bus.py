"""Events on their way to a bus, in requests that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ringback import Ringback
from ringback.core.model import Event
from ringback.lambdas.streams import BUS_BYTES, Bus
from tests.core.states import NOW


def event(number: int, size: int) -> Event:
    return Event(
        id=str(number),
        source="/app",
        type="done" * 50,
        time=NOW,
        data=b'"' + b"x" * size + b'"',
        subject=None,
        sequence=number,
        traceparent="",
    )


async def test_requests_are_as_large_as_a_bus_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    rb = Ringback(aws_bus="bus")
    requests: list[Sequence[Mapping[str, Any]]] = []
    async with rb.running(worker=False) as served:
        bus = Bus(served.service)
        monkeypatch.setattr(bus, "_put", requests.append)
        sizes = [1] * 11 + [300_000] * 4 + [BUS_BYTES]
        await bus.put([event(number, size) for number, size in enumerate(sizes)])
    assert [len(request) for request in requests] == [10, 4, 1]
    for request in requests:
        assert sum(len(text) for entry in request for text in entry.values()) <= BUS_BYTES
        assert {len(entry["DetailType"]) for entry in request} == {128}
