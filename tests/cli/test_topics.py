"""`pub`, `sub` and `hub`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Running, Shell, until

SECRET = "a shared secret of more than thirty-two bytes"


class Hub(Running):
    """`ringback hub`, once it answers."""

    def __init__(self, shell: Shell, data: Path, *options: object, **environment: str) -> None:
        port = [] if "--port" in options else ["--port", 0]
        arguments = ["hub", "--data", data, "--json", *port, *options]
        super().__init__(shell, arguments, environment)
        self.url: str = self.json_line()["url"]
        self.port = int(self.url.rpartition(":")[2])


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    with Hub(Shell(folder / "home"), folder / "data") as started:
        yield started


def test_what_is_published_is_printed(shell: Shell, hub: Hub) -> None:
    at = ["--url", hub.url]
    done = shell.run("pub", "a/1", '{"n": 1}', *at)
    assert done.status == 0
    assert done.out.split()[::2] == ["position", "listeners"]
    assert done.out.split()[-1] == "0"
    assert shell.run("pub", "a/2", "-", *at, input='"two"').status == 0
    told = shell.run("pub", "a/1", "n=3", "--json", *at).json
    assert (told["topic"], told["listeners"]) == ("a/1", 0)
    done = shell.run("sub", "a/+", "--after", "earliest", "--count", 3, *at)
    assert done.status == 0
    assert done.out.splitlines() == ['a/1 {"n":1}', 'a/2 "two"', 'a/1 {"n":3}']
    done = shell.run("sub", "a/1", "a/2", "--after", "earliest", "--count", 2, "--json", *at)
    first, second = done.lines
    assert first["event"] == "message"
    assert first["position"] == first["data"]["position"]
    assert second["data"]["data"] == "two"
    done = shell.run("sub", "a/+", "--after", second["position"], "--count", 1, *at)
    assert done.out == 'a/1 {"n":3}\n'


def test_it_goes_on_until_it_is_interrupted(shell: Shell, hub: Hub) -> None:
    with shell.start("sub", "b/#", "--url", hub.url) as running:
        until(
            lambda: shell.run("pub", "b/1", "1", "--json", "--url", hub.url).json["listeners"],
            "it follows",
        )
        assert running.line() == "b/1 1"
        shell.run("pub", "b", '"x"', "--url", hub.url)
        assert running.lines_to("b ")[-1] == 'b "x"'
        running.signal(signal.SIGINT)
        assert running.wait() == 130


def test_it_comes_back_and_misses_nothing(shell: Shell, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Hub(shell, data) as started:
        at = ["--url", started.url]
        shell.run("pub", "a", "1", *at)
        with shell.start("sub", "a", "--after", "earliest", *at) as running:
            assert running.line() == "a 1"
            started.signal(signal.SIGKILL, group=True)
            started.wait()
            with Hub(shell, data, "--port", started.port) as again:
                for number in range(2, 6):
                    assert shell.run("pub", "a", str(number), *at).status == 0
                assert [running.line() for _ in range(4)] == ["a 2", "a 3", "a 4", "a 5"]
                assert again.stop() == 0


def test_a_gap_is_told(shell: Shell, hub: Hub) -> None:
    done = shell.run("pub", "g", "1", "--url", hub.url)
    assert done.status == 0
    done = shell.run("sub", "g", "--after", "other-1", "--count", 1, "--url", hub.url)
    assert done.out == "g 1\n"
    assert "no longer kept" in done.err


def test_what_is_wrong_is_said(shell: Shell, hub: Hub, tmp_path: Path) -> None:
    at = ["--url", hub.url]
    for arguments, said in (
        (["pub", "a", "{", *at], "is not JSON"),
        (["pub", "a/+", "1", *at], "without wildcards"),
        (["sub", "a//b", *at], "none empty"),
        (["pub", "a", "1", "--data", tmp_path], "--url"),
        (["sub", "a", "--data", tmp_path], "--url"),
        (["hub", "--data", tmp_path], "RINGBACK_WORKERS"),
    ):
        done = shell.run(*arguments, RINGBACK_WORKERS="2")
        assert done.status == 2, arguments
        assert said in done.err
    assert shell.run("pub", "a", "1", "--url", "http://127.0.0.1:9").status == 4


def test_tokens_say_who_may(shell: Shell, tmp_path: Path) -> None:
    shell.environment["RINGBACK_JWT_SECRET"] = SECRET
    made = ["token", "--subject", "ann", "--publish", "a/+", "--subscribe", "a/#"]
    ann = shell.run(*made).out.strip()
    bob = shell.run("token", "--subject", "bob").out.strip()
    wrong = shell.run("token", "--subject", "ann", "--publish", "a//b")
    assert wrong.status == 2
    for options, follows in (([], False), (["--open"], True)):
        with Hub(shell, tmp_path / f"data{follows}", *options) as started:
            at = ["--url", started.url, "--token"]
            assert shell.run("pub", "a/1", "1", *at, bob).status == 2
            assert shell.run("pub", "a/1", "1", *at, ann).status == 0
            assert shell.run("pub", "b/1", "1", *at, ann).status == 2
            following = ["sub", "a/1", "--after", "earliest", "--count", 1, *at]
            assert shell.run(*following, ann).out == "a/1 1\n"
            assert shell.run(*following, bob).status == (0 if follows else 2)
