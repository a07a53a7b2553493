"""The three ways to run a function: on the event loop, in a thread, in a process.

Each validates the stored input, calls, and encodes the result, where the function runs: so the
loop is not kept busy with what belongs to a thread, and nothing but JSON goes between processes.
"""

from __future__ import annotations

from ringback.errors import OperationCancelled
from ringback.service import Service
from ringback.tasks.operation import BlockingOperation, Operation
from ringback.tasks.registry import Task
from ringback.worker import resume
from ringback.worker.calling import arguments_of, encode
from ringback.worker.child import Facts, Job
from ringback.worker.processes import ProcessPool
from ringback.worker.run import Run
from ringback.worker.threads import ThreadChannel, in_thread


class Runners:
    """The ways to run, with their resources."""

    def __init__(self, service: Service, processes: int) -> None:
        self._service = service
        self._pool = ProcessPool(processes)

    async def call(self, run: Run) -> bytes:
        """Call the function; its result as JSON. Raises what it raises, ``UnfitInput`` and
        ``UnfitResult``.
        """
        task, attempt = run.task, run.attempt
        state = attempt.state
        if state.policy.resumable and state.part_count:
            attempt.earlier_parts = await resume.earlier_parts(self._service.engine, state)
            if attempt.cancelled:
                raise OperationCancelled
        if task.run_in == "loop":
            handle = Operation(attempt, task.signature.parts)
            arguments = arguments_of(task.signature, state.input, handle)
            return encode(task.signature, await task.function(**arguments), task.max_result)
        channel = ThreadChannel(attempt)
        if task.run_in == "thread":

            def work() -> bytes:
                handle = BlockingOperation(channel, task.signature.parts)
                arguments = arguments_of(task.signature, state.input, handle)
                return encode(task.signature, task.function(**arguments), task.max_result)

            return await in_thread(f"ringback-{task.name}", work)
        run.execution = self._pool.start(_job(task, state.input, channel), channel)
        return await run.execution.result

    def close(self) -> None:
        """End what can be ended."""
        self._pool.close()


def _job(task: Task, body: bytes, channel: ThreadChannel) -> Job:
    return Job(
        module=task.function.__module__,
        function=task.function.__qualname__,
        input=body,
        max_result=task.max_result,
        facts=Facts(
            id=channel.id,
            task=channel.task,
            attempt=channel.attempt,
            subject=channel.subject,
            traceparent=channel.traceparent,
            earlier_parts=channel.earlier_parts,
        ),
    )
