"""What becomes the functions' code: how large it is, and how long its handler takes to import.

It is built as ``ringback aws deploy`` builds it, but for this machine's processor and interpreter,
and imported by an interpreter that has nothing else. ``python -m bench.aws_package FOLDER`` builds
it there and prints its sizes.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from bench.kit.environments import python_of
from bench.kit.errors import NotRun
from bench.kit.paths import ROOT
from bench.kit.processes import SERVER_CORE, Children, core, environment

MB = 1024 * 1024
MOST_MS, MOST_MB = 400, 30  # the targets
TIMES, QUICK_TIMES = 11, 3
INSTALL_S, IMPORT_S = 300.0, 60.0
APP = ROOT / "bench" / "servers" / "ringback_aws" / "app.py"
IMPORT = """
import os, sys, time
sys.path.insert(0, {code!r})
begin, used = time.perf_counter(), time.process_time()
import app
print((time.perf_counter() - begin) * 1000, (time.process_time() - used) * 1000)
"""


def measure(children: Children, *, quick: bool) -> dict[str, object]:
    """Sizes without and with uploads; times of importing it as deployed, and from source."""
    done = subprocess.run(
        [str(python_of("ringback")), "-m", "bench.aws_package", str(children.folder)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    if done.returncode:
        raise NotRun(f"the code could not be built: {done.stderr.strip()[-200:]}")
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    code = children.folder / "plain" / "code"
    times = QUICK_TIMES if quick else TIMES
    found |= {"most_ms": MOST_MS, "most_mb": MOST_MB}
    found |= _imported(code, times, "compiled")
    for compiled in [*code.rglob("__pycache__")]:  # as where deploy runs another Python's version
        shutil.rmtree(compiled)
    return found | _imported(code, times, "source")


def _imported(code: Path, times: int, name: str) -> dict[str, object]:
    taken = [_import(code) for _ in range(times)]
    return {
        f"import_{name}_ms": round(statistics.median(each for each, _ in taken), 1),
        f"import_{name}_cpu_ms": round(statistics.median(each for _, each in taken), 1),
    }


def _import(code: Path) -> tuple[float, float]:
    # Lambda's folder cannot be written to (-B). Isolated, and without this environment's packages:
    # boto3 comes with Lambda, and later.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", IMPORT.format(code=str(code))],
        capture_output=True,
        text=True,
        timeout=IMPORT_S,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, core(SERVER_CORE)),
    )
    if done.returncode:
        raise NotRun(done.stderr.strip().splitlines()[-1])
    wall, cpu = map(float, done.stdout.split())
    return wall, cpu


def build(folder: Path) -> dict[str, float]:
    """Build it without uploads and with them; MB."""
    from ringback.sam.build import Build

    project = folder / "project"
    project.mkdir()
    (project / "app.py").write_bytes(APP.read_bytes())
    sys.path.insert(0, str(project))
    found = {}
    for name, uploads in (("plain", False), ("uploads", True)):
        made = Build(
            folder=folder / name,
            handler="app.handler",
            architecture="arm64" if platform.machine() == "aarch64" else "x86_64",
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
            requirements=None,
            uploads=uploads,
        )
        made.prepare()
        subprocess.run(made.install(), check=True, stdout=sys.stderr)
        made.copy()
        made.compile()
        found[f"{name}_mb"] = round(made.size() / MB, 1)
        found[f"{name}_zip_mb"] = round(made.zip() / MB, 1)
    return found


if __name__ == "__main__":
    print(json.dumps(build(Path(sys.argv[1]))))
