"""PostgreSQL: one INSERT, committed, for each request, over a pool of connections."""

from __future__ import annotations

import os

import asyncpg

from bench.servers.body import (
    Receive,
    Scope,
    Send,
    accepted,
    failed,
    lifespan,
    new_id,
    read,
    refused,
    valid,
)

URL = os.environ.get("BENCH_STORE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
POOL_SIZE = 16
TABLE = "create table if not exists accepted (id text primary key, body text not null)"
INSERT = "insert into accepted (id, body) values ($1, $2)"

pool: asyncpg.Pool | None = None


async def _open() -> None:
    global pool
    pool = await asyncpg.create_pool(URL, min_size=POOL_SIZE, max_size=POOL_SIZE)
    await pool.execute(TABLE)


async def _close() -> None:
    assert pool is not None
    pool.terminate()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI application."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send, _open, _close)
        return
    body = await read(receive)
    if not valid(body):
        await refused(send)
        return
    assert pool is not None
    tracking_id = new_id()
    try:
        await pool.execute(INSERT, tracking_id, body.decode())
    except (asyncpg.PostgresError, OSError):
        await failed(send)
        return
    await accepted(send, tracking_id)
