"""The commands that deploy, to the letter; and what is said where a tool is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringback.errors import ConfigurationError
from ringback.sam.tools import Deployment, given, run, shown, stack_name, stack_of
from tests.sam.test_build import only

FOLDER = Path(".ringback-aws")


def deployment(**changes: object) -> Deployment:
    options: dict[str, object] = {"folder": FOLDER, "stack": "shop", "parameters": {}}
    return Deployment(**(options | changes))  # type: ignore[arg-type]


def texts(found: Deployment) -> list[str]:
    return [" ".join(command) for command in found.commands()]


def test_with_sam(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "sam", "aws")
    assert texts(deployment(region="eu-west-1", parameters={"AlarmEmail": "a@b.example"})) == [
        "sam deploy --template-file .ringback-aws/template.yaml --stack-name shop --resolve-s3 "
        "--capabilities CAPABILITY_IAM --no-confirm-changeset --no-fail-on-empty-changeset "
        "--region eu-west-1 --parameter-overrides AlarmEmail=a@b.example"
    ]


def test_with_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "aws")
    assert texts(deployment(artifacts="mine", profile="work")) == [
        "aws cloudformation package --template-file .ringback-aws/template.yaml --s3-bucket mine "
        "--s3-prefix shop --output-template-file .ringback-aws/packaged.yaml --profile work",
        "aws cloudformation deploy --template-file .ringback-aws/packaged.yaml --stack-name shop "
        "--s3-bucket mine --s3-prefix shop --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND "
        "--no-fail-on-empty-changeset --profile work",
    ]


def test_what_is_missing_is_said_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "aws")
    with pytest.raises(ConfigurationError, match="--artifacts BUCKET"):
        deployment().commands()
    only(monkeypatch)
    with pytest.raises(ConfigurationError, match="pip install aws-sam-cli"):
        deployment().commands()


def test_a_secret_is_not_shown() -> None:
    assert shown(["sam", "JwtSecret=abc", "MemorySize=512"]) == "sam JwtSecret=... MemorySize=512"


@pytest.mark.parametrize(
    ("application", "stack"),
    [
        ("Ask Around Me!", "ask-around-me"),
        ("9 lives", "lives"),
        ("é", "ringback"),
        ("a" * 90, "a" * 29),
    ],
)
def test_a_stack_is_named_after_the_application(application: str, stack: str) -> None:
    assert stack_of(application) == stack
    assert stack_name(stack) == stack


@pytest.mark.parametrize("name", ["Shop", "1shop", "a_b", "", "a" * 41])
def test_a_name_that_makes_no_bucket_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="small letters"):
        stack_name(name)


def test_parameters_are_checked() -> None:
    assert given(["A=1", "B=x=y"], ["A", "B"]) == {"A": "1", "B": "x=y"}
    for wrong in ("C=1", "A"):
        with pytest.raises(ConfigurationError, match="one of: A, B"):
            given([wrong], ["A", "B"])


def test_a_tool_that_fails_is_told() -> None:
    with pytest.raises(ConfigurationError, match="status 1: false"):
        run(["false"])
    with pytest.raises(ConfigurationError, match="cannot be run"):
        run(["/nowhere/at/all"])
