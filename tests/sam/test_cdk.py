"""The page about CDK: its application is synthesised, and has all that the template has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ringback.cli.application import run
from tests.docs.blocks import blocks
from tests.sam.test_build import only
from tests.sam.test_valid import translated

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "how-to" / "aws-cdk.md"
LIBRARY = "aws-cdk-lib>=2.275,<3"
LIMIT = 500.0
"""Seconds for what is downloaded, and for CDK."""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3 * LIMIT)]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has CDK: 250 MB, so not among what everybody installs."""
    folder = tmp_path_factory.mktemp("cdk") / "environment"
    found = folder / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=LIMIT)
    install = [str(found), "-m", "pip", "install", "--quiet", "--no-compile", LIBRARY]
    done = subprocess.run(install, check=False, capture_output=True, text=True, timeout=LIMIT)
    if done.returncode != 0:
        pytest.skip(f"pip could not install {LIBRARY}: {done.stderr.strip()[-300:]}")
    return found


def test_an_application_of_cdk_includes_the_template(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block in blocks(PAGE):
        if block.role == "file":
            (tmp_path / block.options["file"]).write_text(block.text, "utf-8")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "uv").write_text("#!/bin/sh\n", "utf-8")  # what it installs is not looked at
    (tools / "uv").chmod(0o755)
    with monkeypatch.context() as patched:
        only(patched, "uv")
        patched.setenv("PATH", str(tools), prepend=os.pathsep)
        patched.chdir(tmp_path)
        patched.syspath_prepend(tmp_path)
        patched.delitem(sys.modules, "app", raising=False)
        assert run(["aws", "deploy", "app:rb", "--build-only"]) == 0

    made = synthesised(python, tmp_path)
    written = (tmp_path / ".ringback-aws" / "template.yaml").read_text("utf-8")
    ours, theirs = translated(written), translated(json.dumps(made))
    added = {*theirs} - {*ours}
    assert {*ours} <= {*theirs}
    kinds = sorted(theirs[name]["Type"] for name in added)
    assert kinds == ["AWS::DynamoDB::Table", "AWS::IAM::Policy"]
    for name, resource in ours.items():
        assert same(theirs[name]) == same(resource), name

    work = theirs["Work30Function"]["Properties"]
    assert "PARCELS" in work["Environment"]["Variables"]
    assert "RINGBACK_ENGINE" in work["Environment"]["Variables"]
    (policy,) = (theirs[name] for name in added if theirs[name]["Type"].endswith("Policy"))
    assert policy["Properties"]["Roles"] == [{"Ref": "Work30FunctionRole"}]
    assert made["Parameters"]["JwtIssuer"]["Default"] == "https://login.example/"


def synthesised(python: Path, folder: Path) -> dict[str, Any]:
    """What CDK makes of it, with Node from beside this interpreter."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    if shutil.which("node", path=path) is None:
        pytest.skip("CDK runs on Node, which is neither beside this interpreter nor on PATH")
    done = subprocess.run(
        [python, "cdk_app.py"],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "CDK_OUTDIR": "cdk.out"},
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stdout + done.stderr
    made: dict[str, Any] = json.loads((folder / "cdk.out" / "shop.template.json").read_text())
    return made


def same(value: Any) -> Any:
    """What may be written in two ways, in one; without what the page changes."""
    if isinstance(value, list):
        return [same(each) for each in value]
    if not isinstance(value, dict):
        return value
    if isinstance(place := value.get("Fn::GetAtt"), str):
        return {"Fn::GetAtt": place.split(".", 1)}
    left_out = {"Code", "PARCELS"}
    kept = {key: each for key, each in value.items() if key not in left_out and each != {}}
    return {key: same(each) for key, each in kept.items()}
