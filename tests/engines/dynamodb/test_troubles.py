"""What goes wrong between the engine and AWS, told by a proxy."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from botocore.session import get_session

from ringback.core.lifecycle import accept
from ringback.core.model import HELD, Publication
from ringback.engines.dynamodb import DynamoEngine, client
from ringback.engines.dynamodb.client import TRIES
from ringback.errors import ConfigurationError, StoreUnavailable, UnknownOperation
from tests import moto
from tests.contract.acts import finish, key, offsets, submit, take, whole_log
from tests.core.states import NOW, operation
from tests.engines.dynamodb.proxy import BROKEN, NO_THROUGHPUT, THROTTLED, Answer, Proxy, refusal
from tests.serving import until

Make = Callable[..., DynamoEngine]
LIMIT = 30.0


@pytest.mark.parametrize(
    "refused", [THROTTLED, NO_THROUGHPUT, BROKEN], ids=["throttled", "no throughput", "broken"]
)
async def test_what_passes_is_tried_again(make: Make, between: Proxy, refused: Answer) -> None:
    async with make(options=between.options()) as engine:
        between.fail(2, refused, "PutItem")
        state = await submit(engine)
        assert between.asked.count("PutItem") == 3
        between.fail(2, refused, "TransactWriteItems")
        (running,) = (await take(engine)).operations
        await finish(engine, running)
        assert (await engine.load(state.id)).terminal


@pytest.mark.parametrize("refused", [THROTTLED, BROKEN], ids=["throttled", "broken"])
async def test_what_does_not_pass_is_told(make: Make, between: Proxy, refused: Answer) -> None:
    async with make(options=between.options()) as engine:
        await submit(engine)
        between.asked.clear()
        between.fail(1000, refused)
        with pytest.raises(StoreUnavailable) as told:
            await engine.load(operation().id)
        assert told.value.retry_after
        assert between.asked.count("GetItem") == TRIES
        between.fail(0, refused)
        assert len((await take(engine)).operations) == 1, "and then it goes on"


async def test_without_a_connection_the_store_is_unavailable(make: Make, between: Proxy) -> None:
    options = {**between.options(), "endpoint_url": "http://127.0.0.1:1"}
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await make(options=options).__aenter__()


async def test_a_refusal_of_rights_is_told_as_what_it_is(make: Make, between: Proxy) -> None:
    between.fail(1000, (400, {"__type": "x#AccessDeniedException", "message": "no"}))
    with pytest.raises(ConfigurationError, match="refuses"):
        await make(options=between.options()).__aenter__()


async def test_a_profile_that_is_not_there_is_no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_session", get_session)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    async with client.Client("table") as asked:
        with pytest.raises(ConfigurationError, match="nobody"):
            await asked.dynamodb("describe_table")


async def test_an_answer_that_was_lost_is_no_conflict(make: Make, between: Proxy) -> None:
    """What is tried again finds what it wrote itself."""
    async with make(options=between.options()) as engine:
        await submit(engine)
        lost = ["PutItem"]

        def lose(action: str) -> None:
            if action in lost:
                lost.remove(action)
                raise ConnectionError("the answer is lost")

        between.after = lose
        state = operation()
        accepted = await engine.accept(accept(state), None)
        assert (accepted.operation, accepted.replayed) == (state, False)
        assert between.asked.count("PutItem") == 3
        assert await engine.count_queued() == 2
        lost.append("PutItem")
        accepted = await engine.accept(accept(operation()), key("a"))
        assert not accepted.replayed, "the record of its key is its own"
        lost.append("UpdateItem")
        assert len((await take(engine)).operations) == 3
        running = await engine.load(state.id)
        lost.append("UpdateItem")
        done = await finish(engine, running)
        assert await engine.load(state.id) == done
        assert not lost


async def test_a_transaction_that_meets_another_is_tried_again(make: Make, between: Proxy) -> None:
    met = (
        400,
        {
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "message": "Transaction cancelled [TransactionConflict, None]",
            "CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "None"}],
        },
    )
    async with make(options=between.options()) as engine:
        between.fail(3, met, "TransactWriteItems")
        await engine.accept(accept(operation(ready_at=HELD)), key("a"))
        assert between.asked.count("TransactWriteItems") == 4


async def test_a_journal_that_could_not_be_written_has_no_hole(make: Make, between: Proxy) -> None:
    """Nobody knows whether it was stored; then it is there once, or it is not there."""
    async with make(options=between.options()) as engine:
        await engine.publish([Publication("t", b"1")], NOW)
        between.fail(1000, BROKEN, "TransactWriteItems")
        with pytest.raises(StoreUnavailable):
            await engine.publish([Publication("t", b"2")], NOW)
        between.fail(0, BROKEN)
        await engine.publish([Publication("t", b"3")], NOW)
        assert offsets(await whole_log(engine, "t")) == [1, 2]


async def test_what_is_refused_for_what_it_is_fails_nothing_beside(
    make: Make, between: Proxy
) -> None:
    """Several publishers' messages go in one transaction: whose it is shows when each is alone."""
    async with make(options=between.options()) as engine:
        await engine.publish([Publication("t", b"1")], NOW)
        between.asked.clear()
        between.fail(2, refusal("ValidationException"), "TransactWriteItems")
        bad, *good = await asyncio.gather(
            *(engine.publish([Publication("t", data)], NOW) for data in (b"2", b"3", b"4")),
            return_exceptions=True,
        )
        assert isinstance(bad, RuntimeError)
        assert not [each for each in good if isinstance(each, BaseException)]
        assert between.asked.count("TransactWriteItems") == 4
        assert [each.data for each in await whole_log(engine, "t")] == [b"1", b"3", b"4"]
        assert offsets(await whole_log(engine, "t")) == [1, 2, 3]


