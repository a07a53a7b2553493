"""`ringback submit`: against a URL and into a data folder."""

import json
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import Place, Server, Shell, until


def test_the_acknowledgement_for_people(shell: Shell, place: Place) -> None:
    done = shell.run("submit", "add", "a=1", *place.options)
    assert done.status == 0
    words = done.out.split()
    assert words[0] == "id"
    assert words[2:4] == ["token", words[3]]
    assert words[3].startswith("rbo_")
    assert f"ringback ops watch {words[1]}" in done.out


def test_the_acknowledgement_as_json(shell: Shell, place: Place) -> None:
    accepted = shell.run("submit", "add", "a=1", *place.options, "--json").json
    assert {"id", "task", "status", "created_at", "token", "token_expires_at"} <= set(accepted)
    assert accepted["task"] == "add"


@pytest.mark.parametrize(
    "arguments",
    [
        ['{"a": 40, "b": 2}'],
        ["a=40", "b=2"],
        ["-"],
        ["@{file}"],
    ],
)
def test_forms_of_input(shell: Shell, place: Place, tmp_path: Path, arguments: list[str]) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"a": 40, "b": 2}')
    given = [argument.format(file=file) if "@" in argument else argument for argument in arguments]
    done = shell.run("submit", "add", *given, *place.options, "--wait", input=file.read_text())
    assert (done.status, done.out) == (0, "42\n")


def test_waiting_prints_parts_as_they_come_and_the_result_last(
    shell: Shell, place: Place, gates: Path
) -> None:
    with shell.start("submit", "steps", f"folder={gates}", "--wait", *place.options) as waiting:
        for step in range(3):
            (gates / str(step)).touch()
            assert json.loads(waiting.line()) == {"step": step}
        assert json.loads(waiting.line())["attempt"] == 1
        assert waiting.wait() == 0
        assert "33% step 0" in waiting.err
        assert "100% step 2" in waiting.err
        assert "succeeded after" in waiting.err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["add", "a=1"], 0, "succeeded"),
        (["hesitate"], 0, "queued again after attempt 1: not yet"),
        (["refuse"], 1, "There is no such thing."),
        (["explode", "reason=x"], 1, "ValueError: x"),
        (["paint"], 1, "\ufffd[2Jcleared"),
    ],
)
def test_the_exit_status_is_the_outcome(
    shell: Shell, place: Place, arguments: list[str], status: int, said: str
) -> None:
    done = shell.run("submit", *arguments, "--wait", *place.options)
    assert done.status == status
    assert said in done.err
    assert "\x1b" not in done.err


def test_waiting_with_json_prints_one_document(shell: Shell, place: Place) -> None:
    done = shell.run("submit", "add", "a=1", "b=2", "--wait", "--json", *place.options)
    assert done.json["status"] == "succeeded"
    assert done.json["result"] == 3
    assert done.err == ""
    failed = shell.run("submit", "refuse", "--wait", "--json", *place.options)
    assert failed.status == 1
    assert failed.json["error"]["detail"] == "There is no such thing."


def test_a_result_too_large_for_an_event(shell: Shell, place: Place) -> None:
    done = shell.run("submit", "large", "size=100000", "--wait", *place.options)
    assert done.status == 0
    assert done.json == "x" * 100_000


def test_a_cancelled_operation_is_status_3(shell: Shell, place: Place, gates: Path) -> None:
    operation = place.server.submit("steps", folder=str(gates))
    with shell.start("ops", "watch", *place.on(operation)) as watching:
        until(lambda: "running" in watching.err, "it runs")
        assert shell.run("ops", "cancel", *place.on(operation)).status == 0
        assert watching.wait() == 3
        assert "cancelled after" in watching.err


def test_ctrl_c_leaves_the_operation_alone(shell: Shell, place: Place, gates: Path) -> None:
    with shell.start("submit", "steps", f"folder={gates}", "--wait", *place.options) as waiting:
        (gates / "0").touch()
        waiting.line()
        waiting.signal(signal.SIGINT)
        assert waiting.wait() == 130
        assert "The operation goes on" in waiting.err
        operation = waiting.err.split("ringback ops watch ")[1].split()[0]
    for step in (1, 2):
        (gates / str(step)).touch()
    assert shell.run("ops", "watch", operation).status == 0, "and is known here by its id alone"


