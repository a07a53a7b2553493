"""What holds for any workload."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.awscost import WAYS, PriceList, Waiting, Workload, bill, bills, cheapest
from ringback.errors import ConfigurationError
from tests.thorough import examples

PRICES = PriceList.packaged().region("us-east-1")

workloads = st.builds(
    lambda users, share, **more: Workload(users=users, fanout=max(1, round(users * share)), **more),
    users=st.integers(1, 100_000),
    share=st.floats(0, 1),
    hours=st.floats(0.01, 24),
    days=st.integers(1, 31),
    messages=st.integers(1, 10**9),
    size=st.integers(1, 128 * 1024),
    job_seconds=st.floats(0.1, 86_400),
    qos=st.sampled_from((0, 1)),
    pings=st.booleans(),
)


@settings(max_examples=examples(100), deadline=None)
@given(workload=workloads, waiting=st.sampled_from(Waiting), free_tier=st.booleans())
def test_more_is_never_cheaper(workload: Workload, waiting: Waiting, free_tier: bool) -> None:
    more: list[dict[str, Any]] = [
        {"users": workload.users + 1},
        {"users": workload.users * 3},
        {"messages": workload.messages + 1},
        {"messages": workload.messages * 7},
    ]
    if workload.fanout < workload.users:
        more.append({"fanout": workload.users})
    before = bills(workload, PRICES, waiting, free_tier=free_tier)
    for change in more:
        after = bills(replace(workload, **change), PRICES, waiting, free_tier=free_tier)
        for way in WAYS:
            assert after[way].total >= before[way].total * (1 - 1e-9), (way.name, change)


@settings(max_examples=examples(100), deadline=None)
@given(workload=workloads, waiting=st.sampled_from(Waiting))
def test_a_bill_is_its_items(workload: Workload, waiting: Waiting) -> None:
    for way, found in bills(workload, PRICES, waiting).items():
        assert found.total == pytest.approx(sum(item.dollars for item in found.items))
        assert len({item.name for item in found.items}) == len(found.items)
        assert all(item.quantity > 0 and item.dollars > 0 for item in found.items)
        free = bill(way, workload, PRICES, waiting, free_tier=True).total
        assert 0 <= free <= found.total
    least = min(each.total for each in bills(workload, PRICES, waiting).values())
    for way in cheapest(bills(workload, PRICES, waiting)):
        assert bill(way, workload, PRICES, waiting).total == pytest.approx(least)


def test_what_waits_for_jobs_waits_no_longer_than_there_is_someone() -> None:
    """Ten thousand jobs of a day each do not make more hours."""
    busy = Workload(users=1, hours=8, messages=10_000, job_seconds=86_400)
    (minutes,) = (
        item.quantity
        for item in bill(WAYS[3], busy, PRICES, Waiting.IN_FLIGHT).items
        if item.name == "websocket-minutes"
    )
    assert minutes == pytest.approx(busy.seconds / 60)


def test_large_messages_are_several() -> None:
    small, large = Workload(size=5120), Workload(size=5121)
    by_name = {way.name: way for way in WAYS}
    for name in ("iot", "appsync-events"):
        grown = bill(by_name[name], large, PRICES).total - bill(by_name[name], small, PRICES).total
        assert grown == pytest.approx(1.50)  # twice 750,000 at $1 a million
    assert bill(by_name["websocket"], large, PRICES) == bill(by_name["websocket"], small, PRICES)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"users": 0}, "--users 0 is out of range"),
        ({"hours": 25}, "from 0.01 to 24"),
        ({"messages": float("nan")}, "--messages nan"),
        ({"fanout": 2000}, "--fanout 2000 is more than there are users"),
        ({"size": 200_000}, "131,072"),
        ({"job_seconds": 0}, "--job-seconds 0"),
        ({"qos": 2}, "--qos 2"),
    ],
)
def test_says_what_cannot_be(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Workload(**wrong)
