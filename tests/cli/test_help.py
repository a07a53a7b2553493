"""`--help`, `--version`, wrong command lines; and that asking for help is quick."""

import re
import subprocess
import sys

import pytest

from ringback.cli.application import run
from tests.cli.program import Shell

HEAVY = ("rich", "httpx", "pydantic", "starlette", "uvicorn", "apsw", "asyncio")


def test_version(shell: Shell) -> None:
    assert shell.run("--version").out == "ringback 0.1.0\n"


@pytest.mark.parametrize(
    "command",
    [
        [],
        *(
            [name]
            for name in (
                "run",
                "worker",
                "hub",
                "submit",
                "ops",
                "pub",
                "sub",
                "token",
                "settings",
                "aws",
                "demo",
            )
        ),
        *(["ops", name] for name in ("list", "show", "watch", "cancel", "redrive", "forget")),
    ],
)
def test_help(shell: Shell, command: list[str]) -> None:
    done = shell.fresh().run(*command, "--help")
    assert done.status == 0
    assert done.out.startswith(f"Usage: {' '.join(['ringback', *command])}")
    assert done.err == ""
    assert not re.search(r"--[a-z-]+ <", done.out), "an option without a word for its value"


@pytest.mark.parametrize("group", [[], ["ops"], ["aws"]])
def test_help_of_a_group(
    group: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*group, "--help"]) == 0
    _, _, listed = capsys.readouterr().out.partition("Commands:")
    assert not re.search(r"\.\.\.$", listed, re.MULTILINE), "a summary too long for its line"
    for name in re.findall(r"^  ([a-z]+)  ", listed, re.MULTILINE):
        assert run([*group, name, "--help"]) == 0
        each = capsys.readouterr().out
        assert not re.search(r"--[a-z-]+ <", each), "an option without a word for its value"


def test_help_says_what_exit_statuses_mean(shell: Shell) -> None:
    words = " ".join(shell.run("--help").out.split())
    assert "0 succeeded, 1 failed, 2 usage, 3 cancelled, 4 unavailable, 130 interrupted" in words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fly"], "ringback --help"),
        (["submit"], "ringback submit --help"),
        (["ops", "show"], "ringback ops show --help"),
        (["run", "sample_app", "--port", "x"], "ringback run --help"),
        (["run", "sample_app", "--workers", "-1"], "--workers"),
    ],
)
def test_a_wrong_command_line(shell: Shell, arguments: list[str], said: str) -> None:
    done = shell.run(*arguments)
    assert done.status == 2
    assert said in done.err
    as_json = shell.run(*arguments, "--json")
    assert as_json.status == 2
    assert said in as_json.problem["detail"]


def test_help_imports_nothing_heavy() -> None:
    """What takes half a second to import is imported by those who use it."""
    program = (
        "import sys\n"
        "from ringback.cli.application import run\n"
        "assert run(['--help']) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"
