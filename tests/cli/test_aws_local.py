"""What ``ringback aws local`` shows."""

import logging
from pathlib import Path
from typing import Any

import pytest

from ringback.cli import aws_home
from ringback.cli.application import run


def line(text: str, *, colour: bool = False, **said: Any) -> str:
    record = logging.LogRecord(
        said.pop("name", "ringback.aws.functions"),
        said.pop("level", logging.INFO),
        __file__,
        1,
        "%s",
        (text,),
        None,
    )
    for name, value in said.items():
        setattr(record, name, value)
    shown = aws_home.Lines(10, colour=colour).format(record)
    return shown.partition(" ")[2] if not colour else shown


def test_lines_name_the_function() -> None:
    assert line("hello", function="Work") == "Work       hello"
    assert line("GET / 200", name="ringback.aws.gateway.access") == "gateway    GET / 200"


def test_further_lines_stand_below() -> None:
    shown = line("[ERROR] E\nTraceback\n  File", function="Work").split("\n")
    assert [each.strip() for each in shown] == ["Work       [ERROR] E", "Traceback", "File"]
    assert len({len(each) - len(each.lstrip()) for each in shown[1:]}) == 2


def test_functions_cannot_write_to_the_terminal_what_they_like() -> None:
    assert "\x1b" not in line("\x1b[2Jgone\x07", function="Work")


def test_a_function_has_its_colour() -> None:
    one, other = (line("x", colour=True, function=name).split("x")[0] for name in ("A", "B"))
    assert one.partition(" ")[2] != other.partition(" ")[2]
    assert "\x1b[31m" in line("no", colour=True, function="A", level=logging.ERROR)
    assert "\x1b[2mREPORT" in line("REPORT RequestId", colour=True, function="A")


@pytest.mark.parametrize(
    ("template", "arguments", "said"),
    [
        (None, (), "template.yaml cannot be read"),
        ("a: [", (), "is not YAML"),
        ("a: 1", (), "it has no Resources"),
        ("Resources: {}", ("--parameter", "X=1"), "no parameter X"),
        ("Resources: {}", ("--env", "X"), "is not NAME=VALUE"),
    ],
)
def test_what_is_wrong_is_said(
    template: str | None,
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "template.yaml"
    if template is not None:
        path.write_text(template)
    assert run(["aws", "local", str(path), *arguments]) == 2
    assert said in capsys.readouterr().err