def test_the_same_key_is_accepted_once(shell: Shell, place: Place) -> None:
    with_key = ["--key", str(uuid.uuid4()), "--json", *place.options]
    first = shell.run("submit", "add", "a=1", *with_key).json
    assert shell.run("submit", "add", '{"a":1}', *with_key).json["id"] == first["id"]
    other = shell.run("submit", "add", "a=2", *with_key)
    assert other.status == 2
    assert other.problem["type"] == "urn:ringback:problem:idempotency-key-reused"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ad"], ["No task is named 'ad'", "Did you mean add?"]),
        (["listen"], ["No task is named 'listen'"]),
        (["add", "{"], ["not JSON", "key=value"]),
        (["add", "hello"], ["not JSON", "double quotes"]),
        (["add", "a=1", "hello"], ["'hello' is no key=value pair"]),
        (["add", "a=1", "a=2"], ["a is given twice"]),
        (["add", "@/nowhere.json"], ["/nowhere.json", "No such file"]),
        (["add", "-"], ["nothing in standard input"]),
    ],
)
def test_mistakes_are_explained(
    shell: Shell, place: Place, arguments: list[str], said: list[str]
) -> None:
    done = shell.run("submit", *arguments, *place.options)
    assert done.status == 2
    assert done.out == ""
    for words in said:
        assert words in done.err


def test_input_that_does_not_fit_points_at_each_fault(shell: Shell, served: Server) -> None:
    url, data = ["--url", served.url], ["--data", served.data]
    over_http = shell.run("submit", "add", "a=x", "c=1", *url)
    with_app = shell.run("submit", "add", "a=x", "c=1", *data, "--app", "sample_app")
    for done in (over_http, with_app):
        assert done.status == 2
        assert "a: Input should be a valid integer" in done.err
        assert "c: Extra inputs are not permitted" in done.err
    as_json = shell.run("submit", "add", "a=x", "--json", *url)
    assert as_json.problem["status"] == 422
    assert as_json.problem["errors"][0]["pointer"] == "/a"
    unchecked = shell.run("submit", "add", "a=x", "--wait", *data)
    assert unchecked.status == 1, "without the application, the worker finds out"
    assert "a: Input should be a valid integer" in unchecked.err


def test_nobody_there_is_status_4(shell: Shell) -> None:
    done = shell.run("submit", "add", "a=1", "--url", "http://127.0.0.1:9")
    assert done.status == 4
    assert "Nothing answers at http://127.0.0.1:9" in done.err
    assert "ringback run" in done.err
    as_json = shell.run("submit", "add", "a=1", "--url", "http://127.0.0.1:9", "--json")
    assert as_json.status == 4
    assert as_json.problem["type"] == "urn:ringback:problem:unreachable"


def test_a_url_that_is_none(shell: Shell) -> None:
    done = shell.run("submit", "add", "--url", "localhost:8000")
    assert done.status == 2
    assert "http://localhost:8000" in done.err


def test_url_and_data_at_once(shell: Shell, data: Path) -> None:
    done = shell.run("submit", "add", "--url", "http://localhost:8000", "--data", data)
    assert done.status == 2
    assert "--url" in done.err


def test_a_folder_without_a_store_is_not_made_into_one(shell: Shell, data: Path) -> None:
    done = shell.run("submit", "add", "a=1", "--data", data)
    assert done.status == 2
    assert "There is no store in" in done.err
    assert not data.exists()


def test_an_application_that_never_ran(shell: Shell, data: Path) -> None:
    """With --app the operation waits in the store for its first start."""
    accepted = shell.run("submit", "add", "a=1", "--data", data, "--app", "sample_app", "--json")
    assert accepted.status == 0
    with Server(shell, data):
        assert shell.run("ops", "watch", accepted.json["id"]).out == "2\n"


def test_a_task_limited_by_a_key_needs_the_application(shell: Shell, served: Server) -> None:
    keyed = ["submit", "keyed", "a=1", "--data", served.data]
    done = shell.run(*keyed)
    assert done.status == 2
    assert "--app" in done.err
    assert shell.run(*keyed, "--wait", "--app", "sample_app").out == "1\n"


def test_a_token_of_the_caller(shell: Shell, data: Path) -> None:
    secret: Any = {"RINGBACK_JWT_SECRET": "0123456789abcdef0123456789abcdef"}
    with Server(shell, data, **secret) as server:
        anonymous = shell.run("submit", "add", "a=1", "--url", server.url)
        assert anonymous.status == 2
        assert "token" in anonymous.err
        alice = shell.run("token", "--subject", "alice", **secret).out.strip()
        done = shell.run("submit", "add", "a=1", "--url", server.url, "--token", alice, "--wait")
        assert (done.status, done.out) == (0, "2\n")
        listed = shell.run("ops", "list", "--json", "--url", server.url, RINGBACK_TOKEN=alice)
        assert [each["task"] for each in listed.json["operations"]] == ["add"]
        bob = shell.run("token", "--subject", "bob", **secret).out.strip()
        operation = listed.json["operations"][0]["id"]
        assert shell.run("ops", "show", operation, "--token", bob).status == 2
        redriven = shell.run("submit", "explode", "reason=x", "--url", server.url, "--token", alice)
        dead = redriven.out.split()[1]
        assert shell.run("ops", "watch", dead, RINGBACK_TOKEN=bob).status == 1, "it is remembered"
        assert shell.run("ops", "redrive", dead).status == 2, "its own token is not enough"
        assert shell.run("ops", "redrive", dead, RINGBACK_TOKEN=alice).status == 0
