"""`ringback ops`: against a URL and a data folder."""

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.program import HERE, Place, Server, Shell, command

SECRET: Any = {"RINGBACK_JWT_SECRET": "0123456789abcdef0123456789abcdef"}


def dead_letter(server: Server) -> str:
    operation = server.submit("explode", reason="because")
    assert server.ended(operation) == "failed"
    return operation


def test_list_as_a_table_and_as_json(shell: Shell, served: Server, gates: Path) -> None:
    where = ["--data", served.data]
    waiting = served.submit("steps", folder=str(gates))
    failed = dead_letter(served)
    table = shell.run("ops", "list", *where)
    assert table.status == 0
    head, first, second, *_ = table.out.splitlines()
    assert head.split() == ["ID", "TASK", "STATUS", "DONE", "TRY", "CREATED", "MESSAGE"]
    assert first.split()[:4] == [failed, "explode", "failed,", "dead"]
    assert "ago" in first
    assert first.endswith("ValueError: because")
    assert second.split()[:2] == [waiting, "steps"]
    listed = shell.run("ops", "list", *where, "--json", "--limit", 2).json
    assert [each["id"] for each in listed["operations"]] == [failed, waiting]
    assert listed["next"] is None
    listed = shell.run("ops", "list", *where, "--json", "--limit", 1).json
    assert [each["id"] for each in listed["operations"]] == [listed["next"]] == [failed]
    assert listed["operations"][0]["error"]["detail"] == "ValueError: because"


def test_list_filters_and_pages(shell: Shell, served: Server) -> None:
    where = ["--data", served.data]
    ids = [served.submit("refuse") for _ in range(3)]
    assert {served.ended(operation) for operation in ids} == {"failed"}
    chosen = ["--task", "refuse", "--status", "failed", *where]
    first = shell.run("ops", "list", *chosen, "--limit", 2, "--json").json
    assert [each["id"] for each in first["operations"]] == ids[:0:-1]
    second = shell.run("ops", "list", *chosen, "--after", first["next"], "--json").json
    assert [each["id"] for each in second["operations"]] == ids[:1]
    assert second["next"] is None
    for dead in ("--dead-letter", "--dead"):
        none = shell.run("ops", "list", dead, "--task", "refuse", *where)
        assert none.err == "There are none.\n"
    paged = shell.run("ops", "list", *chosen, "--limit", 2)
    assert f"--after {first['next']}" in paged.err


def test_list_over_a_url_needs_a_name(shell: Shell, served: Server) -> None:
    done = shell.run("ops", "list", "--url", served.url)
    assert done.status == 2
    assert "--token" in done.err
    assert "--data" in done.err


def test_list_over_a_url_pages_too(shell: Shell, data: Path) -> None:
    with Server(shell, data, **SECRET) as server:
        token = shell.run("token", "--subject", "alice", **SECRET).out.strip()
        headers = {"authorization": f"Bearer {token}"}
        ids = [
            httpx.post(f"{server.url}/tasks/add", json={"a": n}, headers=headers).json()["id"]
            for n in range(3)
        ]
        where = ["--url", server.url, "--token", token]
        first = shell.run("ops", "list", *where, "--limit", 2, "--json").json
        assert [each["id"] for each in first["operations"]] == ids[:0:-1]
        assert first["next"] == ids[1]
        second = shell.run("ops", "list", *where, "--after", first["next"], "--json").json
        assert [each["id"] for each in second["operations"]] == ids[:1]


def test_a_status_there_is_not(shell: Shell) -> None:
    done = shell.run("ops", "list", "--status", "lost")
    assert done.status == 2
    assert "queued, running, succeeded, failed, cancelled" in done.err


def test_show(shell: Shell, place: Place, gates: Path) -> None:
    (gates / "0").touch()
    operation = place.server.submit("steps", folder=str(gates), count=1)
    assert place.server.ended(operation) == "succeeded"
    page = shell.run("ops", "show", *place.on(operation))
    assert page.status == 0
    for words in (operation, "steps", "succeeded", "100%", "step 0", '{"step":0}', '"attempt": 1'):
        assert words in page.out
    shown = shell.run("ops", "show", *place.on(operation), "--json").json
    assert shown["parts"] == [{"index": 0, "attempt": 1, "data": {"step": 0}}]
    assert shown["result"]["attempt"] == 1


def test_operators_see_the_input_and_what_went_wrong(shell: Shell, served: Server) -> None:
    operation = dead_letter(served)
    public = shell.run("ops", "show", *Place(served, local=False).on(operation), "--json")
    assert "stored" not in public.json
    assert "raise ValueError" not in public.out
    local = ["ops", "show", operation, "--data", served.data]
    page = shell.run(*local).out
    assert "raise ValueError(reason)" in page
    assert '"reason": "because"' in page
    stored = shell.run(*local, "--json").json["stored"]
    assert "raise ValueError(reason)" in stored["diagnosis"]
    assert stored["input"] == {"reason": "because"}
    assert stored["policy"]["max_attempts"] == 1


