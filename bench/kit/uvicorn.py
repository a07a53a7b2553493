"""How the peers' uvicorn is started."""

from __future__ import annotations

# What `ringback run` gives its own uvicorn, so that nobody pays for more.
UVICORN_OPTIONS = (
    "--host", "127.0.0.1", "--loop", "uvloop", "--http", "httptools",
    "--no-access-log", "--log-level", "warning", "--no-proxy-headers", "--no-server-header",
)  # fmt: skip
