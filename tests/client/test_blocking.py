"""The blocking client, as scripts use it."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringback.client import Client, Gap, Subscription
from ringback.client.loop import Loop
from ringback.errors import ConfigurationError, OperationCancelled, TaskFailed
from tests.client.app import Order
from tests.serving import ROOT, ServerProcess

LIMIT = 60.0
"""Seconds a script may take on a busy machine."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that the tests of this module share."""
    data = tmp_path_factory.mktemp("served") / "data"
    with ServerProcess("tests.client.app:rb", data=data, open_topics=True) as server:
        yield server


@pytest.fixture
def blocking(served: ServerProcess) -> Iterator[Client]:
    with Client(served.url) as client:
        yield client
    assert not any(thread.name == "ringback-client" for thread in threading.enumerate())


def test_parts_then_the_result(blocking: Client) -> None:
    operation = blocking.submit("count", {"to": 5})
    assert list(operation) == [0, 1, 2, 3, 4]
    assert operation.done
    assert operation.result() == 5
    again = blocking.follow(operation.id, operation.token)
    assert [event.kind for event in again.events()][-1] == "status"
    assert list(again) == [0, 1, 2, 3, 4]


def test_models_failures_and_cancelling(blocking: Client, gates: Path) -> None:
    order = Order(good="tea", count=2)
    assert blocking.submit("double", order).result(Order) == Order(good="tea", count=4)
    with pytest.raises(TaskFailed):
        blocking.submit("refuse").result()
    operation = blocking.submit("steps", {"folder": str(gates)})
    operation.cancel()
    operation.wait()
    operation.refresh()
    with pytest.raises(OperationCancelled):
        operation.result()


def test_leaving_the_parts_early(blocking: Client) -> None:
    operation = blocking.submit("count", {"to": 50})
    for part in operation:
        if part == 3:
            break
    assert operation.result() == 50


def test_topics(blocking: Client) -> None:
    with blocking.subscribe("a/+") as messages:
        assert messages.filters == ("a/+",)
        sent = blocking.publish("a/1", {"n": 1})
        assert next(messages).data == {"n": 1}
        assert messages.position == sent.position
    assert list(messages) == [], "it is closed"
    with blocking.subscribe("a/+", after="elsewhere-7") as lost, pytest.raises(Gap):
        next(lost)  # a position of another store
    assert blocking.presence("room/1").connections == 0


def test_uploads(blocking: Client, tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("buy milk")
    told: list[int] = []
    operation = blocking.upload(
        path, name="files/note.txt", on_sent=lambda sent, size: told.append(sent)
    )
    assert operation.result()["size"] == 8
    assert told[-1] == 8


def test_it_does_not_wait_for_itself(blocking: Client) -> None:
    with pytest.raises(ConfigurationError, match="on_sent="):
        blocking.upload(b"x", name="files/x", on_sent=lambda *_: blocking.publish("a/1", 1))


def test_several_threads_share_it(blocking: Client) -> None:
    results: dict[int, list[object]] = {}

    def work(number: int) -> None:
        results[number] = list(blocking.submit("count", {"to": number}))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: list(range(number)) for number in range(1, 6)}


async def test_where_a_loop_runs_already(served: ServerProcess) -> None:
    with Client(served.url) as client:
        assert client.submit("count", {"to": 2}).result() == 2
    await asyncio.sleep(0)


def test_a_client_that_is_closed(served: ServerProcess) -> None:
    with Client(served.url) as client:
        operation = client.submit("count", {"to": 1})
        left: Subscription = client.subscribe("a/1")
        parts = iter(operation)
        next(parts)
    client.close()  # again
    for use in (operation.result, lambda: next(left), lambda: next(parts)):
        with pytest.raises(ConfigurationError, match="is closed"):
            use()
    left.close()


def test_closing_while_others_wait(served: ServerProcess, gates: Path) -> None:
    seen: list[object] = []
    client = Client(served.url)
    operation = client.submit("steps", {"folder": str(gates)})
    messages = client.subscribe("a/1")
    other = client.subscribe("a/2")

    def wait() -> None:
        try:
            operation.result()
        except ConfigurationError as error:
            seen.append(error.detail)

    def read() -> None:
        seen.append(list(messages))

    def read_on() -> None:
        try:
            next(other)
        except ConfigurationError as error:
            seen.append(error.detail)

    threads = [threading.Thread(target=work) for work in (wait, read, read_on)]
    for thread in threads:
        thread.start()
    threads[1].join(0.1)
    messages.close()
    threads[1].join(LIMIT)
    client.close()
    for thread in threads:
        thread.join(LIMIT)
    closed = "This client is closed. Use it inside of its `with` block."
    assert seen == [[], closed, closed]


