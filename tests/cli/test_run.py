"""`ringback run` and `ringback worker`: starting, saying so, and refusing what is not safe."""

import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.cli.program import APP, Place, Server, Shell, alive, until, worker


def test_the_start_says_where_how_and_what(shell: Shell, data: Path) -> None:
    with shell.fresh().start("run", APP, "--data", data, "--port", 0) as server:
        block = "\n".join(server.lines_to("Stop with"))
        assert "http://127.0.0.1:" in block
        assert "development" in block
        assert "RINGBACK_JWT_SECRET" in block
        assert str(data) in block
        assert "add, steps, explode" in block
        assert "this process" in block
        assert server.stop() == 0


def test_the_start_as_json(shell: Shell, data: Path) -> None:
    with Server(shell, data, "--workers", 0) as server:
        assert server.started["mode"] == "development"
        assert server.started["workers"] == 0
        assert server.started["store"] == str(data)
        assert "add" in server.started["tasks"]
        assert "listen" not in server.started["tasks"]
        assert server.started["pid"] == server.process.pid
        assert httpx.get(f"{server.url}/healthz").status_code == 200


def test_without_keys_it_listens_on_loopback_only(shell: Shell, data: Path) -> None:
    refused = shell.run("run", APP, "--data", data, "--host", "0.0.0.0", "--port", 0)
    assert refused.status == 2
    assert "development mode" in refused.err
    assert "RINGBACK_JWT_SECRET" in refused.err
    assert "127.0.0.1" in refused.err


def test_a_machine_name_is_loopback_only_if_its_addresses_are(shell: Shell, data: Path) -> None:
    with Server(shell, data, "--host", "localhost") as server:
        assert server.url.startswith("http://localhost:")
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("target", "environment"),
    [
        (APP, {"RINGBACK_JWT_SECRET": "0123456789abcdef0123456789abcdef"}),
        ("sample_app:guarded", {}),
    ],
)
def test_with_keys_it_listens_anywhere(
    shell: Shell, data: Path, target: str, environment: dict[str, str]
) -> None:
    with Server(shell, data, "--host", "0.0.0.0", target=target, **environment) as server:
        assert server.started["mode"] == "production"
        assert server.stop() == 0


def test_a_taken_port_is_said_before_anything_starts(shell: Shell, data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = shell.run("run", APP, "--data", data, "--port", port)
    assert refused.status == 2
    assert f"Port {port} of 127.0.0.1 is taken" in refused.err
    assert "--port" in refused.err
    assert not data.exists()


def test_a_folder_that_cannot_be_used(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    refused = shell.run("run", APP, "--data", file / "data", "--port", 0)
    assert refused.status == 2
    assert "--data" in refused.err


def test_wrong_settings_name_their_variable(shell: Shell) -> None:
    refused = shell.run("run", APP, RINGBACK_PORT="many")
    assert refused.status == 2
    assert "RINGBACK_PORT" in refused.err


def test_a_log_level_there_is_not(shell: Shell) -> None:
    refused = shell.run("run", APP, "--log-level", "loud")
    assert refused.status == 2
    assert "debug, info, warning, error" in refused.err


def test_the_access_log_leaves_out_the_query(shell: Shell, data: Path) -> None:
    with Server(shell, data, "--log-level", "debug") as server:
        httpx.get(f"{server.url}/healthz?token=rbo_secret")
        until(lambda: "/healthz" in server.err, "the request is logged")
        assert server.stop() == 0
        assert "rbo_secret" not in server.err


def test_the_server_does_not_believe_who_says_to_be_a_proxy(shell: Shell, data: Path) -> None:
    """In development only loopback is answered: a header must neither open nor close that."""
    with Server(shell, data) as server:
        answer = httpx.get(f"{server.url}/healthz", headers={"X-Forwarded-For": "203.0.113.7"})
        assert answer.status_code == 200
        assert "server" not in answer.headers


def test_workers_apart_share_the_store(shell: Shell, data: Path) -> None:
    with Server(shell, data, "--workers", 0) as server:
        operation = server.submit("add", a=1)
        assert server.status(operation) == "queued"
        with worker(shell, data) as beside:
            assert server.ended(operation) == "succeeded"
            assert beside.stop() == 0
        assert server.stop() == 0


def test_a_killed_worker_is_replaced(shell: Shell, data: Path, gates: Path) -> None:
    with Server(shell, data, "--workers", 1) as server:
        (first,) = server.started["worker_pids"]
        operation = server.submit("steps", folder=str(gates), count=1)
        until(lambda: server.status(operation) == "running", "the operation runs")
        os.kill(first, signal.SIGKILL)
        until(lambda: "was ended by SIGKILL" in server.err, "the death is noticed")
        (gates / "0").touch()
        done = shell.run("ops", "watch", *Place(server, local=False).on(operation), "--json")
        assert done.status == 0
        result = done.lines[-1]["data"]["result"]
        assert result["attempt"] == 2
        assert result["pid"] != first
        assert server.stop() == 0
        assert not alive(result["pid"])


def test_workers_end_with_a_server_that_is_killed(shell: Shell, data: Path) -> None:
    with Server(shell, data, "--workers", 2) as server:
        pids = server.started["worker_pids"]
        assert len(pids) == 2
        server.signal(signal.SIGKILL)
        server.wait()
        until(lambda: not any(map(alive, pids)), "the workers see that they are alone")
