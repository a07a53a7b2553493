"""Starting Ringback through its own command, as a user would."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.kit.environments import script
from bench.kit.processes import SERVER_CORE, Child, Children, free_port, wait_for_port

ENVIRONMENT = "ringback"


def serve(
    children: Children, app: str, data: Path, *, works: bool, env: Mapping[str, str] | None = None
) -> int:
    """`ringback run` on the server's core; its port, once it answers.

    With `works` the server runs operations too, which is its default.
    """
    port = free_port()
    argv: list[str | Path] = [
        script(ENVIRONMENT, "ringback"), "run", app, "--host", "127.0.0.1",
        "--port", str(port), "--data", data, "--log-level", "warning",
    ]  # fmt: skip
    if not works:
        argv += ["--workers", "0"]
    wait_for_port(children.start(argv, name="server", on_core=SERVER_CORE, env=env), port)
    return port


def work(
    children: Children, app: str, data: Path, *, env: Mapping[str, str] | None = None
) -> Child:
    """`ringback worker`: a process of its own, on the server's core too."""
    argv: list[str | Path] = [
        script(ENVIRONMENT, "ringback"), "worker", app, "--data", data, "--log-level", "warning",
    ]  # fmt: skip
    return children.start(argv, name="worker", on_core=SERVER_CORE, env=env)
