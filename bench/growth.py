"""Growth: what the same requests and the same work cost when the store holds much already."""

from __future__ import annotations

import functools
import hashlib
import http.client
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import drain
from bench.kit import probe, ringback
from bench.kit.environments import python_of
from bench.kit.errors import NotRun
from bench.kit.load import Load
from bench.kit.load import run as run_load
from bench.kit.paths import BENCH, BUILD, ROOT
from bench.kit.processes import Children, environment
from bench.kit.report import CPU, Column, Part
from bench.kit.rounds import Scenario
from bench.kit.targets import Target
from bench.queues.driver import BACKLOG_LIMIT

FINISHED, QUICK_FINISHED = 1_000_000, 100_000
QUEUED, QUICK_QUEUED = 100_000, 10_000
SECONDS, QUICK_SECONDS = 5.0, 2.0
WARMUP_S = 1.0
CONNECTIONS = 64
FILL_TIMEOUT_S = 180.0
SAMPLES = 1000
SEEDS = 100  # operations of the subject whose list is read, in every store
PAGE = 50
APP = "bench.servers.ringback_growth:rb"
# The subject of `bench.filling` that has a tenth of everything.
HEAVY = "heavy"
HEADER = f"X-Subject: {HEAVY}"
FILE = "ringback.db"
# What the form of a filled store depends on.
PACKAGE = ROOT / "src" / "ringback"
SOURCES = (
    BENCH / "filling.py",
    PACKAGE / "core" / "view.py",
    *(
        PACKAGE / "engines" / "sqlite" / name
        for name in ("schema.py", "rows.py", "commit.py", "keys.py")
    ),
)

