"""What a key means, on two connections, against the plainest program that does the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from ringback.core.model import Accepted
from ringback.engines.sqlite import keys, recent
from ringback.engines.sqlite.recent import SLOTS
from ringback.engines.sqlite.writer import Transaction
from ringback.errors import IdempotencyKeyReused, OperationForgotten, QueueFull, RingbackError
from tests.core.states import NOW
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
from tests.thorough import examples


class Act(NamedTuple):
    """Something done within a transaction."""

    what: str
    name: int = 0
    payload: int = 0
    lifetime: float = 0.0
    room: bool = True


PLACES = [None, None, None, 7, 7, 7, 8, 8, SLOTS - 1, SLOTS - 1]
"""The slot of each name; None: one of its own. Those that collide get the next ones."""
takes = st.builds(
    Act,
    st.just("take"),
    st.integers(0, len(PLACES) - 1),
    st.integers(0, 1),
    st.sampled_from([1.0, 3.0, 10.0]),
    st.sampled_from([True, True, True, False]),
)
forgets = st.builds(Act, st.just("forget"), st.integers(0, len(PLACES) - 1))
acts = st.one_of(
    takes, takes, takes, forgets, st.builds(Act, st.sampled_from(["merge", "sweep", "new"]))
)
sides = st.integers(0, 1)


class Story(RuleBasedStateMachine):
    """Two connections, and the plainest program that does what keys are for."""

    @initialize()
    def open_both(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.sides = [opened(self.folder), opened(self.folder)]
        self.now = NOW
        self.model: dict[int, tuple[int, str, float]] = {}
        self.forgotten: set[str] = set()
        self.fresh = 100

    @rule(side=sides, story=st.lists(acts, min_size=1, max_size=8), kept=st.sampled_from([1, 1, 0]))
    def write(self, side: int, story: Sequence[Act], kept: int) -> None:
        transaction = self.sides[side]
        before = dict(self.model), set(self.forgotten)
        transaction.begin()
        for act in story:
            match act.what:
                case "take":
                    self.check_take(transaction, act)
                case "new":
                    self.fresh += 1
                    take(transaction, record(self.fresh, expires_at=self.now + 2), self.now)
                case "merge":
                    transaction.recent.merge()
                case "forget":
                    _, number, _ = self.model.get(act.name, (0, "", 0.0))
                    if number and number not in self.forgotten:
                        forget(transaction, number, self.now)
                        self.forgotten.add(number)
                case "sweep":
                    keys.KeySweep().sweep(transaction, self.now)
        if kept:
            transaction.commit()
        else:
            transaction.rollback()
            self.model, self.forgotten = before

    def check_take(self, transaction: Transaction, act: Act) -> None:
        until = self.now + act.lifetime
        key = record(act.name, act.payload, until, slot=PLACES[act.name])
        payload, number, expires_at = self.model.get(act.name, (0, "", 0.0))
        living = expires_at > self.now
        answer: Accepted | RingbackError
        try:
            answer = take(transaction, key, self.now, 10**6 if act.room else 0)
        except RingbackError as refused:
            answer = refused
        match answer:
            case QueueFull():
                assert (act.room, living) == (False, False)
            case IdempotencyKeyReused():
                assert (living, payload) == (True, 1 - act.payload)
                assert answer.fields["operation"] == number
            case OperationForgotten():
                assert (living, payload) == (True, act.payload)
                assert answer.fields["operation"] == number
                assert number in self.forgotten
            case Accepted(replayed=True):
                assert number not in self.forgotten
                assert (living, payload, number) == (True, act.payload, answer.operation.id)
            case Accepted():
                assert (act.room, living) == (True, False)
                self.model[act.name] = act.payload, answer.operation.id, until
            case _:
                raise answer

    @rule(side=sides)
    def fail_to_begin(self, side: int) -> None:
        self.sides[1 - side].begin()
        with pytest.raises(apsw.BusyError):
            self.sides[side].begin()
        self.sides[side].rollback()
        self.sides[1 - side].commit()

    @rule(side=sides)
    def merge_to_the_end(self, side: int) -> None:
        merge_all(self.sides[side])
        kept = self.sides[side].recent
        assert len(rows(self.sides[side])) <= len(kept) <= FEW["MERGE_AT"]

    @rule(side=sides)
    def start_anew(self, side: int) -> None:
        close(self.sides[side])
        self.sides[side] = opened(self.folder)

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    def teardown(self) -> None:
        for transaction in self.sides:
            with written(transaction):
                for name in range(len(PLACES)):
                    self.check_take(transaction, Act("take", name, room=False))
            close(transaction)
        shutil.rmtree(self.folder)


def test_a_key_means_the_same_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "SWEEP_KEYS", 3)
    for name, value in FEW.items():
        monkeypatch.setattr(recent, name, value)
    run_state_machine_as_test(
        Story, settings=settings(max_examples=examples(60), stateful_step_count=30, deadline=None)
    )
