"""Whatever is asked, the server answers as `/openapi.json` says: a run of its own asks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import ROOT

TESTS = Path(__file__).with_name("described.py")
LEAST = 33
"""Tests: one for each of the routes there are, and one that goes from answer to answer."""


@pytest.mark.hypothesis
def test_every_answer_is_as_described() -> None:
    asking = (*("-m", "pytest", str(TESTS)), *("-p", "schemathesis"))
    done = subprocess.run(
        [sys.executable, *asking, "-q", "-p", "no:cacheprovider", "-m", ""],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) >= LEAST
