"""How often one caller may submit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.edges.http.rates import MAX_CALLERS, SLACK, Rates
from ringback.errors import RateLimited


def allowed(rates: Rates, caller: str, now: float) -> bool:
    try:
        rates.check(caller, now)
    except RateLimited:
        return False
    return True


@given(
    rate=st.floats(0.01, 1000),
    burst=st.integers(1, 100),
    start=st.floats(0, 1e8),
)
def test_as_many_as_the_burst_at_once_and_no_more(rate: float, burst: int, start: float) -> None:
    rates = Rates(rate, burst)
    assert [allowed(rates, "a", start) for _ in range(burst + 3)] == [True] * burst + [False] * 3


@given(
    rate=st.floats(0.5, 100),
    burst=st.integers(1, 10),
    gaps=st.lists(st.floats(0, 3), max_size=60),
)
def test_over_any_time_no_more_than_the_rate_and_a_burst(
    rate: float, burst: int, gaps: list[float]
) -> None:
    rates = Rates(rate, burst)
    now, taken = 1000.0, []
    for gap in gaps:
        now += gap
        if allowed(rates, "a", now):
            taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            seconds = taken[last] - taken[first]
            assert last - first + 1 <= seconds * rate + burst + 2 * SLACK


def test_after_the_time_that_was_told_it_is_allowed() -> None:
    rates = Rates(2.0, 4)
    while allowed(rates, "a", 100.0):
        pass
    with pytest.raises(RateLimited) as caught:
        rates.check("a", 100.0)
    wait = caught.value.retry_after
    assert wait is not None
    assert wait == pytest.approx(0.5, abs=0.01)
    assert not allowed(rates, "a", 100.0 + wait - 0.01)
    assert allowed(rates, "a", 100.0 + wait + 1e-3)


def test_callers_do_not_count_for_one_another() -> None:
    rates = Rates(0.001, 1)
    assert allowed(rates, "a", 0.0)
    assert allowed(rates, "b", 0.0)
    assert not allowed(rates, "a", 0.0)


def test_what_is_refused_does_not_count() -> None:
    rates = Rates(1.0, 1)
    assert allowed(rates, "a", 0.0)
    for _ in range(100):
        assert not allowed(rates, "a", 0.5)
    assert allowed(rates, "a", 1.01)


def test_no_rate_is_no_bound() -> None:
    rates = Rates(0.0, 1)
    assert all(allowed(rates, "a", 0.0) for _ in range(1000))


def test_only_so_many_callers_are_remembered() -> None:
    rates = Rates(0.001, 1)
    for number in range(MAX_CALLERS + 1):
        assert allowed(rates, str(number), 0.0)
    assert not allowed(rates, str(MAX_CALLERS), 0.0)
    assert allowed(rates, "0", 0.0)  # forgotten: the mistake is in its favour
