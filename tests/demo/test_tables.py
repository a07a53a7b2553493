"""Tables read in pieces: right numbers, whatever the file's habits, and a resume in the middle."""

import io
import json
from typing import Any

import pytest

from ringback.demo.samples import ROWS, table
from ringback.demo.tables import MAX_COLUMNS, Table, summarize
from ringback.errors import TaskFailed
from tests.demo.operations import Killed, Recorder, killed_after, operation


def read(data: bytes, recorder: Recorder | None = None) -> Table:
    return summarize(operation(recorder or Recorder()), io.BytesIO(data), "t.csv", len(data))


def column(result: Table, name: str) -> dict[str, Any]:
    return next(each for each in result.columns if each["name"] == name)


def test_the_sample() -> None:
    recorder = Recorder()
    result = read(table(), recorder)
    assert result.rows == ROWS
    assert result.ragged == 0
    assert column(result, "order")["least"] == 100_001
    assert column(result, "order")["greatest"] == 100_000 + ROWS
    assert column(result, "day")["first"] == "2025-01-01"
    assert column(result, "day")["last"] == "2025-12-31"
    assert column(result, "city")["distinct"] == 8
    rating = column(result, "rating")
    assert rating["count"] + rating["missing"] == ROWS
    assert rating["missing"] > 0
    assert len(recorder.parts) > 10
    rows = [part["rows"] for part in recorder.parts]
    assert rows == sorted(rows)
    assert recorder.fractions == sorted(recorder.fractions)


@pytest.mark.parametrize("parts", [1, 7, 14])
def test_a_killed_attempt_is_gone_on_with(parts: int) -> None:
    first = Recorder(on_part=killed_after(parts))
    with pytest.raises(Killed):
        read(table(), first)
    # As it comes back from the store.
    second = Recorder(json.loads(json.dumps(first.parts)))
    assert read(table(), second) == read(table())
    assert second.fractions[0] > 0.9 * parts / 16


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"a,b\n1,2\n", ["a", "b"]),
        (b"a;b\r\n1;2\r\n", ["a", "b"]),
        (b"a\tb\n1\t2", ["a", "b"]),
        (b"\xef\xbb\xbfa,b\n1,2\n", ["a", "b"]),
        (b'"a","b"\n1,2\n', ["a", "b"]),
        (b"a,\n1,2\n", ["a", "column 2"]),
        (b"\n\r\na;b\n1;2\n", ["a", "b"]),
        ("prénom,b\n1,2\n".encode("cp1252"), ["prénom", "b"]),
        (b'"a\nA",b\n1,2\n', ["a\nA", "b"]),
    ],
)
def test_habits_of_files(data: bytes, names: list[str]) -> None:
    result = read(data)
    assert [each["name"] for each in result.columns] == names
    assert result.rows == 1
    assert all(each["count"] == 1 for each in result.columns)


def test_rows_over_several_lines_are_resumed_at_their_end() -> None:
    data = b"n,text\n" + b"".join(b'%d,"one\ntwo, %d"\n' % (n, n) for n in range(3000))
    first = Recorder(on_part=killed_after(3))
    with pytest.raises(Killed):
        read(data, first)
    assert read(data, Recorder(first.parts)) == read(data)
    assert read(data).rows == 3000


def test_ragged_rows_are_counted() -> None:
    result = read(b"a,b\n1\n1,2,3\n\n1,2\n")
    assert (result.rows, result.ragged) == (3, 2)
    assert column(result, "b")["missing"] == 1


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "no table"),
        (b"\n\n", "no table"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"a,b\n1,\x00\n", "binary"),
        (b",".join(b"x" for _ in range(MAX_COLUMNS + 1)), "columns"),
        (b"a\n" + b"x" * 200_000, "no CSV"),
    ],
)
def test_what_is_no_table_fails_for_good(data: bytes, cause: str) -> None:
    with pytest.raises(TaskFailed, match=cause):
        read(data)
