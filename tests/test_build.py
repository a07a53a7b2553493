"""What is built of these sources: an sdist, and the wheels that come of it and of a checkout.

Each build is Hatch's own, in a process of its own, as pip and uv start it.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = "edges/http/static/ringback.js"
NOTICES = "examples/ask_around_me/static/THIRD-PARTY.txt"
NOBODY = "http://127.0.0.1:1"
"""A registry that does not answer."""


def linked(source: str, copy: str) -> str:
    """A second name of a file, as that takes no room; a copy where it is on another disk."""
    try:
        os.link(source, copy)
    except OSError:
        shutil.copy2(source, copy)
    return copy


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git knows, with what npm installed."""
    folder = tmp_path_factory.mktemp("checkout") / "ringback"
    listed = subprocess.run(
        [
            "git",
            "ls-files",
            "-z",
            "-co",
            "--exclude-standard",
            "--",
            ".",
            ":!:tests",
            ":!:bench",
            ":!:docs",
        ],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    # No symbolic link to the folder: what npm did there, it would do to this checkout's.
    shutil.copytree(
        ROOT / "node_modules", folder / "node_modules", symlinks=True, copy_function=linked
    )
    return folder


@pytest.fixture(scope="module")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of that checkout, unpacked."""
    made = built(checkout, "sdist", tmp_path_factory.mktemp("sdist"))
    with tarfile.open(made) as archive:
        archive.extractall(made.parent, filter="data")
    return next(path for path in made.parent.iterdir() if path.is_dir())


def build(
    source: Path, target: str, into: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", into],
        cwd=source,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def built(source: Path, target: str, into: Path, **environment: str) -> Path:
    done = build(source, target, into, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = into.iterdir()
    return made


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_a_wheel_of_a_checkout_has_what_was_built(checkout: Path, tmp_path: Path) -> None:
    wheel = built(checkout, "wheel", tmp_path)
    found = names(wheel)
    assert {f"ringback/{SCRIPT}", f"ringback/{SCRIPT}.map", "ringback/app.py"} <= found
    assert "ringback/examples/ask_around_me/app.py" in found
    assert "ringback/examples/ask_around_me/static/index.html" in found
    with zipfile.ZipFile(wheel) as archive:
        licences = archive.read(f"ringback/{NOTICES}").decode()
    for package in ("react", "react-dom", "scheduler", "world-atlas"):
        assert re.search(rf"^{package} \d", licences, re.MULTILINE), package
    assert licences.count("without restriction") == 3  # MIT
    assert "Michael Bostock" in licences  # ISC
    assert not [name for name in found if name.endswith((".ts", ".tsx", ".mjs"))]
    assert not [name for name in found if "node_modules" in name or "__pycache__" in name]


def test_an_sdist_needs_neither_node_nor_npm(sdist: Path, tmp_path: Path) -> None:
    assert not (sdist / "package-lock.json").exists()
    alone = {"PATH": str(tmp_path / "nothing"), "npm_config_registry": NOBODY}
    found = names(built(sdist, "wheel", tmp_path / "of-sdist", **alone))
    assert f"ringback/{SCRIPT}" in found
    assert {"ringback/examples/ask_around_me/static/index.html", f"ringback/{NOTICES}"} <= found


def test_without_npm_and_without_what_it_built_the_cure_is_said(
    checkout: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(
        checkout, alone, ignore=shutil.ignore_patterns("node_modules", "static"), symlinks=True
    )
    offline = {"npm_config_registry": NOBODY, "npm_config_fetch_retries": "0"}
    offline["npm_config_cache"] = str(tmp_path / "cache")
    done = build(alone, "wheel", tmp_path / "made", **offline)
    assert done.returncode != 0
    assert "Cure: let this machine reach registry.npmjs.org" in done.stderr
    # With what was built before, it is as good as a network.
    for place in ("src/ringback/edges/http", "examples/ask_around_me"):
        shutil.copytree(checkout / place / "static", alone / place / "static")
    assert f"ringback/{SCRIPT}" in names(built(alone, "wheel", tmp_path / "again", **offline))


def test_sources_without_what_has_to_come_with_them_are_refused(
    sdist: Path, tmp_path: Path
) -> None:
    robbed = tmp_path / "robbed"
    shutil.copytree(sdist, robbed)
    (robbed / "src/ringback" / SCRIPT).unlink()
    done = build(robbed, "wheel", tmp_path / "made")
    assert done.returncode != 0
    assert f"src/ringback/{SCRIPT} should have come with these sources" in done.stderr
