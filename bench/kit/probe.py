"""One request after another on one connection: what a lone caller waits for."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Sequence

from bench.kit.errors import NotRun

HOST = "127.0.0.1"
READ_BYTES = 1 << 18
TIMEOUT_S = 20.0
WARM = 5  # requests that are not counted
BOUND_S = 5.0  # a slow answer gets fewer samples


def get_p50_ms(port: int, paths: Sequence[str], header: str) -> float:
    """The median time of a `GET` of each of the paths."""
    times = []
    with socket.create_connection((HOST, port), timeout=TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        deadline = time.monotonic() + BOUND_S
        for number, path in enumerate(paths):
            request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{header}\r\n\r\n".encode()
            begin = time.perf_counter()
            connection.sendall(request)
            _answer(connection, path)
            if number >= WARM:
                times.append((time.perf_counter() - begin) * 1000)
            if times and time.monotonic() > deadline:
                break
    return round(statistics.median(times), 3)


def _answer(connection: socket.socket, path: str) -> None:
    """Read a whole answer, which has to be a 200."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    if b" 200 " not in head[:20]:
        raise NotRun(f"GET {path}: {data[:300]!r}")
    length = next(
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    missing = length - len(body)
    while missing > 0:
        missing -= len(_some(connection))


def _some(connection: socket.socket) -> bytes:
    try:
        data = connection.recv(READ_BYTES)
    except TimeoutError:
        raise NotRun(f"no answer within {TIMEOUT_S:.0f} s") from None
    if not data:
        raise NotRun("the server closed the connection")
    return data
