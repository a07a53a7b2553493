"""What fan-out is measured beside: how each is started, and how one talks to it.

The servers that are written by hand (`servers/fanout_*.py`) and the C limits take
`TOPIC MESSAGE` from their publisher. Peers deliver the payload alone, without a topic, a position
or a permission: that favours them. The limits write what Ringback writes, byte for byte.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bench import fanout_ringback as ringback
from bench.kit.compiling import compiled
from bench.kit.environments import python_of, script
from bench.kit.errors import NotRun
from bench.kit.fanout import Client, Side, payload
from bench.kit.memory import family
from bench.kit.processes import Children, free_port, wait_for_port
from bench.kit.uvicorn import UVICORN_OPTIONS

BACKLOG = "2048"


@dataclass(frozen=True, kw_only=True)
class Server:
    """One that runs."""

    port: int
    pids: list[int]
    # Where subscribers go that speak another wire than the publisher.
    subscribers_port: int = 0


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A row: a server, and a client for it."""

    name: str
    title: str
    what: str
    environment: str
    start: Callable[[Children], Server]
    client: Callable[[Server], Client]


BY_HAND = "{n} "
PUBLISHER = Side(wire="ws", path="/publish")
POSTING = Side(wire="post", path="/publish")


def contenders() -> list[Contender]:
    """The limits and Ringback first, next to each other: they are compared most closely."""
    by_hand = Client(
        subscribers=Side(wire="ws", path="/ws/{n}"),
        publisher=PUBLISHER,
        message=BY_HAND + payload(),
    )
    over_sse = replace(by_hand, subscribers=Side(wire="sse", path="/sse/{n}"), publisher=POSTING)
    limit_ws = replace(by_hand, message=BY_HAND + ringback.WS_MESSAGE)
    limit_sse = replace(over_sse, message=BY_HAND + ringback.SSE_EVENT)
    one, joined = "C, epoll: one send each", "C, epoll: a turn's frames joined"
    return [
        _limit("limit-ws-one", one, "WebSocket", "one", limit_ws),
        _ringback("ringback-ws", "Ringback", "WebSocket", ringback.ws_client),
        _limit("limit-ws-joined", joined, "WebSocket", "joined", limit_ws),
        _limit("limit-sse-one", one, "SSE", "one", limit_sse),
        _ringback("ringback-sse", "Ringback", "SSE", ringback.sse_client),
        _limit("limit-sse-joined", joined, "SSE", "joined", limit_sse),
        _mosquitto(),
        _nats("nats", "NATS", "TCP", "nats"),
        _nats("nats-ws", "NATS", "WebSocket", "natsws"),
        _script("picows", "picows", "WebSocket", by_hand),
        _script("aiohttp", "aiohttp", "WebSocket", by_hand),
        _script("aiohttp", "aiohttp", "SSE", over_sse),
        _script("websockets", "websockets `broadcast()`", "WebSocket", by_hand),
        _uvicorn("asgi", "uvicorn, ASGI `send` in a loop", "WebSocket", by_hand),
        _uvicorn("asgi", "uvicorn, ASGI `send` in a loop", "SSE", over_sse),
        _uvicorn("socketio", "python-socketio", "WebSocket", _socketio_client()),
        _uvicorn("channels", "Django Channels, in memory", "WebSocket", by_hand),
    ]


def _fixed(client: Client) -> Callable[[Server], Client]:
    return lambda _server: client


def _row_name(name: str, what: str) -> str:
    return name + ("-sse" if what == "SSE" else "")


def _start(children: Children, argv: list[str | Path], port: int) -> Server:
    child = children.start(argv, name="server")
    wait_for_port(child, port)
    return Server(port=port, pids=family(child.process.pid))


def _limit(name: str, title: str, what: str, mode: str, client: Client) -> Contender:
    def start(children: Children) -> Server:
        port = free_port()
        return _start(children, [compiled("fanout_limit"), str(port), mode], port)

    return Contender(
        name=name, title=title, what=what, environment="c", start=start, client=_fixed(client)
    )


def _ringback(name: str, title: str, what: str, client: Callable[[], Client]) -> Contender:
    def start(children: Children) -> Server:
        port, pid = ringback.serve(children)
        return Server(port=port, pids=family(pid))

    return Contender(
        name=name, title=title, what=what, environment="ringback", start=start,
        client=lambda _server: client(),
    )  # fmt: skip


def _script(name: str, title: str, what: str, client: Client) -> Contender:
    """A server that is a program of its own."""

    def start(children: Children) -> Server:
        port = free_port()
        argv: list[str | Path] = [
            python_of(name), "-m", f"bench.servers.fanout_{name}", str(port),
        ]  # fmt: skip
        return _start(children, argv, port)

    return Contender(
        name=_row_name(name, what), title=title, what=what, environment=name, start=start,
        client=_fixed(client),
    )  # fmt: skip


def _uvicorn(name: str, title: str, what: str, client: Client) -> Contender:
    """An application under uvicorn, which does not offer compression here."""

    def start(children: Children) -> Server:
        port = free_port()
        argv: list[str | Path] = [
            script(name, "uvicorn"), f"bench.servers.fanout_{name}:app", "--port", str(port),
            *UVICORN_OPTIONS, "--lifespan", "off", "--backlog", BACKLOG,
            "--ws-per-message-deflate", "false",
        ]  # fmt: skip
        return _start(children, argv, port)

    return Contender(
        name=_row_name(name, what), title=title, what=what, environment=name, start=start,
        client=_fixed(client),
    )  # fmt: skip


def _socketio_client() -> Client:
    opened, connected = ("", "0{"), ("40", "40")
    path = "/socket.io/?EIO=4&transport=websocket"
    return Client(
        subscribers=Side(
            wire="sio", path=path, steps=(opened, connected, ('420["join","{n}"]', "430["))
        ),
        publisher=Side(wire="sio", path=path, steps=(opened, connected)),
        message='42["publish","{n}",' + payload() + "]",
    )


def _nats(name: str, title: str, what: str, wire: str) -> Contender:
    def start(children: Children) -> Server:
        port, ws_port = free_port(), free_port()
        configuration = children.folder / "fanout.conf"
        configuration.write_text(
            f'listen: "127.0.0.1:{port}"\nmax_connections: 65536\n'
            f'websocket {{ listen: "127.0.0.1:{ws_port}", no_tls: true, compression: false }}\n'
        )
        argv: list[str | Path] = [script("jetstream", "nats-server"), "-c", configuration]
        return _start(children, argv, port=ws_port if wire == "natsws" else port)

    side = Side(wire=wire)
    client = Client(subscribers=side, publisher=side, message=payload(), topic="live.{n}")
    return Contender(
        name=name, title=title, what=what, environment="jetstream", start=start,
        client=_fixed(client),
    )  # fmt: skip


def _mosquitto() -> Contender:
    def start(children: Children) -> Server:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if program is None:
            raise NotRun("mosquitto is not installed (apt-get install mosquitto)")
        port = free_port()
        configuration = children.folder / "mosquitto.conf"
        configuration.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            "set_tcp_nodelay true\nmax_queued_messages 0\nlog_type error\n"
            "user root\n"
        )
        return _start(children, [program, "-c", configuration], port)

    side = Side(wire="mqtt")
    client = Client(subscribers=side, publisher=side, message=payload(), topic="live/{n}")
    return Contender(
        name="mosquitto", title="Mosquitto", what="MQTT", environment="system", start=start,
        client=_fixed(client),
    )  # fmt: skip
