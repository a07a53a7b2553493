"""The JavaScript client: its own tests, and what it weighs, told by its own tools.

They run as tests of pytest so that the workers of one run share the time. What npm installs is a
part of the set-up, so a checkout without it fails here and says so.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NPM = ROOT / "scripts/npm"
LIMIT = 540
"""Seconds: every transport is cut, delayed and held open many times over."""
SHOWN = 2_000
"""Characters of why a test failed."""


def run(
    script: str, folder: str, *arguments: str, report: Path | None = None, **environment: str
) -> str:
    """What a script of a workspace prints. Fails with all of it, and a ``report``'s gist last."""
    done = subprocess.run(
        [NPM, "run", script, "--workspace", folder, "--", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        # Colours belong into a terminal.
        env={**os.environ, "NO_COLOR": "1", "CI": "true", **environment},
    )
    if done.returncode != 0:
        last = "" if report is None else f"\n{failed(report)}"
        pytest.fail(f"npm run {script} in {folder}:\n{done.stdout}{last}", pytrace=False)
    return done.stdout


def vitest(folder: str, report: Path, *arguments: str, **environment: str) -> str:
    """What the tests of a workspace print."""
    reporters = ("--reporter=default", "--reporter=json", f"--outputFile.json={report}")
    return run("test", folder, *reporters, *arguments, report=report, **environment)


def failed(report: Path) -> str:
    """Which tests failed, and why: what vitest prints is long, and may be cut."""
    try:
        files = json.loads(report.read_text("utf-8"))["testResults"]
    except (OSError, ValueError):
        return "vitest has written no report: it did not come to its end."
    found: list[str] = []
    for file in files:
        name = Path(file["name"]).name
        if file["message"]:
            found.append(f"FAILED {name}\n{file['message'][:SHOWN]}")
        for test in file["assertionResults"]:
            if test["status"] == "failed":
                why = "\n".join(test["failureMessages"])
                found.append(f"FAILED {name}: {test['fullName']}\n{why[:SHOWN]}")
    return "\n\n".join(found) or "No test failed, but something did outside of them: see above."


@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("folder", ["clients/js", "examples/ask_around_me/web"])
def test_vitest_passes(folder: str, tmp_path: Path) -> None:
    assert "passed" in vitest(folder, tmp_path / "report.json")


def test_what_failed_is_said_last(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    assert "no report" in failed(report)
    good = {"status": "passed", "fullName": "a b", "failureMessages": []}
    bad = {"status": "failed", "fullName": "a c", "failureMessages": ["Error: 1 is not 2"]}
    files = [
        {"name": "/x/one.test.ts", "message": "", "assertionResults": [good, bad]},
        {"name": "/x/two.test.ts", "message": "No such module", "assertionResults": []},
    ]
    report.write_text(json.dumps({"testResults": files}), "utf-8")
    assert failed(report) == (
        "FAILED one.test.ts: a c\nError: 1 is not 2\n\nFAILED two.test.ts\nNo such module"
    )
    report.write_text(json.dumps({"testResults": files[:0]}), "utf-8")
    assert "outside" in failed(report)


@pytest.mark.soak
@pytest.mark.timeout(10 * LIMIT)
def test_nothing_is_lost_over_a_bad_network_for_long(tmp_path: Path) -> None:
    report, chaos = tmp_path / "report.json", "test/chaos/chaos.test.ts"
    assert "passed" in vitest("clients/js", report, chaos, CHAOS_TIMES="10")


def test_the_core_is_as_small_as_promised() -> None:
    assert "core:" in run("size", "clients/js")