SLOWER = 1.2  # the target: less than 20 % slower
TIMES = (
    ("p50_ms", "accept p50"),
    ("p99_ms", "accept p99"),
    ("server_cpu_us", "accept CPU"),
    ("start_p50_ms", "submit → start p50"),
    ("get_p50_ms", "`GET` one p50"),
    ("list_p50_ms", "list p50"),
    ("find_p50_ms", "list by status p50"),
)
RATES = (("requests_per_s", "accept/s"), ("drained_per_s", "drained/s"))


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line decides."""

    quick: bool


@dataclass(frozen=True, kw_only=True)
class Store:
    """What a store holds before it is measured."""

    name: str
    title: str
    task: str = ""
    status: str = ""
    count: int = 0

    @property
    def is_backlog(self) -> bool:
        """Whether it holds what the measured worker will run."""
        return self.status == "queued" and self.task == "noop"


def _stores(quick: bool) -> list[Store]:
    finished = QUICK_FINISHED if quick else FINISHED
    queued = QUICK_QUEUED if quick else QUEUED
    return [
        Store(name="empty", title="an empty store"),
        Store(
            name="finished", title=f"{finished:,} finished operations",
            task="noop", status="finished", count=finished,
        ),
        Store(
            name="queued-other", title=f"{queued:,} queued, of a task no worker runs",
            task="other", status="queued", count=queued,
        ),
        Store(
            name="queued", title=f"{queued:,} queued, of the same task",
            task="noop", status="queued", count=queued,
        ),
    ]  # fmt: skip


PART = Part(
    name="growth",
    title="Growth: the same with much in the store",
    columns=(
        Column(key="requests_per_s", heading="accept/s", digits=0, spread=True),
        Column(key="p50_ms", heading="p50 ms", digits=2),
        Column(key="p99_ms", heading="p99 ms", digits=2),
        CPU,
        Column(key="drained_per_s", heading="drained/s", digits=0, spread=True),
        Column(key="start_p50_ms", heading="start p50 ms", digits=2),
        Column(key="get_p50_ms", heading="`GET` one p50 ms", digits=2),
        Column(key="list_p50_ms", heading="list p50 ms", digits=2),
        Column(key="find_p50_ms", heading="list by status p50 ms", digits=2),
    ),
    ratio_key="requests_per_s",
    references=(("empty", "accept x empty"),),
    targets=tuple(
        Target(
            text=f"{store.name} / empty: {text}", row=store.name, reference="empty", key=key,
            bound=SLOWER if slow else 1 / SLOWER, at_most=slow,
        )
        for store in _stores(quick=False)[1:]
        for keys, slow in ((RATES, False), (TIMES, True))
        for key, text in keys
        if not (store.is_backlog and key == "start_p50_ms")
    ),
)  # fmt: skip


def scenarios(options: Options) -> list[Scenario]:
    """The stores, the empty one first."""
    return [
        Scenario(
            name=store.name,
            title=store.title,
            durability="on disk, fdatasync",
            environment="ringback",
            measure=functools.partial(_measure, store, options),
        )
        for store in _stores(options.quick)
    ]


def _measure(store: Store, options: Options, children: Children) -> dict[str, object]:
    """Drain and serve, each over a fresh copy."""
    result = _drain(children, store, _copy(children, store, "drained"), options)
    data = _copy(children, store, "served")
    known = _some_ids(data)
    port = ringback.serve(children, APP, data, works=False)
    seeds = _seed(port)
    result["get_p50_ms"] = probe.get_p50_ms(
        port, [f"/operations/{each}" for each in known or seeds], HEADER
    )
    result["list_p50_ms"] = probe.get_p50_ms(port, [f"/operations?limit={PAGE}"] * SAMPLES, HEADER)
    # None of them failed, so that every one of the subject's is in question.
    failed = f"/operations?limit={PAGE}&status=failed"
    result["find_p50_ms"] = probe.get_p50_ms(port, [failed] * SAMPLES, HEADER)
    return result | run_load(
        children,
        Load(
            port=port,
            path="/tasks/noop",
            body='{"index": 1}',
            seconds=QUICK_SECONDS if options.quick else SECONDS,
            warmup_s=WARMUP_S,
            connections=CONNECTIONS,
            headers=("X-Subject: load",),
        ),
    )


def _drain(children: Children, store: Store, data: Path, options: Options) -> dict[str, object]:
    with drain.shared_slots(children) as slots:
        run = drain.driver(children, "bench.drain_ringback", data, slots, quick=options.quick)
        if store.is_backlog:
            result: dict[str, object] = {"backlog": min(store.count, BACKLOG_LIMIT)}
        else:
            result = drain.client_phase(children, run("backlog", 0))
        count = result["backlog"]
        assert isinstance(count, int)
        worker = run("worker", 0)
        result |= drain.watch_drain(worker, slots, count)
        if not store.is_backlog:
            result |= drain.client_phase(children, run("latency", drain.LATENCY_FIRST))
        children.stop(worker)
    return result


def _seed(port: int) -> list[str]:
    """Some operations of the subject whose list is read; their ids."""
    connection = http.client.HTTPConnection(probe.HOST, port)
    found = []
    headers = {"Content-Type": "application/json", "X-Subject": HEAVY}
    for index in range(SEEDS):
        connection.request("POST", "/tasks/noop", json.dumps({"index": index}), headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != http.client.ACCEPTED:
            raise NotRun(f"seeding was answered with {answer.status}: {body!r}")
        found.append(json.loads(body)["id"])
    connection.close()
    return found


def _some_ids(data: Path) -> list[str]:
    """Operations of the heavy subject from all over the store, none for an empty one."""
    path = data / FILE
    if not path.exists():
        return []
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT id FROM operations WHERE subject = ? ORDER BY random() LIMIT ?", (HEAVY, SAMPLES)
    ).fetchall()
    connection.close()
    return [row[0] for row in rows]


def _copy(children: Children, store: Store, name: str) -> Path:
    """A data folder of this run with the store in it, all of it on disk."""
    folder = children.folder / name
    folder.mkdir()
    if store.count:
        shutil.copyfile(_filled(store), folder / FILE)
        # Else the first commits would wait for the copy to be written.
        with (folder / FILE).open("rb") as file:
            os.fsync(file.fileno())
    return folder


@functools.cache
def _digest() -> str:
    """Of what decides the form of a store, as it was at the start."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()[:12]


def _filled(store: Store) -> Path:
    """The filled store, made once and kept while what it depends on stays the same."""
    digest = _digest()
    path = BUILD / f"growth-{digest}-{store.task}-{store.status}-{store.count}.db"
    if path.exists():
        return path
    BUILD.mkdir(exist_ok=True)
    for old in BUILD.glob("growth-*"):
        if not old.name.startswith(f"growth-{digest}-"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    print(f"  filling a store: {store.title} ...", file=sys.stderr, flush=True)
    folder = path.with_suffix(".new")
    shutil.rmtree(folder, ignore_errors=True)
    argv: list[str | Path] = [
        python_of("ringback"), "-m", "bench.filling", folder,
        store.task, str(store.count), store.status,
    ]  # fmt: skip
    try:
        subprocess.run(
            argv, check=True, timeout=FILL_TIMEOUT_S, cwd=ROOT, env=environment(),
            capture_output=True,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        tail = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise NotRun(f"the store could not be filled: {''.join(tail)}") from error
    except subprocess.TimeoutExpired:
        raise NotRun(f"filling the store took over {FILL_TIMEOUT_S:.0f} s") from None
    (folder / FILE).rename(path)
    shutil.rmtree(folder)
    return path
