"""A server and a worker that are asked to stop: drain within the grace, then give back."""

import signal
from pathlib import Path

import httpx
import pytest

from tests.cli.program import Running, Server, Shell, alive, until, worker

LONG = 3000
"""Seconds of grace that no test waits for: what ends in time did not wait for it."""


def begun(server: Server, gates: Path, count: int = 2) -> str:
    """An operation in the middle: its first step is done, the others wait for their gates."""
    operation = server.submit("steps", folder=str(gates), count=count)
    (gates / "0").touch()
    until(lambda: server.view(operation)["part_count"] == 1, "the first part came")
    return operation


def final(shell: Shell, data: Path, operation: str) -> dict[str, object]:
    found: dict[str, object] = shell.run("ops", "show", operation, "--data", data, "--json").json
    return found


@pytest.mark.parametrize("workers", [[], ["--workers", 1]])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_runs_may_end_within_the_grace(
    shell: Shell, data: Path, gates: Path, workers: list[object], number: signal.Signals
) -> None:
    with Server(shell, data, "--grace", LONG, *workers) as server:
        operation = begun(server, gates)
        # As a terminal does it: to the server, and to the workers in its process group.
        server.signal(number, group=True)
        until(lambda: "Draining: 1 operation" in server.err, "the drain begins")
        (gates / "1").touch()
        assert server.wait() == 0
    ended = final(shell, data, operation)
    assert ended["status"] == "succeeded"
    assert ended["attempt"] == 1


@pytest.mark.parametrize("workers", [[], ["--workers", 1]])
def test_what_does_not_end_within_the_grace_is_given_back(
    shell: Shell, data: Path, gates: Path, workers: list[object]
) -> None:
    with Server(shell, data, "--grace", 0.2, *workers) as server:
        operation = begun(server, gates)
        assert server.stop() == 0
        assert not any(map(alive, server.started["worker_pids"]))
    released = final(shell, data, operation)
    assert (released["status"], released["attempt"]) == ("queued", 1)
    (gates / "1").touch()
    with worker(shell, data):
        done = shell.run("ops", "watch", operation, "--data", data, "--json")
        assert done.status == 0
        assert done.lines[-1]["data"]["result"]["attempt"] == 2
    stored = final(shell, data, operation)["stored"]
    assert isinstance(stored, dict)
    assert stored["failures"] == 0, "to be given back is no failure"


def test_a_worker_apart_drains_too(shell: Shell, data: Path, gates: Path) -> None:
    with (
        Server(shell, data, "--workers", 0) as server,
        worker(shell, data, "--grace", LONG) as beside,
    ):
        operation = begun(server, gates)
        beside.signal(signal.SIGTERM)
        until(lambda: "Draining: 1 operation" in beside.err, "the drain begins")
        (gates / "1").touch()
        assert beside.wait() == 0
        assert server.status(operation) == "succeeded"


def test_open_streams_and_long_polls_do_not_hold_it_up(
    shell: Shell, data: Path, gates: Path
) -> None:
    with Server(shell, data, "--workers", 0, "--grace", LONG) as server:
        accepted = shell.run(
            "submit", "steps", f"folder={gates}", "--json", "--url", server.url
        ).json
        headers = {"authorization": f"Bearer {accepted['token']}"}
        events = server.url + accepted["links"]["events"]
        with httpx.stream("GET", events, headers=headers, timeout=60) as stream:
            lines = stream.iter_lines()
            while not next(lines).startswith("event: snapshot"):
                pass
            server.signal(signal.SIGTERM)
            assert not [line for line in lines if line.startswith("event: status")]
        assert server.wait() == 0


@pytest.mark.parametrize("workers", [[], ["--workers", 1]])
def test_a_second_signal_ends_it_at_once(
    shell: Shell, data: Path, gates: Path, workers: list[object]
) -> None:
    with Server(shell, data, "--grace", LONG, *workers) as server:
        begun(server, gates)
        server.signal(signal.SIGTERM)
        until(lambda: "Draining" in server.err, "the drain begins")
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM
        until(
            lambda: not any(map(alive, server.started["worker_pids"])), "the workers are gone too"
        )


def test_a_worker_whose_server_was_killed_drains(shell: Shell, data: Path, gates: Path) -> None:
    with Server(shell, data, "--workers", 1, "--grace", LONG) as server:
        operation = begun(server, gates)
        server.signal(signal.SIGKILL)
        server.wait()
        (gates / "1").touch()
        until(lambda: not any(map(alive, server.started["worker_pids"])), "the worker ends")
    ended = final(shell, data, operation)
    assert (ended["status"], ended["attempt"]) == ("succeeded", 1)


def test_it_can_be_stopped_while_it_starts(shell: Shell, data: Path) -> None:
    """Whenever the signal comes, the process ends; an orderly end or the signal's own."""
    for _ in range(3):
        with shell.fresh().start("run", "sample_app", "--data", data, "--port", 0) as starting:
            until(lambda: data.exists() or ended(starting), "the store is being made")
            starting.signal(signal.SIGTERM)
            assert starting.wait() in (0, -signal.SIGTERM)


def ended(running: Running) -> bool:
    return running.process.poll() is not None


def test_ctrl_c_is_not_for_a_job_in_the_background(shell: Shell, data: Path) -> None:
    """A shell starts those with SIGINT ignored; an orderly end at the next signal shows that the
    first was not counted."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        server = Server(shell, data)
    finally:
        signal.signal(signal.SIGINT, before)
    with server:
        server.signal(signal.SIGINT)
        assert server.stop() == 0
