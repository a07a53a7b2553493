"""A function runs as Lambda runs it: Lambda's runtime client against our Runtime API."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ringback.awslocal.runtime.functions import Functions
from tests.awslocal.runtime.conftest import Run
from tests.awslocal.waiting import until, until_async

Said = Callable[[], list[str]]


async def test_an_event_goes_in_and_an_answer_comes_out(run: Run, said: Said) -> None:
    functions = await run(
        "import os\n"
        "count = 0\n"
        "def handler(event, context):\n"
        "    global count\n"
        "    count += 1\n"
        "    print('hello', event['name'])\n"
        "    return {'count': count, 'left': context.get_remaining_time_in_millis(),\n"
        "            'arn': context.invoked_function_arn, 'id': context.aws_request_id,\n"
        "            'memory': context.memory_limit_in_mb, 'stage': os.environ['STAGE'],\n"
        "            'home': os.getcwd(), 'secret': os.environ.get('SECRET')}\n",
        environment={"STAGE": "test"},
        memory=256,
    )
    first = await functions.invoke("F", {"name": "Ada"})
    second = await functions.invoke("F", {"name": "Bob"})
    assert first.error is None
    assert first.payload["count"] == 1
    assert second.payload["count"] == 2
    assert first.payload["id"] == first.request_id
    assert first.payload["arn"].endswith("function:the-function")
    assert 0 < first.payload["left"] <= 50_000
    assert (first.payload["memory"], first.payload["stage"]) == ("256", "test")
    assert first.payload["secret"] is None
    usage = functions.usage["F"]
    assert (usage.invocations, usage.cold_starts, usage.errors) == (2, 1, 0)
    assert usage.gb_seconds > 0
    lines = said()
    assert "hello Ada" in lines
    reports = [line for line in lines if line.startswith("REPORT")]
    assert "Init Duration" in reports[0]
    assert "Init Duration" not in reports[1]
    assert "Memory Size: 256 MB" in reports[1]


async def test_what_a_handler_raises_is_told_with_its_trace(run: Run, said: Said) -> None:
    functions = await run("def handler(event, context):\n    raise ValueError('no')\n")
    outcome = await functions.invoke("F", {})
    assert outcome.error is not None
    assert (outcome.error.kind, outcome.error.type, outcome.error.message) == (
        "unhandled",
        "ValueError",
        "no",
    )
    assert "line 2, in handler" in outcome.error.body()["stackTrace"][0]
    assert any("[ERROR] ValueError: no" in line for line in said())
    assert functions.usage["F"].errors == 1
    # The environment lives on.
    await functions.invoke("F", {})
    assert functions.usage["F"].cold_starts == 1


async def test_a_module_that_cannot_be_imported_fails_every_call(run: Run) -> None:
    functions = await run("import nothing_of_this_name\n")
    for _ in range(2):
        outcome = await functions.invoke("F", {})
        assert outcome.error is not None
        assert outcome.error.type == "Runtime.ImportModuleError"
        assert "nothing_of_this_name" in outcome.error.message
    assert functions.usage["F"].cold_starts == 2


async def test_time_out_ends_the_process(run: Run, said: Said, tmp_path: Path) -> None:
    functions = await run(
        "import time, pathlib\n"
        "def handler(event, context):\n"
        "    if event.get('slow'):\n"
        "        time.sleep(600)\n"
        "    return 'done'\n",
        timeout=1.0,
    )
    outcome = await functions.invoke("F", {"slow": True})
    assert outcome.error is not None
    assert outcome.error.body() == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": (
            f"RequestId: {outcome.request_id} Error: Task timed out after 1.00 seconds"
        ),
    }
    assert any(line.endswith("Task timed out after 1.00 seconds") for line in said())
    assert functions.usage["F"].timeouts == 1
    assert functions.usage["F"].billed_ms >= 1000


async def test_a_crash_is_told_and_the_next_call_starts_anew(run: Run) -> None:
    functions = await run(
        "import os\n"
        "def handler(event, context):\n"
        "    if event.get('exit'):\n"
        "        os._exit(3)\n"
        "    if event.get('kill'):\n"
        "        os.kill(os.getpid(), 9)\n"
        "    return 'lives'\n"
    )
    outcome = await functions.invoke("F", {"exit": True})
    assert outcome.error is not None
    assert outcome.error.type == "Runtime.ExitError"
    assert outcome.error.message.endswith("Runtime exited with error: exit status 3")
    outcome = await functions.invoke("F", {"kill": True})
    assert outcome.error is not None
    assert outcome.error.message.endswith("Runtime exited with error: signal: SIGKILL")
    assert (await functions.invoke("F", {})).payload == "lives"
    assert functions.usage["F"].cold_starts == 3


HELD = (
    "import pathlib, time\n"
    "def handler(event, context):\n"
    "    pathlib.Path('began-' + event['n']).touch()\n"
    "    while not pathlib.Path('go').exists():\n"
    "        time.sleep(0.01)\n"
    "    return event['n']\n"
)


async def began(folder: Path, *names: str) -> None:
    await until(lambda: all((folder / f"began-{name}").exists() for name in names))


async def test_reserved_concurrency_throttles(run: Run, tmp_path: Path) -> None:
    functions = await run(HELD, reserved=2)
    first = asyncio.create_task(functions.invoke("F", {"n": "1"}))
    second = asyncio.create_task(functions.invoke("F", {"n": "2"}))
    await began(tmp_path, "1", "2")
    refused = await functions.invoke("F", {"n": "3"})
    assert refused.error is not None
    assert (refused.error.kind, refused.error.type) == ("throttled", "TooManyRequestsException")
    (tmp_path / "go").touch()
    assert [(await first).payload, (await second).payload] == ["1", "2"]
    assert functions.usage["F"].throttles == 1
    assert functions.usage["F"].cold_starts == 2


async def test_calls_at_once_share_what_is_there(run: Run) -> None:
    functions = await run("def handler(event, context):\n    return event['n']\n")
    functions._starting = asyncio.Semaphore(2)  # as on a machine with two processors
    outcomes = await asyncio.gather(*(functions.invoke("F", {"n": n}) for n in range(20)))
    assert [outcome.payload for outcome in outcomes] == list(range(20))
    usage = functions.usage["F"]
    assert usage.invocations == 20
    assert len(usage.init_ms) == usage.cold_starts < 20


async def test_the_account_has_a_bound_too(run: Run, tmp_path: Path) -> None:
    functions = await run(HELD, concurrency=1)
    first = asyncio.create_task(functions.invoke("F", {"n": "1"}))
    await began(tmp_path, "1")
    refused = await functions.invoke("F", {"n": "2"})
    assert refused.error is not None
    assert refused.error.kind == "throttled"
    (tmp_path / "go").touch()
    await first


async def test_who_gives_up_waiting_leaves_the_function_running(run: Run, tmp_path: Path) -> None:
    functions = await run(HELD)
    caller = asyncio.create_task(functions.invoke("F", {"n": "1"}))
    await began(tmp_path, "1")
    caller.cancel()
    (tmp_path / "go").touch()
    await until(lambda: functions.usage["F"].invocations > 0)
    assert functions.usage["F"].errors == 0


async def test_changed_code_is_taken_over(run: Run, tmp_path: Path) -> None:
    functions = await run("def handler(event, context):\n    return 'old'\n", watch=True)
    assert (await functions.invoke("F", {})).payload == "old"
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return 'changed'\n")

    async def changed() -> bool:
        return bool((await functions.invoke("F", {})).payload == "changed")

    await until_async(changed)


async def test_one_that_is_not_there_is_missing(run: Run) -> None:
    functions = await run("")
    outcome = await functions.invoke("G", {})
    assert outcome.error is not None
    assert outcome.error.kind == "missing"


async def test_too_large_an_answer_is_refused(run: Run) -> None:
    functions = await run("def handler(event, context):\n    return 'x' * 7 * 1024 * 1024\n")
    outcome = await functions.invoke("F", {})
    assert outcome.error is not None
    assert outcome.error.type == "Function.ResponseSizeTooLarge"


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="only Linux tells of its processes"
)
async def test_between_calls_a_process_stands_still(run: Run) -> None:
    functions = await run("import os\ndef handler(event, context):\n    return os.getpid()\n")

    def state(process: int) -> str:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]

    for _ in range(2):
        process = (await functions.invoke("F", {})).payload
        await until(lambda process=process: state(process) == "T")  # type: ignore[misc]
    assert functions.usage["F"].cold_starts == 1


async def test_layers_can_be_imported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "layer" / "python").mkdir(parents=True)
    (tmp_path / "layer" / "python" / "of_the_layer.py").write_text("WORD = 'layered'\n")
    functions = await run(
        "import of_the_layer\ndef handler(event, context):\n    return of_the_layer.WORD\n",
        layers=(tmp_path / "layer",),
    )
    assert (await functions.invoke("F", {})).payload == "layered"


BOOTSTRAP = f"""#!{sys.executable}
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = api.getresponse()
    event, name = answer.read(), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    api.request("POST", f"/2018-06-01/runtime/invocation/{{name}}/response", b"got " + event)
    api.getresponse().read()
