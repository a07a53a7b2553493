"""The HTTP load generator: run on the load's core, its report read back."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.kit.compiling import compiled
from bench.kit.errors import NotRun
from bench.kit.machine import CoreTimes
from bench.kit.processes import LOAD_CORE, SERVER_CORE, Children

GRACE_S = 10.0
ACCEPTED = "202"


@dataclass(frozen=True, kw_only=True)
class Load:
    """What to send, how long."""

    port: int
    path: str
    body: str
    seconds: float
    warmup_s: float
    connections: int
    unique_keys: bool = True
    method: str = "POST"
    headers: tuple[str, ...] = ()


def run(children: Children, load: Load) -> dict[str, object]:
    """Run the load; its report, with how busy the server's core was meanwhile."""
    argv: list[str | Path] = [
        compiled(), "-p", str(load.port), "-c", str(load.connections),
        "-d", str(load.seconds), "-w", str(load.warmup_s),
        "-m", load.method, "-u", load.path, "-b", load.body,
    ]  # fmt: skip
    for header in load.headers:
        argv += ["-H", header]
    if load.unique_keys:
        argv.append("-k")
    before = CoreTimes.read(SERVER_CORE)
    child = children.start(argv, name="load", on_core=LOAD_CORE)
    try:
        child.process.wait(load.seconds + load.warmup_s + GRACE_S)
    except subprocess.TimeoutExpired:
        raise NotRun("the load generator did not end in time") from None
    after = CoreTimes.read(SERVER_CORE)
    children.stop(child)
    if child.process.returncode != 0:
        raise NotRun(child.log_tail())
    report: dict[str, object] = json.loads(child.log.read_text())
    statuses = report["statuses"]
    if not isinstance(statuses, dict) or not statuses.get(ACCEPTED):
        raise NotRun(f"nothing was accepted; answers by status: {statuses}")
    # The core was watched over the warm-up too, whose requests are not counted.
    requests_per_s, seconds = report["requests_per_s"], load.seconds + load.warmup_s
    assert isinstance(requests_per_s, float)
    cpu_us = after.used_s(before) / (requests_per_s * seconds) * 1e6
    return {**report, **after.since(before), "server_cpu_us": round(cpu_us, 1)}
