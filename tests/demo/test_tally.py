"""Columns summed up: exact where that is said, and the same whether restored or not."""

import json
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.demo.tally import BARS, Tally

ROOM = 20


def summed(cells: list[str], room: int = ROOM) -> dict[str, Any]:
    tally = Tally("x")
    for cell in cells:
        tally.add(cell, room)
    return tally.save()


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        ([], "empty"),
        (["", "NA", "null", "-"], "empty"),
        (["1", "-2", "+3", ""], "integer"),
        (["1", "2.5"], "number"),
        (["1e3", ".5", "5."], "number"),
        (["2024-02-29", "2024-02-29T10:00:00Z", "2024-02-29 10:00"], "date"),
        (["true", "No", "YES"], "boolean"),
        (["1", "x"], "text"),
        (["1", "true"], "text"),
        (["1_000"], "text"),
        (["inf"], "text"),
        (["1e999"], "text"),
        (["١٢"], "text"),
    ],
)
def test_the_type_is_that_of_all_cells(cells: list[str], type_: str) -> None:
    assert summed(cells)["type"] == type_


def test_numbers() -> None:
    column = summed(["3", "1", "", "2.5", "n/a"])
    assert (column["count"], column["missing"]) == (3, 2)
    assert (column["least"], column["greatest"]) == (1, 3)
    assert column["mean"] == pytest.approx(6.5 / 3)


def test_dates_have_a_first_and_a_last() -> None:
    column = summed(["2024-05-01", "2023-12-31", "2024-01-01"])
    assert (column["first"], column["last"]) == ("2023-12-31", "2024-05-01")


def test_values_are_exact_while_they_are_few() -> None:
    column = summed(["a", "b", "a", "c", "a", "b"])
    assert column["values"] == [("a", 3), ("b", 2), ("c", 1)]
    assert column["exact"]


def test_the_frequent_stay_when_there_are_many() -> None:
    cells = [cell for number in range(500) for cell in ("often", f"once {number}")]
    column = summed(cells)
    assert not column["exact"]
    assert column["values"][0] == ("often", 500)
    assert len(column["values"]) <= ROOM


numbers = st.lists(
    st.one_of(st.integers(-(10**9), 10**9), st.floats(-1e12, 1e12, allow_subnormal=False)),
    min_size=1,
    max_size=60,
)


@given(numbers, numbers)
def test_every_number_is_in_a_bar(first: list[float], then: list[float]) -> None:
    tally = Tally("x")
    for value in first:
        tally.add(repr(value), ROOM)
    tally.save()  # the range is chosen by these; the others stretch it
    for value in then:
        tally.add(repr(value), ROOM)
    column = tally.save()
    bars = column["bars"]
    assert sum(bars["counts"]) == len(first) + len(then)
    assert len(bars["counts"]) == BARS
    slack = bars["width"] * 1e-6
    assert bars["start"] <= min(first + then) + slack
    assert bars["start"] + BARS * bars["width"] >= max(first + then) - slack
    assert column["mean"] == pytest.approx(statistics.fmean(first + then), rel=1e-6, abs=1e-3)


cells = st.lists(
    st.one_of(
        st.sampled_from(["", "NA", "true", "2024-01-02", "a", "b"]),
        st.integers(-1000, 1000).map(str),
        st.text(max_size=5),
    ),
    max_size=60,
)


@given(cells, cells)
def test_goes_on_after_being_saved_as_json(first: list[str], then: list[str]) -> None:
    whole = Tally("x")
    for cell in first:
        whole.add(cell, ROOM)
    saved = json.loads(json.dumps(whole.save()))
    restored = Tally.restore(saved)
    for cell in then:
        whole.add(cell, ROOM)
        restored.add(cell, ROOM)
    assert restored.save() == whole.save()
