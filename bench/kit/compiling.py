"""The C programs of `bench/load/`, compiled on demand."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.kit.paths import BENCH, BUILD

LOAD = BENCH / "load"
COMPILE_TIMEOUT_S = 60.0
PROGRAMS = {
    "load": ("load.c",),
    "fanout": ("fanout.c", "fanout_wire.c", "fanout_machine.c"),
    "fanout_limit": ("fanout_limit.c",),
}


def compiled(program: str = "load") -> Path:
    """A program's binary, newer than its sources and headers."""
    binary = BUILD / program
    sources = [LOAD / name for name in PROGRAMS[program]]
    newest = max(path.stat().st_mtime for path in (*sources, *LOAD.glob("*.h")))
    if binary.exists() and binary.stat().st_mtime > newest:
        return binary
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("no C compiler for the load generator (apt-get install gcc libc6-dev)")
    BUILD.mkdir(exist_ok=True)
    subprocess.run(
        [compiler, "-O2", "-Wall", "-Wextra", "-o", str(binary), *map(str, sources)],
        check=True,
        timeout=COMPILE_TIMEOUT_S,
    )
    return binary