def test_watch_as_json_lines(shell: Shell, place: Place, gates: Path) -> None:
    operation = place.server.submit("steps", folder=str(gates), count=2)
    with shell.start("ops", "watch", *place.on(operation), "--json") as watching:
        assert watching.json_line()["event"] == "snapshot"
        events: list[Any] = []
        for step in range(2):
            (gates / str(step)).touch()
        while not events or events[-1]["data"].get("status") != "succeeded":
            events.append(watching.json_line())
        assert watching.wait() == 0
    parts = [each["data"] for each in events if each["event"] == "part"]
    assert parts == [{"index": n, "attempt": 1, "data": {"step": n}} for n in range(2)]
    assert {"progress", "status", "part"} >= {each["event"] for each in events}
    assert all(each["position"] for each in events)


def test_watch_what_has_ended(shell: Shell, place: Place, gates: Path) -> None:
    (gates / "0").touch()
    operation = place.server.submit("steps", folder=str(gates), count=1)
    assert place.server.ended(operation) == "succeeded"
    done = shell.run("ops", "watch", *place.on(operation))
    assert done.status == 0
    part, result = done.out.splitlines()
    assert json.loads(part) == {"step": 0}
    assert json.loads(result)["attempt"] == 1
    replayed = shell.run("ops", "watch", *place.on(operation), "--from-start", "--json").lines
    kinds = [each["event"] for each in replayed]
    assert kinds[0] == kinds[-1] == "status"
    assert "part" in kinds


def test_cancel(shell: Shell, place: Place, gates: Path) -> None:
    operation = place.server.submit("steps", folder=str(gates))
    done = shell.run("ops", "cancel", *place.on(operation))
    assert done.status == 0
    assert place.server.ended(operation) == "cancelled"
    again = shell.run("ops", "cancel", *place.on(operation))
    assert again.status == 0
    assert "has ended: cancelled" in again.out
    as_json = shell.run("ops", "cancel", *place.on(operation), "--json")
    assert as_json.json["status"] == "cancelled"


def test_redrive(shell: Shell, place: Place) -> None:
    dead = dead_letter(place.server)
    again = shell.run("ops", "redrive", *place.on(dead), "--json")
    assert again.status == 0, again.err
    assert again.json["parent"] == dead
    assert again.json["token"].startswith("rbo_")
    assert shell.run("ops", "watch", again.json["id"]).status == 1, "its token is remembered"
    twice = shell.run("ops", "redrive", *place.on(dead))
    assert twice.status == 2
    assert "Only a dead letter can be redriven" in twice.err


def test_forget(shell: Shell, place: Place) -> None:
    dead = dead_letter(place.server)
    done = shell.run("ops", "forget", *place.on(dead), "--json")
    assert done.json == {"id": dead, "forgotten": True}
    gone = shell.run("ops", "show", *place.on(dead))
    assert gone.status == 2
    assert "has been forgotten" in gone.err


def test_what_is_open_is_not_forgotten(shell: Shell, place: Place, gates: Path) -> None:
    operation = place.server.submit("steps", folder=str(gates))
    refused = shell.run("ops", "forget", *place.on(operation), "--json")
    assert refused.status == 2
    assert refused.problem["type"] == "urn:ringback:problem:still-open"


@pytest.mark.parametrize("verb", ["show", "watch", "cancel", "redrive", "forget"])
def test_an_operation_that_is_not_there(shell: Shell, place: Place, verb: str) -> None:
    operation = str(uuid.uuid4())
    done = shell.run("ops", verb, operation, *place.options, "--json")
    assert done.status == 2
    assert done.problem["type"] == "urn:ringback:problem:unknown-operation"
    assert "No operation has this id" in done.problem["detail"]


def test_a_strangers_operation_says_how_to_give_the_token(shell: Shell, served: Server) -> None:
    operation = served.submit("add", a=1)
    stranger = shell.run("ops", "watch", operation, "--url", served.url)
    assert stranger.status == 2
    assert "--token" in stranger.err
    with_token = {"RINGBACK_TOKEN": served.tokens[operation], "RINGBACK_URL": served.url}
    done = shell.run("ops", "watch", operation, cwd=HERE, **with_token)
    assert (done.status, done.out) == (0, "2\n")


def test_a_remembered_token_is_for_its_server_alone(shell: Shell, served: Server) -> None:
    """A token must not be handed to whatever server an id is asked of."""
    accepted = shell.run("submit", "add", "a=1", "--url", served.url, "--json").json
    assert shell.run("ops", "show", accepted["id"]).status == 0
    other = served.url.replace("127.0.0.1", "localhost")
    assert shell.run("ops", "show", accepted["id"], "--url", other).status == 2


def test_an_output_nobody_reads_is_no_failure(shell: Shell, served: Server) -> None:
    served.submit("add", a=1)
    with subprocess.Popen(
        command("ops", "list", "--data", served.data),
        cwd=HERE,
        env=shell.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.close()
        assert listing.stderr.read() == b""
    assert listing.returncode == 141
