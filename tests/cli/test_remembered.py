"""The remembered tokens: private, bounded, and never in the way."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ringback.cli import remembered
from ringback.cli.remembered import MAX_REMEMBERED, Remembered


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def entry(number: int, token: str = "t") -> Remembered:
    return Remembered(id=str(number), at=float(number), url="http://h", token=token)


def test_what_was_remembered_is_recalled() -> None:
    remembered.remember(entry(1))
    remembered.remember(entry(2))
    assert remembered.recall("1") == entry(1)
    assert remembered.recall("3") is None
    remembered.remember(entry(1, "new"))
    assert remembered.recall("1") == entry(1, "new")


def test_only_the_user_reads_it(state: Path) -> None:
    remembered.remember(entry(1))
    file = remembered.state_file()
    assert file.is_relative_to(state)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_it_is_bounded() -> None:
    for number in range(MAX_REMEMBERED + 5):
        remembered.remember(entry(number))
    assert len(remembered.state_file().read_bytes().splitlines()) == MAX_REMEMBERED
    assert remembered.recall("4") is None
    assert remembered.recall("5") == entry(5)


def test_a_damaged_line_costs_that_line() -> None:
    remembered.remember(entry(1))
    with remembered.state_file().open("ab") as file:
        file.write(b'{"id": \n\xff\n')
    remembered.remember(entry(2))
    assert remembered.recall("1") == entry(1)
    assert remembered.recall("2") == entry(2)


def test_a_folder_that_cannot_be_written_hinders_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    remembered.remember(entry(1))
    assert remembered.recall("1") is None


def test_many_commands_at_once_lose_nothing() -> None:
    program = (
        "import sys\n"
        "from ringback.cli.remembered import Remembered, remember\n"
        "for n in range(10): remember(Remembered(id=f'{sys.argv[1]}-{n}', at=0.0))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(each)]) for each in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    for each in range(4):
        for number in range(10):
            assert remembered.recall(f"{each}-{number}") is not None
