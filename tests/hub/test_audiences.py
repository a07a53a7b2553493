"""Writing to sockets by their descriptors: what one does not take is not lost, and stops nobody."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Iterator

import pytest

from ringback.hub.audiences import Direct
from tests.hub.following import Listener

SMALL = 4096
"""Bytes of a socket's buffers, as asked for."""


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Sockets and their other ends."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(20):
            ours, theirs = (stack.enter_context(each) for each in socket.socketpair())
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
            ours.setblocking(False)
            theirs.setblocking(False)
            found.append((ours, theirs))
        yield found


def received(end: socket.socket) -> bytes:
    came = b""
    with contextlib.suppress(BlockingIOError):
        while data := end.recv(1 << 20):
            came += data
    return came


def test_what_a_socket_does_not_take_its_connection_does(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    """All bytes, in their order, from whichever of the two they come; the others get theirs."""
    chance = random.Random(7)
    direct, listeners, had = Direct(), [], [b""] * len(pairs)
    for ours, _ in pairs:
        listeners.append(Listener())
        direct.add(ours.fileno(), listeners[-1])
    broken, full = pairs[3], {5, 6, 19}
    broken[1].close()
    sent = b""
    for _ in range(200):
        data = chance.randbytes(chance.choice((1, 100, SMALL // 2)))
        direct.write(data)
        sent += data
        for number, (_, theirs) in enumerate(pairs):
            if number != 3 and number not in full:
                had[number] += received(theirs)
                assert had[number] == sent, number
                assert not listeners[number].writes, number
        if any(listeners[number].writes for number in full):
            break  # from here on their connections are asked alone: they are congested
    for number in full:
        assert received(pairs[number][1]) + b"".join(listeners[number].writes) == sent
    assert b"".join(listeners[3].writes) == sent, "a broken one is left to its connection"
