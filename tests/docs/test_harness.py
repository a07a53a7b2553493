"""The harness notices what is wrong with an example."""

import os
import time
from pathlib import Path

import pytest

from tests.docs.blocks import Unmarked, blocks
from tests.docs.session import Broken, Session

SERVER = "```sh server\npython -m http.server -b 127.0.0.1 8000\n```\n"


def run(folder: Path, text: str) -> Session:
    page = folder / "page.md"
    page.write_text(text, "utf-8")
    inside = folder / "inside"
    inside.mkdir()
    with Session("page.md", inside) as session:
        session.run(blocks(page))
    return session


@pytest.mark.parametrize(
    "text",
    [
        "```sh\ntrue\n```",
        "```sh status=3\nexit 3\n```",
        "```sh\nWORD=said\n```\n```sh\necho $WORD\n```\n```text output\nsaid\n```",
        "```sh\necho one; echo two; echo three\n```\n```text output\none\n…\nthree\n```",
        "```console\n$ echo a; echo b\na\nb\n$ true\n$ echo \\\n  c\nc\n```",
        "```python file=m.py\nprint(6 * 7)\n```\n```sh\npython m.py\n```\n```text output\n42\n```",
        "```text file=a/b\none\n```\n```text append=a/b\ntwo\n```\n```sh\ncat a/b\n```\n"
        "```text output\none\ntwo\n```",
        "```python fragment\nawait op.progress(0.5)\n```",
        '```json shown\n{"a": 1}\n```',
        '```json shown\n{"a": …}\n```',
        "```nginx shown\nlocation / {}\n```",
        "````md shown\n```\nany\n```\n````",
        "```sh\nexport WORD=said\n```\n```sh background\necho $WORD > word\n```\n"
        "```sh\nuntil grep said word; do sleep 0.01; done\n```",
        SERVER + "```sh\ncurl -fsS http://127.0.0.1:8000/ -o page.html\n```",
        SERVER + SERVER + "```sh\ncurl -fsS http://127.0.0.1:8000/ -o page.html\n```",
    ],
)
def test_accepts(tmp_path: Path, text: str) -> None:
    run(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("# A\n\n```sh\nfalse\n```", "page.md:3: it ended with status 1"),
        ("```sh\nfalse\ntrue\n```", "status 1"),
        ("```sh\nfalse | true\n```", "status 1"),
        ("```sh status=2\ntrue\n```", "status 0"),
        ("```sh\necho a\n```\n```text output\nb\n```", "page.md:4: it should print"),
        ("```sh\necho a; echo b\n```\n```text output\na\n```", "should print"),
        ("```console\n$ echo a\nb\n```", "should print"),
        ("```console\n$ false\n```", "status 1"),
        ("```python file=m.py\nprint(\n```", "no Python"),
        ("```python fragment\ndef f(:\n```", "no Python"),
        ("```json shown\n{'a': 1}\n```", "no JSON"),
        ("```sh server\nexit 7\n```", "the server ended"),
    ],
)
def test_catches(tmp_path: Path, text: str, cause: str) -> None:
    with pytest.raises(Broken) as caught:
        run(tmp_path, text)
    assert cause in str(caught.value)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("```\nx\n```", "page.md:1: a block of no language"),
        ("```python\nx\n```", "neither run nor marked"),
        ("```js\nx\n```", "neither run nor marked"),
        ("```sh run\nx\n```", "'run' is no role"),
        ("```sh name=x\nx\n```", "'name' is no option"),
        ("```sh server background\nx\n```", "one role is enough"),
        ("```sh\nx\n", "never closed"),
    ],
)
def test_refuses_what_is_not_marked(tmp_path: Path, text: str, cause: str) -> None:
    with pytest.raises(Unmarked) as caught:
        run(tmp_path, text)
    assert cause in str(caught.value)


def test_what_a_page_started_is_ended_with_it(tmp_path: Path) -> None:
    run(
        tmp_path,
        "```sh background\necho $$ > pid; exec sleep 1000\n```\n"
        "```sh\nuntil [ -s pid ]; do sleep 0.01; done\n```",
    )
    pid = int((tmp_path / "inside" / "pid").read_text())
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nothing_of_the_readers_own_is_touched(tmp_path: Path) -> None:
    run(
        tmp_path, "```sh\necho $HOME $XDG_STATE_HOME\n```\n```text output\n/…/inside /…/.state\n```"
    )
