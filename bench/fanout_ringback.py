"""Ringback in the fan-out benchmark: how it is started, what its clients say, what it writes.

All that depends on the protocol `ringback.v1` and on how topics are declared is here and in
`servers/ringback_fanout.py`; the C limits write the frames given here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

from bench.kit import ringback
from bench.kit.fanout import Client, Side, payload
from bench.kit.processes import Children

APP = "bench.servers.ringback_fanout:rb"
HS256_KEY = "a secret of the benchmark, on loopback only"
SCOPE = "bench"  # as in servers/ringback_fanout.py
SUBJECTS = 1000  # connections share them: a person has a few tabs and devices
TOKEN_LIFETIME_S = 3600
LIVE, KEPT = "live", "kept"

# What a subscriber gets of an ephemeral topic; the time of a limit stays the same. It puts an
# event into a chunk of its own, as Ringback does.
AT = "2026-01-01T00:00:00.000Z"
WS_MESSAGE = f'{{"type":"message","topic":"{LIVE}/{{n}}","at":"{AT}","data":{payload()}}}'
SSE_EVENT = f'data: {{"topic":"{LIVE}/{{n}}","position":null,"at":"{AT}","data":{payload()}}}\n\n'

REFUSAL = '"type":"error"'
HEADERS = ("Authorization: Bearer {line}", "Sec-WebSocket-Protocol: ringback.v1")


def serve(children: Children) -> tuple[int, int]:
    """Start it with its own command; its port and process."""
    port = ringback.serve(
        children, APP, children.folder / "data", works=False,
        env={"RINGBACK_JWT_SECRET": HS256_KEY},
    )  # fmt: skip
    return port, children.started[-1].process.pid


def ws_client(topics: str = LIVE) -> Client:
    """Subscribers and publisher over WebSocket."""
    subscribe = json.dumps({"action": "subscribe", "id": "s", "filter": topics + "/{n}"})
    return Client(
        subscribers=Side(wire="ws", path="/ws", steps=((subscribe, '"type":"reply"'),)),
        publisher=_publisher(),
        message=_publish(topics),
        headers=HEADERS,
        lines=_tokens(),
        refusal=REFUSAL,
    )


def sse_client(topics: str = LIVE) -> Client:
    """Subscribers over SSE; the publisher over WebSocket."""
    return Client(
        subscribers=Side(wire="sse", path=f"/topics?filter={topics}/{{n}}"),
        publisher=_publisher(),
        message=_publish(topics),
        headers=HEADERS[:1],
        lines=_tokens(),
        refusal=REFUSAL,
    )


def replay_request(topic: str) -> str:
    """The frame that asks for all that is kept."""
    return json.dumps({"action": "subscribe", "id": "r", "filter": topic, "after": "earliest"})


def token(subject: str) -> str:
    """A JWT (RFC 7519) signed with HS256."""
    claims = {"sub": subject, "scope": SCOPE, "exp": int(time.time()) + TOKEN_LIFETIME_S}
    head = b".".join(
        _b64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    signature = hmac.digest(HS256_KEY.encode(), head, hashlib.sha256)
    return (head + b"." + _b64(signature)).decode()


def _publisher() -> Side:
    return Side(wire="ws", path="/ws", steps=(("", '"type":"welcome"'),))


def _publish(topics: str) -> str:
    return f'{{"action":"publish","topic":"{topics}/{{n}}","data":{payload()}}}'


def _tokens() -> tuple[str, ...]:
    return tuple(token(f"subject-{number}") for number in range(SUBJECTS))


def _b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
