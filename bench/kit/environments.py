"""One virtual environment for each peer, made on demand from `bench/peers/NAME.txt`.

Sharing one would let a peer's requirements silently downgrade another's client library.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.kit.errors import NotRun
from bench.kit.paths import PEERS, ROOT, VENVS

INSTALL_TIMEOUT_S = 600.0
QUERY_TIMEOUT_S = 60.0
STAMP = ".requirements.sha256"
ERROR_TAIL = 200
# Set to the interpreter of an environment that already has Ringback installed.
RINGBACK_PYTHON = "RINGBACK_BENCH_PYTHON"


@functools.cache
def python_of(name: str) -> Path:
    """The interpreter of a peer's environment, made or renewed when its pins changed."""
    if name == "ringback" and (found := _installed_ringback()):
        return found
    requirements = PEERS / f"{name}.txt"
    folder = VENVS / name
    python = folder / "bin" / "python"
    wanted = _digest(requirements, name)
    stamp = folder / STAMP
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"  preparing environment {name} ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    arguments = ["-r", str(requirements)]
    if name == "ringback":
        arguments += ["-e", str(ROOT)]
    if uv := shutil.which("uv") or shutil.which(ROOT / ".uv" / "bin" / "uv"):
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        _run([uv, "pip", "install", "--quiet", "--python", str(python), *arguments])
    else:
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", *arguments])
    stamp.write_text(wanted)
    return python


def script(name: str, program: str) -> Path:
    """A console script of a peer's environment."""
    # Not resolve(): the link to the system's interpreter must not be followed.
    path = python_of(name).parent / program
    if not path.exists():
        raise NotRun(f"{program} is not in the environment {name}")
    return path


@functools.cache
def versions(name: str) -> dict[str, str]:
    """What is installed there, for the record."""
    code = (
        "import importlib.metadata as m, json, platform;"
        "print(json.dumps({'python': platform.python_version(),"
        " **{d.metadata['Name']: d.version for d in m.distributions()}}))"
    )
    result = subprocess.run(
        [str(python_of(name)), "-c", code],
        capture_output=True,
        timeout=QUERY_TIMEOUT_S,
        check=True,
    )
    found: dict[str, str] = json.loads(result.stdout)
    return dict(sorted(found.items()))


def _installed_ringback() -> Path | None:
    """The environment the benchmark runs in, or the checkout's, when Ringback is in it."""
    candidates = [Path(p) for p in (os.environ.get(RINGBACK_PYTHON), sys.executable) if p]
    candidates.append(ROOT / ".venv" / "bin" / "python")
    for python in candidates:
        if not python.exists():
            continue
        # From another folder: the checkout must be installed there, not merely lie here.
        probe = subprocess.run(
            [str(python), "-c", "import ringback, uvicorn"],
            cwd="/",
            capture_output=True,
            timeout=QUERY_TIMEOUT_S,
            check=False,
        )
        if probe.returncode == 0:
            return python
    if not (ROOT / "pyproject.toml").exists():
        raise NotRun("ringback is not installed (pip install -e . in the checkout)")
    return None


def _digest(requirements: Path, name: str) -> str:
    if not requirements.exists():
        raise NotRun(f"{requirements} is missing")
    text = requirements.read_bytes() + sys.version.encode()
    if name == "ringback":
        text += (ROOT / "pyproject.toml").read_bytes()
    return hashlib.sha256(text).hexdigest()


def _run(argv: list[str]) -> None:
    try:
        subprocess.run(argv, check=True, capture_output=True, timeout=INSTALL_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        tail = error.stderr.decode(errors="replace").strip()[-ERROR_TAIL:]
        raise NotRun(f"its environment could not be made: {tail}") from error
    except subprocess.TimeoutExpired as error:
        raise NotRun(f"its environment took over {INSTALL_TIMEOUT_S:.0f} s") from error
