"""Where another way becomes the cheapest, checked by asking on both sides."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from ringback.awscost import (
    DIMENSIONS,
    Dimension,
    PriceList,
    Waiting,
    Workload,
    bills,
    changes,
    cheapest,
)

PRICES = PriceList.packaged().region("us-east-1")


def best(workload: Workload, waiting: Waiting, **change: Any) -> list[str]:
    found = bills(replace(workload, **change), PRICES, waiting)
    return [way.name for way in cheapest(found)]


@pytest.mark.parametrize(
    ("waiting", "dimension"),
    [(waiting, each) for waiting in Waiting for each in DIMENSIONS[waiting]],
    ids=lambda each: getattr(each, "name", str(each)),
)
@pytest.mark.parametrize("workload", [Workload(), Workload(users=50, messages=2000, hours=1)])
def test_the_ends_of_each_span(waiting: Waiting, dimension: Dimension, workload: Workload) -> None:
    spans = changes(dimension, workload, PRICES, waiting)
    for before, after in pairwise(spans):
        assert after.low == pytest.approx(before.high + dimension.step)
        assert before.ways != after.ways
    for span in spans:
        names = [way.name for way in span.ways]
        assert best(workload, waiting, **{dimension.name: span.low}) == names
        assert best(workload, waiting, **{dimension.name: span.high}) == names
        middle = (span.low + span.high) / 2
        middle = round(round(middle / dimension.step) * dimension.step, 6)
        assert best(workload, waiting, **{dimension.name: middle}) == names


def test_polling_is_for_few_or_for_jobs() -> None:
    """What the page says."""
    users = next(each for each in DIMENSIONS[Waiting.IDLE] if each.name == "users")
    few, many = changes(users, Workload(), PRICES)
    assert ([way.name for way in few.ways], few.high) == (["polling"], 6)
    assert [way.name for way in many.ways] == ["appsync-events", "iot"]
    assert best(Workload(), Waiting.IN_FLIGHT) == ["polling"]


def test_follows_the_prices() -> None:
    """Nothing of it is written down: with another price there is another answer."""
    cheap = replace(PRICES["websocket-minutes"], dollars=0.0)
    prices = replace(PRICES, by_name={**PRICES.by_name, "websocket-minutes": cheap})
    users = DIMENSIONS[Waiting.IDLE][0]
    assert [way.name for way in changes(users, Workload(), prices)[-1].ways] == ["websocket"]