"""


async def test_a_runtime_of_ones_own(run: Run, tmp_path: Path) -> None:
    bootstrap = tmp_path / "bootstrap"
    bootstrap.write_text(BOOTSTRAP)
    bootstrap.chmod(0o755)
    functions = await run("", runtime="provided.al2023", handler="any")
    for _ in range(2):
        assert (await functions.invoke("F", {"a": 1})).payload == 'got {"a":1}'
    assert functions.usage["F"].cold_starts == 1


async def test_a_runtime_that_cannot_be_started_is_told(run: Run) -> None:
    functions = await run("", runtime="provided.al2023")
    outcome = await functions.invoke("F", {})
    assert outcome.error is not None
    assert outcome.error.type == "Runtime.InvalidEntrypoint"


async def test_code_that_is_not_there_is_told_by_its_name(
    run: Run, said: Said, tmp_path: Path
) -> None:
    functions = await run("", code=tmp_path / "nowhere")
    await functions.invoke("F", {})
    assert any("nowhere, which the template names as its code" in line for line in said())


async def test_logs_as_json(run: Run, said: Said) -> None:
    functions = await run(
        "import logging\ndef handler(event, context):\n    logging.getLogger().warning('hot')\n",
        environment={"AWS_LAMBDA_LOG_FORMAT": "JSON"},
    )
    outcome = await functions.invoke("F", {})
    await until(lambda: any("hot" in line for line in said()))
    (line,) = (json.loads(line) for line in said() if "hot" in line)
    assert (line["level"], line["message"]) == ("WARNING", "hot")
    assert line["requestId"] == outcome.request_id


async def test_calls_to_an_api_on_aws_are_led_to_its_gateway(run: Run) -> None:
    """botocore is, whatever host functions put together from an event."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    functions: Functions = await run(
        "import boto3\n"
        "def handler(event, context):\n"
        "    client = boto3.client('apigatewaymanagementapi',\n"
        "        endpoint_url='https://abc.execute-api.us-east-1.amazonaws.com/prod')\n"
        "    client.post_to_connection(ConnectionId='x=', Data=b'hi')\n"
    )
    functions.around.gateways["abc.execute-api.us-east-1.amazonaws.com"] = (
        f"http://127.0.0.1:{port}"
    )
    outcome = await functions.invoke("F", {})
    assert outcome.error is None, json.dumps(outcome.error.body())
    head = seen[0].decode()
    assert head.startswith("POST /prod/@connections/x%3D HTTP/1.1")
    assert f"Host: 127.0.0.1:{port}" in head
    server.close()
