"""The stores peers need, each started fresh in a folder of its own, on loopback, then ended.

They run on the server's core by default (`--store-core`): what is compared is what one core
does, server and store together.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
from pathlib import Path

from bench.kit.environments import script
from bench.kit.errors import NotRun
from bench.kit.processes import Children, environment, free_port, wait_for_port

INITDB_TIMEOUT_S = 60.0
POSTGRES_USER = "postgres"
POSTGRES_FOLDERS = "/usr/lib/postgresql"


def missing() -> list[str]:
    """What is not installed on this machine and some rows need, with the cure."""
    found = []
    for find in (_redis_server, functools.partial(_postgres_binary, "postgres")):
        try:
            find()
        except NotRun as error:
            found.append(str(error))
    return found


def redis(children: Children, *, fsync: str) -> str:
    """Redis with its append-only file; `fsync` is `always` or `everysec`."""
    server = _redis_server()
    port = free_port()
    data = _folder(children, "redis")
    child = children.start(
        [server, "--port", str(port), "--bind", "127.0.0.1", "--dir", data, "--save", "",
         "--appendonly", "yes", "--appendfsync", fsync],
        name="redis",
        on_core=children.store_core,
    )  # fmt: skip
    wait_for_port(child, port)
    return f"redis://127.0.0.1:{port}/0"


def nats(children: Children, *, sync_always: bool) -> str:
    """A JetStream server from its wheel; by default it syncs files every two minutes."""
    port = free_port()
    data = _folder(children, "nats")
    sync = "always" if sync_always else "2m"
    configuration = children.folder / "nats.conf"
    configuration.write_text(
        f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{data}", sync_interval: {sync} }}\n'
    )
    child = children.start(
        [script("jetstream", "nats-server"), "-c", configuration],
        name="nats-server",
        on_core=children.store_core,
    )
    wait_for_port(child, port)
    return f"nats://127.0.0.1:{port}"


def postgres(children: Children) -> str:
    """PostgreSQL with its defaults (fsync and synchronous_commit on), never as root."""
    server, initdb = _postgres_binary("postgres"), _postgres_binary("initdb")
    user = POSTGRES_USER if os.getuid() == 0 else None
    data = _folder(children, "postgres")
    if user:
        shutil.chown(data, user, user)
    subprocess.run(
        [initdb, "-D", str(data), "-U", POSTGRES_USER, "--auth=trust", "--no-sync"],
        check=True,
        capture_output=True,
        timeout=INITDB_TIMEOUT_S,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        cwd=data,
        env=environment(),
    )
    port = free_port()
    child = children.start(
        [
            server,
            "-D",
            data,
            "-p",
            str(port),
            "-h",
            "127.0.0.1",
            "-k",
            data,
            # In the data folder, which is removed, rather than in /dev/shm, which a kill litters.
            "-c",
            "dynamic_shared_memory_type=mmap",
        ],
        name="postgres",
        on_core=children.store_core,
        user=user,
        # "Fast" shutdown: clients are cut off, and its shared memory is given back.
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
    )
    wait_for_port(child, port)
    return f"postgresql://{POSTGRES_USER}@127.0.0.1:{port}/postgres"


def _folder(children: Children, name: str) -> Path:
    folder = children.folder / f"{name}-data"
    folder.mkdir(mode=0o700)
    return folder


def _redis_server() -> str:
    return _system("redis-server", "redis-server")


def _system(program: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise NotRun(f"{program} is not installed (apt-get install {package})")
    return found


def _postgres_binary(program: str) -> str:
    """Debian keeps the server's programs outside PATH, by version; the newest is taken."""
    places = sorted(Path(POSTGRES_FOLDERS).glob("*/bin"), key=lambda p: float(p.parent.name))
    for place in reversed(places):
        if (place / program).exists():
            return str(place / program)
    return _system(program, "postgresql")
