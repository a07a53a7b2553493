"""A proxy before moto that has requests fail, wait or go through, as a test says."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests import moto

Answer = tuple[int, dict[str, Any]]
Rule = Callable[[str], Answer | None]
"""Of an action: the answer in moto's place, or None for moto's own."""


def refusal(code: str, status: int = 400) -> Answer:
    """What DynamoDB answers when it refuses."""
    return status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "as told"}


THROTTLED = refusal("ThrottlingException")
NO_THROUGHPUT = refusal("ProvisionedThroughputExceededException")
BROKEN = refusal("InternalServerError", 500)


class Proxy:
    """Where it is, what it does, and what it was asked."""

    def __init__(self) -> None:
        self.rule: Rule = lambda action: None
        self.after: Callable[[str], None] = lambda action: None
        """Called once moto has answered, before the answer goes back."""
        self.asked: list[str] = []
        self.url = ""

    def options(self) -> dict[str, Any]:
        return {**moto.options(), "endpoint_url": self.url}

    def fail(self, times: int, answer: Answer, *actions: str) -> None:
        """Have these actions refused so many times."""
        left = [times]

        def rule(action: str) -> Answer | None:
            if (actions and action not in actions) or left[0] <= 0:
                return None
            left[0] -= 1
            return answer

        self.rule = rule


@contextlib.contextmanager
def proxy() -> Iterator[Proxy]:
    """One that runs until the end of the block."""
    told = Proxy()
    target = urlsplit(moto.url())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            action = self.headers.get("X-Amz-Target", self.command).rpartition(".")[2]
            told.asked.append(action)
            refused = told.rule(action)
            if refused is not None:
                self.answer(refused[0], [], msgspec.json.encode(refused[1]))
                return
            connection = http.client.HTTPConnection(target.hostname or "", target.port)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            data = answer.read()
            connection.close()
            told.after(action)
            kept = [pair for pair in answer.getheaders() if pair[0].lower() != "content-length"]
            self.answer(answer.status, kept, data)

        def answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            with contextlib.suppress(OSError):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

    for verb in ("GET", "POST", "PUT", "DELETE", "HEAD"):
        setattr(Handler, f"do_{verb}", Handler.forward)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
