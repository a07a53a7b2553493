"""The client of the progress benchmark: submits operations, follows each over SSE, prints JSON.

`python -m bench.followers PORT FOLLOWERS PARTS PAUSE_S`. Raw sockets and one epoll loop, so that
what is timed is the server. It polls and naps like `load/load.c`, for the same reason: a client
that blocks makes the server pay its wake-up in each send.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import select
import socket
import statistics
import sys
import time
from dataclasses import dataclass, field

HOST = "127.0.0.1"
NAP_S = 50e-6  # bounds what polling can add to a latency: 0.05 ms
PR_SET_TIMERSLACK, SLACK_NS = 29, 1000  # or a nap of 50 us would take 100
READ_BYTES = 65536
HEAD_START_S = 1.5  # for 100 subscriptions to be made before the first part is sent
GRACE_S = 15.0  # for what is late; a worker may still be starting
JITTER_ROOM = 1.5  # a pause is at most this many times its mean


@dataclass
class Follower:
    """One open stream."""

    connection: socket.socket
    rest: bytes = b""
    is_part: bool = False
    following: bool = False
    arrived: list[int] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)

    def read(self) -> bool:
        """Take what has come; false at the end of the stream."""
        data = self.connection.recv(READ_BYTES)
        now = time.time_ns()
        # The server writes whole events, so a chunk's length is a line of its own, and ignored.
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"event:"):
                self.is_part = line[6:].strip() == b"part"
                self.following = True
            elif line.startswith(b"data:") and self.is_part:
                part = json.loads(line[5:])["data"]
                self.arrived.append(now)
                self.sent.append(part["sent"])
                self.stored.append(part["stored_before"])
        return bool(data)


def submit(port: int, followers: int, parts: int, pause_s: float) -> tuple[list[Follower], float]:
    """Start the operations and open a stream on each; when the first part is due."""
    begin = time.time() + HEAD_START_S
    body = json.dumps({"begin": begin, "parts": parts, "pause_s": pause_s})
    submitting = http.client.HTTPConnection(HOST, port)
    opened = []
    for _ in range(followers):
        submitting.request("POST", "/tasks/report", body, {"Content-Type": "application/json"})
        answer = submitting.getresponse()
        accepted = json.loads(answer.read())
        if answer.status != http.client.ACCEPTED:
            raise SystemExit(f"{answer.status}: {accepted}")
        connection = socket.create_connection((HOST, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(
            f"GET /operations/{accepted['id']}/events HTTP/1.1\r\nHost: {HOST}\r\n"
            f"Authorization: Bearer {accepted['token']}\r\n\r\n".encode()
        )
        opened.append(Follower(connection))
    return opened, begin


def follow(followers: list[Follower], parts: int, begin: float, until: float) -> None:
    """Read until all has come, or the time is over."""
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0)
    poll = select.epoll()
    by_fd = {}
    for follower in followers:
        follower.connection.setblocking(False)
        by_fd[follower.connection.fileno()] = follower
        poll.register(follower.connection, select.EPOLLIN)
    waiting, checked = len(followers), False
    while waiting and time.time() < until:
        ready = poll.poll(0)
        for fd, _ in ready:
            follower = by_fd[fd]
            complete = len(follower.arrived) >= parts
            if not follower.read():
                poll.unregister(fd)
                waiting -= not complete
            elif not complete and len(follower.arrived) >= parts:
                waiting -= 1
        if not checked and time.time() >= begin:
            checked = True
            if late := sum(not follower.following for follower in followers):
                raise SystemExit(f"{late} streams were not open when the first part was due")
        if not ready:
            time.sleep(NAP_S)


def percentile(values: list[float], share: float) -> float:
    """In the order of `values`, sorted; milliseconds."""
    return round(values[int(share * (len(values) - 1))], 3)


def figures(followers: list[Follower], parts: int) -> dict[str, float]:
    """What was measured, in milliseconds."""
    from_send = sorted(
        (arrived - sent) / 1e6
        for follower in followers
        for arrived, sent in zip(follower.arrived, follower.sent, strict=True)
    )
    # A part says when the one before it was stored.
    from_store = sorted(
        (arrived - stored) / 1e6
        for follower in followers
        for arrived, stored in zip(follower.arrived, follower.stored[1:], strict=False)
    )
    if not from_send or not from_store:
        raise SystemExit("no parts arrived")
    begin = min(follower.arrived[0] for follower in followers if follower.arrived)
    end = max(follower.arrived[-1] for follower in followers if follower.arrived)
    return {
        "events": len(from_send),
        "missed": len(followers) * parts - len(from_send),
        "events_per_s": round(len(from_send) / max((end - begin) / 1e9, 1e-9), 1),
        "send_p50_ms": round(statistics.median(from_send), 3),
        "send_p99_ms": percentile(from_send, 0.99),
        "store_p50_ms": round(statistics.median(from_store), 3),
        "store_p99_ms": percentile(from_store, 0.99),
    }


def main() -> None:
    """Submit, follow, report."""
    port, count, parts, pause_s = (float(text) for text in sys.argv[1:5])
    followers, begin = submit(int(port), int(count), int(parts), pause_s)
    until = begin + parts * pause_s * JITTER_ROOM + GRACE_S
    follow(followers, int(parts), begin, until)
    print(json.dumps(figures(followers, int(parts))))


if __name__ == "__main__":
    main()
