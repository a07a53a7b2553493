"""Accept: `POST` with a small JSON body until the `202`, requests per second on one core."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.kit import ringback, stores
from bench.kit.environments import python_of, script
from bench.kit.load import Load
from bench.kit.load import run as run_load
from bench.kit.processes import Children, free_port, wait_for_port
from bench.kit.report import CPU, Column, Part
from bench.kit.rounds import Scenario
from bench.kit.targets import Target
from bench.kit.uvicorn import UVICORN_OPTIONS

CONNECTIONS = 64
SECONDS, QUICK_SECONDS = 5.0, 2.0
WARMUP_S = 1.0  # connections open, pools filled, bytecode specialised
PATH = "/tasks/noop"
BODY = '{"n": 1}'
RINGBACK_APP = "bench.servers.ringback_app:rb"
RINGBACK_NOSTORE_APP = "bench.servers.ringback_nostore:rb"

PART = Part(
    name="accept",
    title="Accept: `POST` → `202`, 64 connections, one core",
    columns=(
        Column(key="requests_per_s", heading="requests/s", digits=0, spread=True),
        Column(key="p50_ms", heading="p50 ms", digits=2),
        Column(key="p99_ms", heading="p99 ms", digits=2),
        CPU,
    ),
    ratio_key="requests_per_s",
    references=(("bare", "x baseline"), ("ringback", "x Ringback")),
    targets=tuple(
        Target(text=text, row="ringback", reference=reference, key="requests_per_s", bound=bound)
        for text, reference, bound in (
            ("Ringback / storage off", "ringback-nostore", 0.60),
            ("Ringback / bare", "bare", 0.35),
            ("Ringback / FastAPI + Celery everysec", "celery", 8.0),
        )
    ),
)

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
        wait_for_port(children.start(argv, name="server", env=env), port)
        return _load(children, port, seconds)

    return Scenario(
        name=name, title=title, durability=durability, environment=environment, measure=measure
    )


def _ringback(seconds: float, name: str, title: str, durability: str, app: str) -> Scenario:
    """Ringback through its own command, with its data in the run's folder."""

    def measure(children: Children) -> dict[str, object]:
        # No worker: only the accept path is measured.
        port = ringback.serve(children, app, children.folder / "data", works=False)
        return _load(children, port, seconds)

    return Scenario(
        name=name, title=title, durability=durability, environment="ringback", measure=measure
    )


def _load(children: Children, port: int, seconds: float) -> dict[str, object]:
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
