"""Drain: accepted → claimed → done, no-op operations through each queue's own client API.

One client process on the load's core; one worker process and the store on the server's core.
"""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.kit import stores
from bench.kit.environments import python_of
from bench.kit.errors import NotRun
from bench.kit.machine import CoreTimes
from bench.kit.processes import LOAD_CORE, SERVER_CORE, Child, Children
from bench.kit.report import Column, Part
from bench.kit.rounds import Scenario
from bench.queues.driver import BACKLOG_LIMIT, IN_FLIGHT, QUICK_VARIABLE, SAMPLES
from bench.queues.port import Settings
from bench.queues.slots import Slots

PHASE_TIMEOUT_S = 40.0  # a phase's own bounds end it long before; this ends a client that hangs
DRAIN_TIMEOUT_S = 30.0
WATCH_S = 0.02
SHARED_MEMORY = Path("/dev/shm")

LATENCY_FIRST = BACKLOG_LIMIT + IN_FLIGHT  # the backlog may overshoot by one batch
STEADY_FIRST = LATENCY_FIRST + SAMPLES

PART = Part(
    name="drain",
    title="Drain: accepted → claimed → done, one client, one worker process",
    columns=(
        Column(key="enqueued_per_s", heading="enqueued/s", digits=0, spread=True),
        Column(key="drained_per_s", heading="drained/s", digits=0, spread=True),
        Column(key="steady_per_s", heading="steady/s", digits=0, spread=True),
        Column(key="start_p50_ms", heading="start p50 ms", digits=2),
        Column(key="start_p99_ms", heading="start p99 ms", digits=2),
    ),
    ratio_key="steady_per_s",
    references=(("ringback", "steady x Ringback"),),
)

EVERYSEC = "in memory; synced every second"
ON_DISK = "on disk, fsync"
OPEN_STORE = Callable[[Children], str]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line decides."""

    quick: bool


@dataclass(frozen=True, kw_only=True)
class _Queue:
    """One row: an adapter, its environment and its store."""

    module: str
    environment: str
    open_store: OPEN_STORE | None


def scenarios(options: Options) -> list[Scenario]:
    """The rows; `--quick` leaves out the second row of the queues on Redis."""
    rows = [
        _row(options, "ringback", "Ringback", "on disk, fdatasync", "bench.drain_ringback"),
        _redis_row(options, "taskiq", "Taskiq", "everysec"),
        _redis_row(options, "saq", "SAQ", "everysec"),
        _redis_row(options, "celery", "Celery", "everysec"),
        _row(options, "huey", "Huey, SQLite", ON_DISK, "bench.queues.huey_queue"),
        _row(options, "dbos", "DBOS, SQLite", ON_DISK, "bench.queues.dbos_queue"),
    ]
    if not options.quick:
        rows += [
            _redis_row(options, "taskiq", "Taskiq", "always"),
            _redis_row(options, "saq", "SAQ", "always"),
            _redis_row(options, "celery", "Celery", "always"),
        ]
    return rows


def _redis_row(options: Options, name: str, title: str, fsync: str) -> Scenario:
    durability = ON_DISK if fsync == "always" else EVERYSEC
    store = functools.partial(stores.redis, fsync=fsync)
    return _row(
        options, name, f"{title}, Redis `{fsync}`", durability,
        f"bench.queues.{name}_queue", store, f"{name}-{fsync}",
    )  # fmt: skip


def _row(
    options: Options,
    environment: str,
    title: str,
    durability: str,
    module: str,
    open_store: OPEN_STORE | None = None,
    name: str = "",
) -> Scenario:
    queue = _Queue(module=module, environment=environment, open_store=open_store)
    return Scenario(
        name=name or environment,
        title=title,
        durability=durability,
        environment=environment,
        measure=lambda children: _measure(children, queue, options),
    )


def _measure(children: Children, queue: _Queue, options: Options) -> dict[str, object]:
    """All phases of one queue, over one store."""
    python_of(queue.environment)  # before the store starts: installing may take a minute
    data = children.folder / "data"
    data.mkdir()
    with shared_slots(children) as slots:
        url = queue.open_store(children) if queue.open_store else ""
        run = driver(
            children, queue.module, data, slots,
            quick=options.quick, environment=queue.environment, url=url,
        )  # fmt: skip
        before = CoreTimes.read(SERVER_CORE)
        result = _phases(children, slots, run)
        usage = CoreTimes.read(SERVER_CORE).since(before)
        # Not how busy it was: the latency phase is idle by design.
        return result | {key: usage[key] for key in ("server_core_others", "server_core_steal")}


@contextlib.contextmanager
def shared_slots(children: Children) -> Iterator[Slots]:
    """The shared file of start times, while the context lasts."""
    # In memory where there is such a folder, so that marking a slot never waits for the disk.
    place = SHARED_MEMORY if SHARED_MEMORY.is_dir() else children.folder
    path = place / f"{children.folder.name}.slots"
    Slots.create(path)
    try:
        yield Slots(path)
    finally:
        path.unlink(missing_ok=True)


def driver(
    children: Children,
    module: str,
    data: Path,
    slots: Slots,
    *,
    quick: bool,
    environment: str = "ringback",
    url: str = "",
) -> Callable[[str, int], Child]:
    """What starts an adapter in a role of `bench.queues.driver`, in a process of its own."""
    python = python_of(environment)
    env = Settings(url=url, data=str(data), slots=str(slots.path)).to_env()
    if quick:
        env[QUICK_VARIABLE] = "1"

    def start(role: str, first: int) -> Child:
        return children.start(
            [python, "-m", "bench.queues.driver", module, role, str(first)],
            name=role,
            on_core=SERVER_CORE if role == "worker" else LOAD_CORE,
            env=env,
        )

    return start


def _phases(
    children: Children, slots: Slots, run: Callable[[str, int], Child]
) -> dict[str, object]:
    result = client_phase(children, run("backlog", 0))
    count = result["backlog"]
    assert isinstance(count, int)
    worker = run("worker", 0)
    drained = watch_drain(worker, slots, count)
    result |= drained
    if drained["done"] == count:
        result |= client_phase(children, run("latency", LATENCY_FIRST))
        result |= client_phase(children, run("steady", STEADY_FIRST))
    return result


def client_phase(children: Children, child: Child) -> dict[str, object]:
    """Wait for a client; what it printed last is its result."""
    try:
        child.process.wait(PHASE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise NotRun(f"a client took over {PHASE_TIMEOUT_S:.0f} s: {child.log_tail()}") from None
    children.stop(child)
    if child.process.returncode != 0:
        raise NotRun(child.log_tail())
    result: dict[str, object] = json.loads(child.log_tail())
    return result


def watch_drain(worker: Child, slots: Slots, count: int) -> dict[str, object]:
    """Wait until the backlog is done, bounded; the rate is from the first start to the last."""
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    while slots.done(0, count) < count and time.monotonic() < deadline:
        if worker.process.poll() is not None:
            raise NotRun(f"the worker ended: {worker.log_tail()}")
        time.sleep(WATCH_S)
    times = slots.times(0, count)
    if len(times) < 2:
        raise NotRun(f"the worker did nothing in {DRAIN_TIMEOUT_S:.0f} s: {worker.log_tail()}")
    elapsed = max(times[-1] - times[0], 1e-6)
    return {"done": len(times), "drained_per_s": round((len(times) - 1) / elapsed, 1)}
