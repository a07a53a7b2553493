"""The JavaScript client: its own tests, and what it weighs, told by its own tools.

They run as tests of pytest so that the workers of one run share the time. What npm installs is a
part of the set-up, so a checkout without it fails here and says so.
"""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NPM = ROOT / "scripts/npm"
LIMIT = 540
"""Seconds: every transport is cut, delayed and held open many times over."""


def run(script: str, folder: str, *arguments: str, **environment: str) -> str:
    """What a script of a workspace prints. Fails with all of it."""
    done = subprocess.run(
        [NPM, "run", script, "--workspace", folder, "--", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        # Colours belong into a terminal.
        env={**os.environ, "NO_COLOR": "1", "CI": "true", **environment},
    )
    assert done.returncode == 0, f"npm run {script} in {folder}:\n{done.stdout}"
    return done.stdout


@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("folder", ["clients/js", "examples/ask_around_me/web"])
def test_vitest_passes(folder: str) -> None:
    assert "passed" in run("test", folder)


@pytest.mark.soak
@pytest.mark.timeout(10 * LIMIT)
def test_nothing_is_lost_over_a_bad_network_for_long() -> None:
    assert "passed" in run("test", "clients/js", "test/chaos/chaos.test.ts", CHAOS_TIMES="10")


def test_the_core_is_as_small_as_promised() -> None:
    assert "core:" in run("size", "clients/js")