SCRIPT = """
import sys
from ringback.client import Client

url, folder = sys.argv[1:]
with Client(url) as c:
    op = c.submit("steps", {"folder": folder})
    print(op.id, flush=True)
    try:
        for part in op:
            print(part["step"], flush=True)
    except KeyboardInterrupt:
        print("stopped", flush=True)
        op.cancel()
    op.wait()
    print(op.status)
"""


def script(served: ServerProcess, gates: Path, text: str = SCRIPT) -> "subprocess.Popen[str]":
    """A script of a user's, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", text, served.url, str(gates)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        # Ctrl-C is heard, though tests in the background may ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_a_plain_script(served: ServerProcess, gates: Path) -> None:
    for step in range(3):
        (gates / str(step)).touch()
    with script(served, gates) as running:
        out, err = running.communicate(timeout=LIMIT)
    assert err == ""
    assert out.split()[1:] == ["0", "1", "2", "succeeded"]
    assert running.returncode == 0


def test_ctrl_c_is_caught_by_the_script(served: ServerProcess, gates: Path) -> None:
    (gates / "0").touch()
    with script(served, gates) as running:
        assert running.stdout is not None
        running.stdout.readline()
        assert running.stdout.readline() == "0\n"
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=LIMIT)
    assert err == ""
    assert out.split() == ["stopped", "cancelled"]
    assert running.returncode == 0


def test_ctrl_c_ends_a_script_that_does_not(served: ServerProcess, gates: Path) -> None:
    text = SCRIPT.replace("except KeyboardInterrupt", "except ValueError")
    with script(served, gates, text) as running, Client(served.url) as client:
        assert running.stdout is not None
        operation = running.stdout.readline().strip()
        (gates / "0").touch()
        assert running.stdout.readline() == "0\n"
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=LIMIT)
        assert err.rstrip().endswith("KeyboardInterrupt")
        assert "Exception ignored" not in err
        assert "never" not in err
        assert running.returncode == -signal.SIGINT
        assert operation
        assert client.submit("count", {"to": 1}).result() == 1


def test_a_script_that_forgets_to_close(served: ServerProcess, gates: Path) -> None:
    text = (
        "import sys\n"
        "from ringback.client import Client\n"
        "print(Client(sys.argv[1]).submit('count', {'to': 1}).result())\n"
    )
    with script(served, gates, text) as running:
        out, _ = running.communicate(timeout=LIMIT)
    assert out == "1\n"
    assert running.returncode == 0


def test_a_script_that_ends_in_the_middle_of_the_parts(served: ServerProcess, gates: Path) -> None:
    text = (
        "import sys\n"
        "from ringback.client import Client\n"
        "parts = iter(Client(sys.argv[1]).submit('count', {'to': 50}))\n"
        "print(next(parts))\n"
    )
    with script(served, gates, text) as running:
        try:
            out, err = running.communicate(timeout=LIMIT)
        finally:
            running.kill()
    assert (out, err) == ("0\n", "")
    assert running.returncode == 0


def test_closing_leaves_nobody_waiting() -> None:
    """Whoever comes at any moment of the end is told, and does not wait for ever."""

    async def last() -> None:
        pass

    async def work() -> None:
        pass

    def forever(loop: Loop) -> None:
        while True:
            loop.run(work())

    def go_on(loop: Loop) -> None:
        with pytest.raises(ConfigurationError, match="closed"):
            forever(loop)

    switched = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads meet at all places
    try:
        for _ in range(100):
            loop = Loop(last)
            threads = [threading.Thread(target=go_on, args=(loop,), daemon=True) for _ in range(4)]
            for thread in threads:
                thread.start()
            loop.close()
            for thread in threads:
                thread.join(LIMIT)
            assert not any(thread.is_alive() for thread in threads)
    finally:
        sys.setswitchinterval(switched)


def test_an_iterator_that_the_garbage_collector_finds(
    blocking: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    unraised: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraised.append)

    class Holder:
        def __init__(self) -> None:
            self.itself = self  # so that it is not freed at once
            self.parts = iter(blocking.submit("count", {"to": 50}))
            next(self.parts)

    Holder()
    # In the client's own thread, as it happens while that thread allocates.
    sent = blocking.upload(b"x", name="files/x", on_sent=lambda sent, size: gc.collect())
    assert sent.result()["size"] == 1
    assert unraised == []
