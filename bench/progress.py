"""Progress: what a task sends, until an SSE client has it; server, worker and store on one core."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from bench.kit import ringback, stores
from bench.kit.environments import python_of, script
from bench.kit.errors import NotRun
from bench.kit.machine import CoreTimes
from bench.kit.processes import LOAD_CORE, SERVER_CORE, Children, free_port, wait_for_port
from bench.kit.report import Column, Part
from bench.kit.rounds import Scenario
from bench.kit.uvicorn import UVICORN_OPTIONS

SECONDS, QUICK_SECONDS = 8.0, 2.5
# followers -> seconds between two parts of one operation: 100 parts/s, then 1,000 parts/s in all
PAUSES_S = {1: 0.01, 100: 0.1}
CLIENT_GRACE_S = 30.0  # more than the client gives itself
APP = "bench.servers.ringback_progress:rb"
PEER = "bench.servers.celery_progress"
CELERY_THREADS = 128  # above the 100 operations that run at once

PART = Part(
    name="progress",
    title="Progress: `op.send()` in a task → event at an SSE client",
    columns=(
        Column(key="events_per_s", heading="events/s", digits=0),
        Column(key="send_p50_ms", heading="from send, p50 ms", digits=2, spread=True),
        Column(key="send_p99_ms", heading="p99 ms", digits=2),
        Column(key="store_p50_ms", heading="from stored, p50 ms", digits=2, spread=True),
        Column(key="store_p99_ms", heading="p99 ms", digits=2),
    ),
    ratio_key="send_p50_ms",
    references=(("ringback-1", "send x Ringback, 1"), ("ringback-100", "x Ringback, 100")),
    waits=True,
)

ON_DISK = "on disk, fdatasync"
FORGOTTEN = "sent to Redis; not stored"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line decides."""

    quick: bool


START = Callable[[Children], int]
"""Starts whatever is measured; the server's port."""


def scenarios(options: Options) -> list[Scenario]:
    """Each way to work, with one follower and with a hundred."""
    seconds = QUICK_SECONDS if options.quick else SECONDS
    return [
        Scenario(
            name=f"{name}-{followers}",
            title=f"{title}; {followers} of {followers} operations",
            durability=durability,
            environment=environment,
            measure=functools.partial(_measure, start, followers, seconds),
        )
        for followers in PAUSES_S
        for name, title, durability, environment, start in (
            ("ringback", "Ringback, working in the server", ON_DISK, "ringback", _in_server),
            ("ringback-worker", "Ringback, a worker process", ON_DISK, "ringback", _beside),
            ("celery", "Celery + Redis pub/sub + Starlette", FORGOTTEN, "celery", _celery),
        )
    ]


def _in_server(children: Children) -> int:
    return ringback.serve(children, APP, children.folder / "data", works=True)


def _beside(children: Children) -> int:
    data = children.folder / "data"
    port = ringback.serve(children, APP, data, works=False)
    ringback.work(children, APP, data)
    return port


def _celery(children: Children) -> int:
    python_of("celery")  # before the store starts: installing may take a minute
    env = {"BENCH_STORE_URL": stores.redis(children, fsync="everysec")}
    port = free_port()
    children.start(
        [script("celery", "celery"), "-A", f"{PEER}:queue", "worker", "--pool", "threads",
         "--concurrency", str(CELERY_THREADS), "--loglevel", "WARNING",
         "--without-gossip", "--without-mingle", "--without-heartbeat"],
        name="worker",
        env=env,
    )  # fmt: skip
    server = children.start(
        [script("celery", "uvicorn"), f"{PEER}:app", "--port", str(port), *UVICORN_OPTIONS],
        name="server",
        env=env,
    )
    wait_for_port(server, port)
    return port


def _measure(start: START, followers: int, seconds: float, children: Children) -> dict[str, object]:
    port = start(children)
    pause_s = PAUSES_S[followers]
    _follow(children, port, 1, 2, pause_s)  # warms up, and waits for the worker to be there
    before = CoreTimes.read(SERVER_CORE)
    result = _follow(children, port, followers, round(seconds / pause_s), pause_s)
    return result | CoreTimes.read(SERVER_CORE).since(before)


def _follow(
    children: Children, port: int, followers: int, parts: int, pause_s: float
) -> dict[str, object]:
    argv = [sys.executable, "-m", "bench.followers", str(port), str(followers), str(parts)]
    child = children.start([*argv, str(pause_s)], name="followers", on_core=LOAD_CORE)
    try:
        child.process.wait(parts * pause_s + CLIENT_GRACE_S)
    except subprocess.TimeoutExpired:
        raise NotRun(f"the client did not end in time: {child.log_tail()}") from None
    children.stop(child)
    if child.process.returncode != 0:
        raise NotRun(child.log_tail())
    result: dict[str, object] = json.loads(child.log_tail())
    return result
