"""Servers that go away in the middle: nothing is lost, and nothing is done twice."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringback.client import Unreachable
from ringback.client.connection import Connection
from tests.cli.program import Place, Server, Shell, until, worker


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_watching_survives_a_restart_of_the_server(
    shell: Shell, data: Path, gates: Path, number: signal.Signals
) -> None:
    with Server(shell, data, "--workers", 0) as first, worker(shell, data):
        operation = first.submit("steps", folder=str(gates), count=4)
        with shell.start(
            "ops", "watch", *Place(first, local=False).on(operation), "--json"
        ) as watching:
            assert watching.json_line()["event"] == "snapshot"
            (gates / "0").touch()
            while (seen := watching.json_line())["event"] != "part":
                pass
            position = seen["position"]
            first.signal(number)
            first.wait()
            for step in (1, 2):  # what happens while nobody can be told
                (gates / str(step)).touch()
            until(lambda: "trying to get it back" in watching.err, "it tries again")
            with Server(shell, data, "--workers", 0, "--port", first.port):
                (gates / "3").touch()
                events = [json.loads(line) for line in watching.lines_to('"succeeded"')]
                assert watching.wait() == 0
    assert "snapshot" not in {each["event"] for each in events}, "it went on where it was"
    parts = [each["data"]["data"] for each in events if each["event"] == "part"]
    assert parts == [{"step": 1}, {"step": 2}, {"step": 3}]
    offsets = [int(each["position"].rpartition("-")[2]) for each in events]
    assert offsets == list(range(int(position.rpartition("-")[2]) + 1, offsets[-1] + 1))


def test_submitting_and_waiting_survives_it_too(shell: Shell, data: Path, gates: Path) -> None:
    with (
        Server(shell, data, "--workers", 0) as first,
        worker(shell, data),
        shell.start("submit", "steps", f"folder={gates}", "--wait", "--url", first.url) as waiting,
    ):
        (gates / "0").touch()
        assert json.loads(waiting.line()) == {"step": 0}
        first.signal(signal.SIGKILL)
        first.wait()
        with Server(shell, data, "--workers", 0, "--port", first.port):
            for step in (1, 2):
                (gates / str(step)).touch()
                assert json.loads(waiting.line()) == {"step": step}
            assert waiting.wait() == 0


def test_a_server_that_stays_away_is_given_up(shell: Shell, data: Path, gates: Path) -> None:
    with Server(shell, data) as server:
        operation = server.submit("steps", folder=str(gates))
        with shell.start(
            "ops", "watch", *Place(server, local=False).on(operation), "--patience", 1
        ) as watching:
            until(lambda: "running" in watching.err, "it runs")
            server.signal(signal.SIGKILL)
            server.wait()
            assert watching.wait() == 4
            assert "Nothing answers" in watching.err


@contextlib.asynccontextmanager
async def losing_the_first_answer(port: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A proxy that passes the first request on, and breaks the connection before its answer."""
    requests: list[bytes] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        length = int(request.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        request += await reader.readexactly(length)
        requests.append(request)
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        outer.write(request.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
        answer = await inner.read()
        outer.close()
        if len(requests) > 1:
            writer.write(answer)
            await writer.drain()
        writer.close()

    proxy = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    async with proxy:
        yield f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}", requests


async def test_an_answer_that_is_lost_is_asked_for_again(shell: Shell, data: Path) -> None:
    with Server(shell, data) as server:
        async with losing_the_first_answer(server.port) as (url, requests):
            done = await asyncio.to_thread(
                shell.run, "submit", "add", "a=1", "--json", "--url", url
            )
        assert done.status == 0, done.err
        assert len(requests) == 2
        assert requests[0] == requests[1], "with the same key"
        listed = shell.run("ops", "list", "--data", data, "--json").json["operations"]
        assert [each["id"] for each in listed] == [done.json["id"]]


async def test_a_server_that_was_never_there_is_not_waited_for() -> None:
    async with Connection("http://127.0.0.1:9") as client:
        with pytest.raises(Unreachable):
            await client.submit("add", b"{}", key="k")
        with pytest.raises(Unreachable):
            async for _ in client.follow("00000000-0000-7000-8000-000000000000"):
                pass