async def test_a_queue_that_fails_loses_nothing(make: Make, between: Proxy) -> None:
    """It is told of what is due, and that has only to be sent again."""
    async with make(options=between.options(), queues={30: between.url + "/none"}) as engine:
        between.fail(1000, (400, {"__type": "x#QueueDoesNotExist"}), "SendMessageBatch")
        state = await submit(engine)
        await engine.drain()
        assert await engine.load(state.id) == state
        assert [each.id for each in await engine.due(NOW, 10)] == [state.id]


CHILD = """
import asyncio, sys
from ringback.core.lifecycle import accept, decide
from ringback.engines.dynamodb import DynamoEngine
from tests import moto
from tests.core.states import NOW, operation

async def main(table, endpoint, queue, id):
    options = {"endpoint_url": endpoint, "region_name": moto.REGION, **moto.KEYS}
    async with DynamoEngine(table, queues={30: queue}, options=options) as engine:
        await engine.accept(accept(operation(id=id)), None)
        print("stored", flush=True)
        await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


def _start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def test_a_process_that_is_killed_between_the_write_and_the_message(
    make: Make, table: str, between: Proxy
) -> None:
    """What it acknowledged is there, and is due though nobody was told."""
    blocked = asyncio.Event()
    loop = asyncio.get_running_loop()
    release = threading.Event()

    def rule(action: str) -> Answer | None:
        if action == "SendMessageBatch":
            loop.call_soon_threadsafe(blocked.set)
            release.wait(LIMIT)
            return BROKEN
        return None

    between.rule = rule
    queue = moto.client("sqs").create_queue(QueueName=table)["QueueUrl"]
    id = operation().id
    process = _start(table, between.url, queue, id)
    try:
        assert process.stdout is not None
        assert (await asyncio.to_thread(process.stdout.readline)).strip() == "stored"
        await asyncio.wait_for(blocked.wait(), LIMIT)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        release.set()
        await asyncio.to_thread(process.communicate)
    async with make() as engine:
        assert [each.id for each in await engine.due(NOW, 10)] == [id]
        found = moto.client("sqs").receive_message(QueueUrl=queue).get("Messages", [])
        assert found == []
        (taken,) = (await engine.claim_chosen("w", [id], NOW)).operations
        await finish(engine, taken)


async def test_the_stream_is_opened_anew(make: Make, between: Proxy) -> None:
    async with make(options=between.options()) as engine, make() as other:
        heard: set[str] = set()
        engine.listen(heard.update)
        between.fail(TRIES + 1, BROKEN, "GetRecords")
        await until(lambda: between.asked.count("GetRecords") > TRIES + 1, LIMIT)
        await other.publish([Publication("t", b"1")], NOW)
        await until(lambda: "t" in heard, LIMIT)


async def test_what_is_not_there_is_unknown(engine: DynamoEngine) -> None:
    with pytest.raises(UnknownOperation):
        await engine.load(operation().id)
