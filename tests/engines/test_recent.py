"""Recent keys and their merging, on connections that take turns: what a key means stays the same.

What an engine does with them, and what a crash leaves, is in test_merger.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from ringback.core.lifecycle import accept
from ringback.engines.sqlite import commit, keys, recent
from ringback.engines.sqlite.engine import FILE
from ringback.engines.sqlite.recent import SLOTS
from ringback.engines.sqlite.schema import MIGRATIONS, migrate
from ringback.engines.sqlite.writer import Transaction
from ringback.errors import IdempotencyKeyReused, OperationForgotten
from tests.core.states import NOW, operation
from tests.engines.connections import (
    FEW,
    close,
    forget,
    merge_all,
    opened,
    record,
    rows,
    take,
    written,
)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FEW.items():
        monkeypatch.setattr(recent, name, value)


def merged_keys(transaction: Transaction) -> int:
    return int(transaction.cursor.execute("SELECT count(*) FROM idempotency_keys").get)


@pytest.fixture
def pair(data: Path) -> Iterator[tuple[Transaction, Transaction]]:
    """Two connections to one file."""
    both = opened(data), opened(data)
    yield both
    for each in both:
        close(each)


def test_another_connection_sees_a_key_at_once(pair: tuple[Transaction, Transaction]) -> None:
    for number in range(10):
        one, other = pair if number % 2 else pair[::-1]
        with written(one):
            first = take(one, record(number))
        with written(other):
            again = take(other, record(number))
        assert (first.replayed, again.replayed) == (False, True)
        assert again.operation.id == first.operation.id


@pytest.mark.usefixtures("few")
def test_a_merge_moves_all(pair: tuple[Transaction, Transaction]) -> None:
    one, other = pair
    with written(one):
        taken = [take(one, record(number)).operation.id for number in range(20)]
    assert merge_all(one) > 20 // FEW["MERGE_KEYS"]
    assert rows(one) == []
    for each in pair:
        with written(each):
            again = [take(each, record(number)) for number in range(20)]
        assert [answer.operation.id for answer in again] == taken
        assert all(answer.replayed for answer in again)
        assert len(each.recent) == len(each.recent._rows) == 0, "nor are they kept in memory"
    with written(other):
        take(other, record(99))
    assert rows(one) == [21]


@pytest.mark.usefixtures("few")
def test_a_merge_is_continued_by_whoever_comes(pair: tuple[Transaction, Transaction]) -> None:
    """As if each step had been the last one of its process."""
    with written(pair[0]):
        taken = [take(pair[0], record(number)).operation.id for number in range(30)]
    steps = copied = 0
    while True:
        each = pair[steps % 2]
        with written(each):
            if not each.recent.merge():
                break
        steps += 1
        left, copied = copied, merged_keys(each)
        assert copied - left <= 10, "no step takes long, be slots as they may"
        reader = pair[(steps + 1) % 2]
        with written(reader):
            again = [take(reader, record(number)).operation.id for number in range(30)]
        assert again == taken, f"after step {steps}"
    assert (rows(pair[0]), copied) == ([], 30)
    assert steps <= 30 / FEW["MERGE_KEYS"] + 2, "nothing is done twice"


def test_what_was_rolled_back_is_forgotten(pair: tuple[Transaction, Transaction]) -> None:
    one, other = pair
    with written(one):
        take(one, record(1, expires_at=NOW + 1))
    one.begin()
    commit.accept(one, accept(operation()), None, 100)
    take(one, record(1, expires_at=NOW + 2), now=NOW + 1)
    take(one, record(1), now=NOW + 2)
    take(one, record(2))
    one.rollback()
    assert list(one.recent._rows.values()) == [1]
    with written(other):
        theirs = take(other, record(2))
    with written(one):
        assert take(one, record(2)).operation == theirs.operation
        assert take(one, record(1)).replayed, "what the new one took the place of is back"


def test_a_transaction_that_cannot_begin_forgets_nothing(
    pair: tuple[Transaction, Transaction],
) -> None:
    one, other = pair
    with written(one):
        take(one, record(1))
    with written(other):
        with pytest.raises(apsw.BusyError):
            one.begin()
        one.rollback()
    with written(one):
        assert take(one, record(1)).replayed


def test_a_file_without_recent_keys_is_migrated(data: Path) -> None:
    before = next(number for number, text in enumerate(MIGRATIONS) if "merges" in text)
    data.mkdir()
    connection = apsw.Connection(str(data / FILE))
    migrate(connection, MIGRATIONS[:before])
    old = record(1, payload=7)
    connection.execute(
        "INSERT INTO idempotency_keys VALUES (?, ?, ?, ?)",
        (
            int.from_bytes(old.scope[:8]) >> 2,
            old.scope[8:] + old.payload,
            bytes.fromhex(operation().id.replace("-", "")),
            old.expires_at,
        ),
    )
    connection.close()
    with written(transaction := opened(data)):
        with pytest.raises(OperationForgotten):  # the key is there; of its operation is no row
            take(transaction, old)
        with pytest.raises(IdempotencyKeyReused):
            take(transaction, record(1, payload=8))
        assert not take(transaction, old, now=old.expires_at).replayed
    close(transaction)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("merged", [False, True])
def test_expired_ones_are_swept(pair: tuple[Transaction, Transaction], *, merged: bool) -> None:
    one, other = pair
    with written(one):
        for number in range(10):
            take(one, record(number, expires_at=NOW + 1 + number % 2))
    if merged:
        merge_all(one)
    with written(other):
        assert keys.KeySweep().sweep(other, NOW + 1) == (10 if merged else 5), "rows and copies"
        assert keys.KeySweep().sweep(other, NOW + 1) == 0
    with written(one):
        assert [take(one, record(n), now=NOW + 1).replayed for n in range(4)] == [0, 1, 0, 1]


def test_the_number_of_a_forgotten_operation_is_not_used_again(
    pair: tuple[Transaction, Transaction],
) -> None:
    one, other = pair
    with written(one):
        taken = [take(one, record(number)).operation.id for number in range(5)]
    with written(other):
        assert take(other, record(0)).replayed
    with written(one):
        for operation_id in taken[:2:-1]:
            forget(one, operation_id)
    with written(one):
        new = take(one, record(9))
    assert rows(one) == [1, 2, 3, 6]
    with written(other):
        assert take(other, record(9)).operation == new.operation


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("steps", [0, 1, 100])
def test_a_key_outlives_its_operation(pair: tuple[Transaction, Transaction], *, steps: int) -> None:
    one, other = pair
    with written(one):
        taken = [take(one, record(number)).operation.id for number in range(10)]
        for number in range(10, 20):
            take(one, record(number, expires_at=NOW + 1))
    for _ in range(steps):
        with written(one):
            one.recent.merge()
    other.begin()
    for operation_id in taken:
        forget(other, operation_id)
    take(other, record(20))
    other.rollback()
    with written(other):
        assert take(other, record(3)).replayed, "it was not forgotten"
        for operation_id in taken:
            forget(other, operation_id)
    third = opened(Path(one.cursor.connection.filename).parent)
    for each in (one, other, third):
        with written(each):
            for number in range(10):
                with pytest.raises(OperationForgotten) as found:
                    take(each, record(number))
                assert found.value.fields["operation"] == taken[number]
    close(third)


def test_a_key_that_expired_goes_with_its_operation(pair: tuple[Transaction, Transaction]) -> None:
    one, other = pair
    with written(one):
        taken = [take(one, record(n, expires_at=NOW + 1 + n)).operation.id for n in range(2)]
        for operation_id in taken:
            forget(one, operation_id, NOW + 1)
    assert merged_keys(other) == 1
    with written(other):
        assert not take(other, record(0), NOW + 1).replayed
        with pytest.raises(OperationForgotten):
            take(other, record(1), NOW + 1)


@pytest.mark.usefixtures("few")
def test_a_key_can_be_used_anew_for_ever(pair: tuple[Transaction, Transaction]) -> None:
    for turn in range(3 * keys.MAX_PROBES):
        now = NOW + turn
        with written(pair[turn % 2]) as one:
            fresh = take(one, record(1, expires_at=now + 1), now)
            assert not fresh.replayed
        if turn % 10 == 9:  # several of its rows are merged at once
            with written(one):
                for number in range(5):
                    take(one, record(turn * 10 + number), now)
            merge_all(one)
        with written(pair[1 - turn % 2]) as other:
            assert take(other, record(1), now + 0.5).operation == fresh.operation


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("merged", [False, True])
def test_a_key_is_found_beside_a_slot_that_became_free(
    pair: tuple[Transaction, Transaction], *, merged: bool
) -> None:
    one, other = pair
    with written(one):
        take(one, record(1, expires_at=NOW + 1, slot=SLOTS - 1))
        beside = take(one, record(2, slot=SLOTS - 1))
        for number in range(10, 20):
            take(one, record(number))
    if merged:
        merge_all(one)
    with written(one):
        assert keys.KeySweep().sweep(one, NOW + 1) == (2 if merged else 1), "row and copy"
    with written(other):
        assert take(other, record(2, slot=SLOTS - 1), NOW + 1).operation == beside.operation


@pytest.mark.usefixtures("few")
def test_an_older_key_does_not_come_back(pair: tuple[Transaction, Transaction]) -> None:
    """One whose operation is still there, when that of the newer one is not."""
    one, other = pair
    with written(one):
        take(one, record(1, expires_at=NOW + 1))
        newer = take(one, record(1), NOW + 1).operation.id
        for number in range(10, 20):
            take(one, record(number))
        forget(one, newer)
    folder = Path(one.cursor.connection.filename).parent
    for steps in (0, 100):
        third = opened(folder)  # it has not seen the newer one
        for _ in range(steps):
            with written(third):
                third.recent.merge()
        for each in (third, other):
            with written(each), pytest.raises(OperationForgotten):
                take(each, record(1), NOW + 1)
        close(third)


@pytest.mark.usefixtures("few")
def test_what_a_merge_had_yet_to_copy_may_expire(pair: tuple[Transaction, Transaction]) -> None:
    one, other = pair
    with written(one):
        for number in range(20):
            take(one, record(number, expires_at=NOW + 1))
    with written(one):
        assert one.recent.merge()
    with written(other):
        for number in range(20, 30):
            take(other, record(number))
        assert not take(other, record(0), NOW + 1).replayed
        while keys.KeySweep().sweep(other, NOW + 1):
            pass
    merge_all(one)
    with written(other):
        while keys.KeySweep().sweep(other, NOW + 1):
            pass
        assert merged_keys(other) == 11, "those that have not expired"
        assert all(take(other, record(number)).replayed for number in (0, *range(20, 30)))


@pytest.mark.usefixtures("few")
def test_operations_without_keys_are_merged_too(pair: tuple[Transaction, Transaction]) -> None:
    """Else whoever starts would have to look through all of them."""
    one, other = pair
    with written(one):
        for _ in range(20):
            commit.accept(one, accept(operation()), None, 100)
    assert merge_all(other) == 1
    assert rows(one) == []


@pytest.mark.usefixtures("few")
def test_nothing_is_left_of_an_expired_key(pair: tuple[Transaction, Transaction]) -> None:
    one, other = pair
    with written(one):  # merged, then not
        for number in range(20):
            take(one, record(number, expires_at=NOW + 10))
    merge_all(one)
    with written(one):
        for number in range(20, 23):
            take(one, record(number, expires_at=NOW + 10))
        kept = take(one, record(23, expires_at=NOW + 20)).operation.id
    with written(other):
        sweep = keys.KeySweep()
        while sweep.sweep(other, NOW + 10):
            pass
    assert merged_keys(other) == 0
    found = other.cursor.execute(
        "SELECT id FROM operations WHERE coalesce(key_slot, key_fingerprint, key_expires) NOT NULL"
    ).fetchall()
    assert found == [(kept,)]
    assert int(other.cursor.execute("SELECT count(*) FROM operations").get) == 24
    with written(one):
        assert not take(one, record(3), NOW).replayed, "an earlier time does not bring it back"
        assert not take(one, record(21), NOW).replayed
        assert take(one, record(23), NOW).operation.id == kept


@pytest.mark.usefixtures("few")
def test_all_that_was_merged_may_be_forgotten(pair: tuple[Transaction, Transaction]) -> None:
    one, other = pair
    with written(one):
        taken = [take(one, record(number)).operation.id for number in range(10)]
    merge_all(one)
    with written(other):
        for operation_id in taken:
            forget(other, operation_id)
    for each in pair:
        with written(each):
            assert not each.recent.at(range(7, 8))
        assert len(each.recent) == 0
    with written(one):
        take(one, record(20))
    assert len(one.recent) == 1
