"""Files stay short enough to be read at one sitting, and no unfinished work is left in them."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# About ten screens. Past it a file holds more than one noun: split it by noun, not into "utils".
MOST_LINES = 400
ROOMS = ("src", "tests", "examples", "bench")
# Written by hand. Built pages, lock files and vectors are as long as they are.
SOURCES = {".py", ".ts", ".tsx", ".sql"}

# Put together here so that this file does not hold what it looks for.
UNFINISHED = re.compile(rb"\b(?:" + b"|".join((b"TO" + b"DO", b"FIX" + b"ME")) + rb")\b")


def tracked() -> list[Path]:
    """What git holds, or would on the next `git add`; ignored files are not the project's."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = {name for name in listed.stdout.decode().split("\0") if name}
    return sorted(path for name in names if (path := ROOT / name).is_file())


def test_no_file_is_too_long() -> None:
    long = []
    for path in tracked():
        name = path.relative_to(ROOT)
        if name.parts[0] in ROOMS and path.suffix in SOURCES:
            lines = path.read_bytes().count(b"\n")
            if lines > MOST_LINES:
                long.append(f"{name}: {lines} lines")
    assert not long, f"over {MOST_LINES} lines; split by noun:\n" + "\n".join(long)


def test_no_unfinished_work() -> None:
    marks = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        for number, line in enumerate(path.read_bytes().splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not marks, "finish it, or say it in an issue:\n" + "\n".join(marks)


def test_finds_unfinished_work() -> None:
    assert UNFINISHED.search(b"# TO" + b"DO: later")
    assert not UNFINISHED.search(b"todo, FIXMEUP")
