"""Runs one adapter in its own environment: as worker, or as client through one phase.

`python -m bench.queues.driver MODULE worker|backlog|latency|steady FIRST`, settings in the
environment; a client prints one JSON object. Only the standard library may be imported here.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import random
import statistics
import sys
import time
from pathlib import Path

from bench.queues.port import Client, settings
from bench.queues.slots import CAPACITY, Slots

IN_FLIGHT = 64  # what an asynchronous client submits at once; as many as accept has connections
BACKLOG_LIMIT = 20_000
BACKLOG_SECONDS = 3.0  # a slow queue gets a smaller backlog, so that draining it stays bounded
SAMPLES = 200
SAMPLE_TIMEOUT_S = 5.0
LATENCY_SECONDS = 10.0  # a queue that polls once a second gets fewer samples
GAP_S = 0.02  # random pause before each sample, or samples lock in step with a polling worker
WATCH_S = 0.0002
STEADY_SECONDS = 4.0
STEADY_WARMUP_S = 1.0
STEADY_WINDOW = 1_000  # outstanding operations: enough that the worker never waits for work
FULL_S = 0.001
QUICK_VARIABLE = "BENCH_QUICK"
QUICK_FACTOR = 0.4


def _scaled(seconds: float) -> float:
    return seconds * QUICK_FACTOR if os.environ.get(QUICK_VARIABLE) else seconds


async def backlog(client: Client, first: int, slots: Slots) -> dict[str, float]:
    """Enqueue with no worker running."""
    count, begin = 0, time.perf_counter()
    limit = _scaled(BACKLOG_SECONDS)
    while count < BACKLOG_LIMIT and time.perf_counter() - begin < limit:
        await client.submit(range(first + count, first + count + IN_FLIGHT))
        count += IN_FLIGHT
    elapsed = time.perf_counter() - begin
    return {"backlog": count, "enqueued_per_s": round(count / elapsed, 1)}


async def latency(client: Client, first: int, slots: Slots) -> dict[str, float]:
    """Submit one at a time to an idle worker: from before the submit to the task's first line."""
    waits: list[float] = []
    deadline = time.monotonic() + _scaled(LATENCY_SECONDS)
    for index in range(first, first + SAMPLES):
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(random.uniform(0, GAP_S))
        begin, patience = time.time(), time.monotonic() + SAMPLE_TIMEOUT_S
        await client.submit(range(index, index + 1))
        while not (started := slots.started(index)):
            if time.monotonic() > patience:
                raise SystemExit(f"operation {index} did not start in {SAMPLE_TIMEOUT_S:.0f} s")
            await asyncio.sleep(WATCH_S)
        waits.append((started - begin) * 1000)
    waits.sort()
    return {
        "samples": len(waits),
        "start_p50_ms": round(statistics.median(waits), 3),
        "start_p99_ms": round(waits[int(0.99 * (len(waits) - 1))], 3),
    }


async def steady(client: Client, first: int, slots: Slots) -> dict[str, float]:
    """Keep the queue at a bounded length for some seconds and count what starts meanwhile."""
    next_index, done_to = first, first
    begin = time.time()
    end = begin + _scaled(STEADY_SECONDS)
    while time.time() < end and next_index + IN_FLIGHT <= CAPACITY:
        while done_to < next_index and slots.started(done_to):
            done_to += 1
        # Counted from the first gap: exact enough for a bound, and cheap for a queue in order.
        if next_index - done_to >= STEADY_WINDOW:
            await asyncio.sleep(FULL_S)
            continue
        await client.submit(range(next_index, next_index + IN_FLIGHT))
        next_index += IN_FLIGHT
    end = time.time()
    window = begin + min(STEADY_WARMUP_S, (end - begin) / 2)
    times = slots.times(first, next_index - first)
    counted = sum(window <= at < end for at in times)
    return {"steady_per_s": round(counted / (end - window), 1)}


PHASES = {"backlog": backlog, "latency": latency, "steady": steady}


async def _run_client(module: str, phase: str, first: int) -> None:
    adapter = importlib.import_module(module)
    client: Client = await adapter.open_client(settings())
    try:
        result = await PHASES[phase](client, first, Slots(Path(settings().slots)))
    finally:
        await client.close()
    print(json.dumps(result))


def main() -> None:
    """Dispatch on the command line."""
    module, role, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if role == "worker":
        importlib.import_module(module).run_worker(settings())
        return
    asyncio.run(_run_client(module, role, first))


if __name__ == "__main__":
    main()
