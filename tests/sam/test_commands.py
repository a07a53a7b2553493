"""``ringback aws``: what each command prints, and what it does to a stack at moto."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from ringback import Ringback
from ringback.cli.application import run
from ringback.sam.stack import Stack
from tests.sam.conftest import NAME, TARGET
from tests.sam.test_build import only
from tests.sam.test_stack import client, write

Printed = pytest.CaptureFixture[str]


def test_template_writes_a_file(tmp_path: Path, template: dict[str, Any]) -> None:
    file = tmp_path / "template.yaml"
    assert run(["aws", "template", TARGET, "--output", str(file)]) == 0
    assert yaml_parse(file.read_text("utf-8")) == template


def test_template_prints_it(capfdbinary: pytest.CaptureFixture[bytes], written: str) -> None:
    assert run(["aws", "template", TARGET]) == 0
    assert capfdbinary.readouterr().out.decode() == written


def test_a_handler_that_is_not_there_is_told_with_the_cure(capsys: Printed) -> None:
    assert run(["aws", "template", TARGET, "--handler", "tests.sam.shop.nothing"]) == 2
    assert "`nothing = rb.lambda_handler()`" in capsys.readouterr().err
    assert run(["aws", "template", TARGET, "--handler", "nowhere.handler"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_dry_run_prints_the_commands_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    only(monkeypatch, "uv", "sam")
    monkeypatch.chdir(tmp_path)
    wanted = ["-p", "Architecture=x86_64", "-p", "JwtSecret=hidden"]
    assert run(["aws", "deploy", TARGET, "--dry-run", "--python", "3.12", *wanted]) == 0
    install, deploy = capsys.readouterr().out.splitlines()
    assert install.startswith("uv pip install ")
    assert "x86_64" in install
    assert "3.12" in install
    assert deploy.startswith("sam deploy --template-file .ringback-aws/template.yaml ")
    assert deploy.endswith("--parameter-overrides Architecture=x86_64 JwtSecret=...")
    assert not list(tmp_path.iterdir())


def test_the_region_of_the_environment_is_given_to_the_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    only(monkeypatch, "uv", "sam")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", "eu-north-1")  # SAM does not look at it
    assert run(["aws", "deploy", TARGET, "--dry-run"]) == 0
    assert "--region eu-north-1" in capsys.readouterr().out
    assert run(["aws", "deploy", TARGET, "--dry-run", "--region", "eu-west-3"]) == 0
    assert "--region eu-west-3" in capsys.readouterr().out


def test_only_to_build_no_tool_that_deploys_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    only(monkeypatch, "uv")
    monkeypatch.chdir(tmp_path)
    assert run(["aws", "deploy", TARGET, "--dry-run"]) == 2
    assert "pip install aws-sam-cli" in capsys.readouterr().err
    assert run(["aws", "deploy", TARGET, "--dry-run", "--build-only"]) == 0
    (install,) = capsys.readouterr().out.splitlines()
    assert install.startswith("uv pip install ")


def test_deploy_builds_and_calls_the_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed, aws: Stack
) -> None:
    """With a `uv` and a `sam` that do nothing: a stack of that name is there already."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("uv", "sam"):
        (tools / name).write_text("#!/bin/sh\n", "utf-8")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    monkeypatch.chdir(tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    (project / "parcel.py").write_text(
        "from ringback import Ringback\nrb = Ringback('shop')\nhandler = rb.lambda_handler()\n"
    )
    monkeypatch.syspath_prepend(project)
    assert run(["aws", "deploy", "parcel:rb", "--folder", "built"]) == 0
    said = capsys.readouterr()
    assert "zipped" in said.err
    assert "dynamodb:shop-Table-" in said.out
    assert (tmp_path / "built" / "code" / "parcel.py").is_file()
    assert (tmp_path / "built" / "code.zip").stat().st_size > 100_000
    template = yaml_parse((tmp_path / "built" / "template.yaml").read_text("utf-8"))
    function = template["Resources"]["HttpFunction"]["Properties"]
    assert function["CodeUri"] == "code.zip"


def test_logs(aws: Stack, capsys: Printed) -> None:
    write(aws, "Http", time.time() - 5, "it was \x1b[31mhere")
    assert run(["aws", "logs", NAME, "--function", "Http", "--since", "5"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("Http it was \N{REPLACEMENT CHARACTER}[31mhere")


def test_redrive_says_what_cannot_go_back(aws: Stack, capsys: Printed) -> None:
    queues = aws.resources("AWS::SQS::Queue")
    for name in ("Work30DeadLetters", "EventsDeadLetters"):
        client("sqs").send_message(QueueUrl=queues[name], MessageBody="{}")
    assert run(["aws", "redrive", NAME, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == ["Work30DeadLetters: 1 letter", "EventsDeadLetters: 1 letter"]
    assert "receive-message" in said.err


def test_destroy_asks_first(aws: Stack, monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    monkeypatch.setattr("typer.prompt", lambda *words, **options: "another")
    assert run(["aws", "destroy", NAME]) == 2
    assert "Nothing is deleted" in capsys.readouterr().err
    assert aws.outputs()


def test_destroy(aws: Stack, capsys: Printed) -> None:
    client("s3").put_object(Bucket="shop-files", Key="payloads/a", Body=json.dumps(1))
    assert run(["aws", "destroy", NAME, "--yes"]) == 0
    said = capsys.readouterr()
    assert "the bucket shop-files" in said.out
    assert "shop-files: 1 objects are deleted." in said.err
    assert said.out.splitlines()[-1] == "shop is gone"
    assert run(["aws", "logs", NAME]) == 2


def test_redrive_does_operations_again(
    aws: Stack, monkeypatch: pytest.MonkeyPatch, capsys: Printed, tmp_path: Path
) -> None:
    """The engine is what the stack says; here one in a folder, which is opened like any other."""
    app = Ringback("broken", data=tmp_path)

    @app.task(retries=0)
    def fail() -> None:
        raise ValueError("no")

    async def break_down() -> str:
        async with app.running():
            failed = await app.submit("fail")
            await app.wait(failed.id, 30)
        return failed.id

    id = asyncio.run(break_down())
    monkeypatch.setattr(Stack, "outputs", lambda self: {"Engine": f"sqlite:{tmp_path}"})
    assert run(["aws", "redrive", NAME, "--operations", "--dry-run"]) == 0
    assert capsys.readouterr().out == f"{id} fail\n"
    assert run(["aws", "redrive", NAME, "--operations"]) == 0
    assert capsys.readouterr().out.startswith(f"{id} fail: again as ")
