"""Checkov finds nothing in the template that is not argued in it.

It wants a boto3 of its own, older than ours, and takes most of a minute: it has an environment in
`.tools/`, which this makes, and is a part of the soak.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TOOLS = ROOT / ".tools" / "checkov"
WANTED = "checkov>=3.3,<4"

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def checkov() -> Path:
    """The program, installed at its first use."""
    program = TOOLS / "bin" / "checkov"
    if not program.exists():
        uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
        subprocess.run([uv, "venv", "--python", sys.executable, TOOLS], check=True)
        python = TOOLS / "bin" / "python"
        subprocess.run([uv, "pip", "install", "--python", python, WANTED], check=True)
    return program


def test_finds_nothing_that_is_not_argued(checkov: Path, written: str, tmp_path: Path) -> None:
    file = tmp_path / "template.yaml"
    file.write_text(written, "utf-8")
    done = subprocess.run(
        [checkov, "-f", file, "--framework", "cloudformation", "--skip-download", "-o", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)
    results = found["results"]
    assert not [f"{each['check_id']} {each['resource']}" for each in results["failed_checks"]]
    assert not results["parsing_errors"]
    # It looked, and every reason was read.
    assert len(results["passed_checks"]) > 100
    said = re.findall(r"# checkov:skip=\w+:(.+)", written)
    assert len(results["skipped_checks"]) == len(said)
    assert all(len(reason) > 20 for reason in said)
