"""A client that is behind: asks for what it missed over WebSocket, and counts until it has it."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from bench.kit.errors import NotRun

HOST = "127.0.0.1"
READ_BYTES = 1 << 20
LIMIT_S = 60.0
NAP_S = 50e-6  # it polls like the load generators, for their reason
MARK = b"~"  # stands once in each message, and nowhere else
SWITCHING = b" 101 "
SMALL = 126  # longer payloads have their length in two more bytes


def seconds(*, port: int, path: str, headers: Sequence[str], request: str, messages: int) -> float:
    """From the request until the last of so many messages is read."""
    with socket.create_connection((HOST, port), timeout=LIMIT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = (
            f"GET {path} HTTP/1.1", f"Host: {HOST}", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *headers,
        )  # fmt: skip
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := connection.recv(READ_BYTES)):
                raise NotRun(f"the replaying client was cut: {head!r}")
            head += data
        if SWITCHING not in head.partition(b"\r\n")[0]:
            raise NotRun(f"the replaying client was refused: {head[:300]!r}")
        connection.setblocking(False)
        begin = time.perf_counter()
        connection.sendall(_frame(request.encode()))
        _count(connection, messages, begin + LIMIT_S)
        return time.perf_counter() - begin


def _count(connection: socket.socket, messages: int, until: float) -> None:
    got, tail = 0, b""
    while got < messages:
        try:
            data = connection.recv(READ_BYTES)
        except BlockingIOError:
            if time.perf_counter() > until:
                raise NotRun(
                    f"{got} of {messages} messages were replayed: {tail[-300:]!r}"
                ) from None
            time.sleep(NAP_S)
            continue
        if not data:
            raise NotRun(f"cut after {got} of {messages} messages: {tail[-300:]!r}")
        got += data.count(MARK)
        tail = data


def _frame(data: bytes) -> bytes:
    """A text frame, masked with a key of zeros (RFC 6455 §5.2)."""
    size = len(data)
    head = bytes([0x81, 0x80 | size]) if size < SMALL else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + bytes(4) + data
