"""Accept: `POST` with a small JSON body until the `202`, requests per second on one core."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.kit import stores
from bench.kit.environments import python_of, script
from bench.kit.load import Load
from bench.kit.load import run as run_load
from bench.kit.processes import Children, free_port, wait_for_port
from bench.kit.rounds import Scenario

CONNECTIONS = 64
SECONDS, QUICK_SECONDS = 5.0, 2.0
WARMUP_S = 1.0  # connections open, pools filled, bytecode specialised
PATH = "/tasks/noop"
BODY = '{"n": 1}'
UVICORN_OPTIONS = (
    "--host", "127.0.0.1", "--loop", "uvloop", "--http", "httptools",
    "--no-access-log", "--log-level", "warning",
)  # fmt: skip

# Ringback's own command line. A server without a worker: only the accept path is measured.
RINGBACK_ARGUMENTS = ("--host", "127.0.0.1", "--workers", "0")
RINGBACK_APP = "bench.servers.ringback_app:rb"
RINGBACK_NOSTORE_APP = "bench.servers.ringback_nostore:rb"

NOTHING = "nothing is stored"
OPEN_STORE = Callable[[Children], str]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line decides."""

    quick: bool


def scenarios(options: Options) -> list[Scenario]:
    """The rows, the baseline first."""
    seconds = QUICK_SECONDS if options.quick else SECONDS
    peer = functools.partial(_peer, seconds)
    return [
        peer("bare", "bare ASGI, constant 202", NOTHING, "bare", "bare:app"),
        _ringback(seconds, "ringback", "Ringback", "on disk, fdatasync", RINGBACK_APP),
        _ringback(
            seconds, "ringback-nostore", "Ringback, storage off", NOTHING, RINGBACK_NOSTORE_APP
        ),
        peer(
            "redis-always", "bare ASGI + Redis XADD, `always`, pipelined", "on disk, fsync",
            "redis", "redis_stream:app", functools.partial(stores.redis, fsync="always"),
        ),
        peer(
            "jetstream", "bare ASGI + JetStream, file", "in the page cache; synced every 2 min",
            "jetstream", "jetstream:app", functools.partial(stores.nats, sync_always=False),
        ),
        peer(
            "jetstream-always", "bare ASGI + JetStream, file, sync `always`", "on disk, fsync",
            "jetstream", "jetstream:app", functools.partial(stores.nats, sync_always=True),
        ),
        peer(
            "postgres", "bare ASGI + PostgreSQL insert, pool 16", "on disk, fdatasync",
            "postgres", "postgres:app", stores.postgres,
        ),
        peer(
            "celery", "FastAPI + Celery, Redis `everysec`", "in memory; synced every second",
            "celery", "celery_app:app", functools.partial(stores.redis, fsync="everysec"),
        ),
    ]  # fmt: skip


def _peer(
    seconds: float,
    name: str,
    title: str,
    durability: str,
    environment: str,
    app: str,
    open_store: OPEN_STORE | None = None,
) -> Scenario:
    """A server run by uvicorn, before a store that is started for it."""

    def measure(children: Children) -> dict[str, object]:
        python_of(environment)  # before the store starts: installing may take a minute
        env = {"BENCH_STORE_URL": open_store(children)} if open_store else {}
        port = free_port()
        argv: list[str | Path] = [
            script(environment, "uvicorn"), f"bench.servers.{app}",
            "--port", str(port), *UVICORN_OPTIONS,
        ]  # fmt: skip
        if open_store is None:
            argv += ["--lifespan", "off"]
        return _serve_and_load(children, argv, port, seconds, env)

    return Scenario(
        name=name, title=title, durability=durability, environment=environment, measure=measure
    )


def _ringback(seconds: float, name: str, title: str, durability: str, app: str) -> Scenario:
    """Ringback through its own command, with its data in the run's folder."""

    def measure(children: Children) -> dict[str, object]:
        port = free_port()
        argv: list[str | Path] = [
            script("ringback", "ringback"), "run", app,
            "--port", str(port), "--data", children.folder / "ringback-data", *RINGBACK_ARGUMENTS,
        ]  # fmt: skip
        return _serve_and_load(children, argv, port, seconds, {})

    return Scenario(
        name=name, title=title, durability=durability, environment="ringback", measure=measure
    )


def _serve_and_load(
    children: Children, argv: list[str | Path], port: int, seconds: float, env: dict[str, str]
) -> dict[str, object]:
    wait_for_port(children.start(argv, name="server", env=env), port)
    return run_load(
        children,
        Load(
            port=port,
            path=PATH,
            body=BODY,
            seconds=seconds,
            warmup_s=WARMUP_S,
            connections=CONNECTIONS,
        ),
    )
