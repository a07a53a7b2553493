"""Ringback's adapter for the drain benchmark: the place to plug it in.

The two functions of `bench.queues.port`, run in the environment `ringback`:

`open_client(settings)`
    Called in the client's process on core 1, for the backlog before any worker runs. Open the
    engine in `settings.data` (or start a server without workers on core 0 and post to it) and
    return an object with

    - `async submit(indexes: range)`: one durable operation of the task `noop` for each index,
      concurrently, so that they share a group commit; return when all are acknowledged;
    - `async close()`: end whatever `open_client` started.

`run_worker(settings)`
    Called in the worker's process on core 0. Run one worker over the same `settings.data` until
    SIGTERM. Its task is `async def noop(index: int) -> None: mark(index)`, with `mark` from
    `bench.queues.port`; nothing else, as with the peers.

Phases come in this order, each with a new client: backlog (no worker), then with the worker
running: drain, latency, steady. Until the functions are written the table says "not run".
"""

from __future__ import annotations

from bench.queues.port import Client, Settings

MISSING = "bench/drain_ringback.py is not written yet: see its docstring"


async def open_client(settings: Settings) -> Client:
    """Connect as a program that submits operations would."""
    raise SystemExit(MISSING)


def run_worker(settings: Settings) -> None:
    """Run one worker process until SIGTERM."""
    raise SystemExit(MISSING)
