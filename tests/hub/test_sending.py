"""The same bytes to many sockets, by a ring of the kernel's or one by one: both do the same."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import socket
import sys
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from ringback import Ringback
from ringback.hub import sending
from ringback.hub.sending import ENTRIES, FROM, Ring

PAIRS = FROM + 4
ROUNDS = 2 * ENTRIES // PAIRS + 3  # more than two rings full, and a piece of the next
Send = Callable[["array[int]", bytes], list[sending.Short]]
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def ring() -> Iterator[Ring]:
    try:
        ring = Ring()
    except OSError as error:
        pytest.skip(f"no ring here: {error}")
    yield ring
    ring.close()


@pytest.fixture(params=["ring", "one by one"])
def send(request: pytest.FixtureRequest) -> Send:
    if request.param == "ring":
        ring: Ring = request.getfixturevalue("ring")
        return ring.send
    return sending._one_by_one


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    with ExitStack() as open:
        made = [socket.socketpair() for _ in range(PAIRS)]
        for pair in made:
            for end in pair:
                open.enter_context(end).setblocking(False)
        yield made


def descriptors(pairs: list[Pair]) -> array[int]:
    return array("i", [near.fileno() for near, _ in pairs])


def test_everybody_gets_everything_in_order(send: Send, pairs: list[Pair]) -> None:
    for number in range(ROUNDS):
        data = b"%d," % number
        assert send(descriptors(pairs), data) == []
    for _, far in pairs:
        assert far.recv(1 << 16) == b"".join(b"%d," % number for number in range(ROUNDS))


def test_more_sockets_than_a_ring_has_entries(send: Send, pairs: list[Pair]) -> None:
    assert send(descriptors(pairs) * ROUNDS, b"ab") == []
    for _, far in pairs:
        assert far.recv(1 << 16) == b"ab" * ROUNDS


def test_one_that_takes_nothing_keeps_nobody_else_from_it(send: Send, pairs: list[Pair]) -> None:
    full, broken, closed = 3, 7, 11
    with suppress(BlockingIOError):
        while True:
            pairs[full][0].send(b"x" * 4096)
    pairs[broken][1].close()
    numbers = descriptors(pairs)
    pairs[closed][0].close()
    short = send(numbers, b"abc")
    assert [index for index, _ in short] == [full, broken, closed]
    assert all(sent <= 0 for _, sent in short)
    assert pairs[-1][1].recv(10) == b"abc"


def test_what_a_socket_takes_of_it_is_told(send: Send, pairs: list[Pair]) -> None:
    data = b"x" * (1 << 22)
    near, far = pairs[5]
    ((index, taken),) = send(array("i", [near.fileno()]), data)
    assert index == 0
    assert 0 < taken < len(data)
    got = 0
    while got < taken:
        got += len(far.recv(1 << 20))
    with pytest.raises(BlockingIOError):
        far.recv(1)


class Kernel:
    """The system's, but for what a test makes of a call."""

    def __init__(self, ring: Ring) -> None:
        self._call = ring._call
        ring._call = self  # type: ignore[assignment]
        self.most: list[int | None] = []
        """How many submissions the next calls take; None: refused for want of memory."""

    def __call__(
        self, number: ctypes.c_long, ring: object, submitted: ctypes.c_uint, *more: object
    ) -> int:
        if self.most and submitted.value:
            most = self.most.pop(0)
            if most is None:
                ctypes.set_errno(errno.EAGAIN)
                return -1
            submitted = ctypes.c_uint(min(most, submitted.value))
        result: int = self._call(number, ring, submitted, *more)
        return result


def test_a_kernel_that_takes_them_in_pieces(ring: Ring, pairs: list[Pair]) -> None:
    Kernel(ring).most = [1, 5]
    assert ring.send(descriptors(pairs), b"abc") == []
    assert [far.recv(10) for _, far in pairs] == [b"abc"] * PAIRS


def test_what_the_kernel_refuses_is_not_sent_later(ring: Ring, pairs: list[Pair]) -> None:
    Kernel(ring).most = [2, None]
    assert ring.send(descriptors(pairs), b"abc") == [(index, 0) for index in range(2, PAIRS)]
    assert ring.send(descriptors(pairs), b"de") == []
    assert [far.recv(10) for _, far in pairs] == [b"abcde"] * 2 + [b"de"] * (PAIRS - 2)


def test_completions_are_told_apart_by_their_names(ring: Ring) -> None:
    ring._names = memoryview(array("Q", [2, 0, 1]))
    ring._results = memoryview(array("i", [20, -1, 10]))
    assert ring._completed(0, 3) == [-1, 10, 20]


@pytest.mark.parametrize(
    "why",
    [OSError(errno.EPERM, "not in this container"), ValueError("mmap length is too large")],
    ids=["refused", "not to be mapped"],
)
def test_without_a_ring_sockets_are_written_to_one_by_one(
    pairs: list[Pair], monkeypatch: pytest.MonkeyPatch, why: Exception
) -> None:
    asked: list[None] = []

    def refused() -> Ring:
        asked.append(None)
        raise why

    monkeypatch.setattr(sending, "Ring", refused)
    monkeypatch.setattr(sending, "_own", sending._Own())
    for _ in range(3):
        assert sending.send(descriptors(pairs), b"abc") == []
    assert len(asked) == 1


def test_a_ring_that_cannot_be_mapped_is_given_back(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(descriptor: int, *size: int, **more: int) -> None:
        mapped.append(descriptor)
        raise ValueError("mmap length is too large")

    mapped: list[int] = []
    monkeypatch.setattr("mmap.mmap", no_memory)
    monkeypatch.setattr(sending, "_own", sending._Own())
    assert sending._ring() is None
    assert sending._own.refused
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(mapped[0])


def test_another_system_has_none_and_nothing_to_give_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    ring = Ring.__new__(Ring)
    with pytest.raises(OSError, match="no io_uring"):
        Ring.__init__(ring)
    ring.close()


def test_a_ring_that_was_interrupted_is_not_used_again(
    pairs: list[Pair], ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(slot: int, several: int) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(sending, "_own", sending._Own())
    monkeypatch.setattr(ring, "_whole", interrupted)
    sending._own.ring = ring
    with pytest.raises(KeyboardInterrupt):
        sending.send(descriptors(pairs), b"abc")
    assert sending.send(descriptors(pairs), b"de") == []
    assert [far.recv(10) for _, far in pairs] == [b"abcde"] * PAIRS


def test_a_ring_is_made_once_for_a_thread_and_anew_for_a_child(
    pairs: list[Pair], ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_own", sending._Own())
    sending.send(descriptors(pairs[:2]), b"few")
    assert not sending._own.ring
    sending.send(descriptors(pairs), b"abc")
    first = sending._own.ring
    sending.send(descriptors(pairs), b"abc")
    assert sending._own.ring == first
    sending._forget()
    sending.send(descriptors(pairs), b"abc")
    assert isinstance(sending._own.ring, Ring)
    assert sending._own.ring != first
    assert pairs[-1][1].recv(100) == b"abc" * 3


async def test_a_setting_keeps_it_from_making_any(
    pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_avoided", False)
    monkeypatch.setattr(sending, "_own", sending._Own())
    async with Ringback(data=tmp_path, io_uring=False).running():
        assert sending.send(descriptors(pairs), b"told") == []
    assert sending._own.ring is None
