"""Processes: kept warm, replaced when they die, and never left behind."""

import asyncio
import gc
import operator
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ringback import Ringback, Status
from tests.serving import ROOT, ServerProcess, until
from tests.worker import jobs
from tests.worker.application import APPLICATION
from tests.worker.following import LIMIT, appears, becomes, ended, parts_of, problem


def gone(pid: int) -> bool:
    """Whether a process has ended, even if nobody has asked for its exit status yet."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return True
    # While its other threads are being ended it is a zombie that cannot be waited for yet.
    return status.rpartition(") ")[2].startswith("Z") and threads == 1


def children() -> set[int]:
    """The processes this one has started that do something."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(pid) for pid in (task / "children").read_text().split()}
    return {pid for pid in found if not gone(pid)}


async def test_a_process_is_kept_for_further_runs(data: Path) -> None:
    rb = Ringback(data=data, processes=1)
    rb.task(run_in="process")(jobs.whoami)
    async with rb.running():
        pids = {(await ended(rb, "whoami")).result for _ in range(5)}
        assert len(pids) == 1
        (pid,) = (int(each or b"0") for each in pids)
        assert pid in children()
        os.kill(pid, signal.SIGKILL)
        await until(lambda: gone(pid), LIMIT)
        state = await ended(rb, "whoami")
        assert (state.status, state.attempt) == (Status.SUCCEEDED, 1), "another is started"
    await until(lambda: not children() - TRACKERS, LIMIT)


TRACKERS = set[int]()


@pytest.fixture(autouse=True)
def what_multiprocessing_keeps() -> None:
    """Its tracker of shared memory is started once for this whole test run."""
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()
    TRACKERS.update(children())


@pytest.mark.parametrize("how", ["exit", "kill"])
async def test_a_process_that_dies_is_a_failure_that_is_tried_again(
    data: Path, tmp_path: Path, how: str
) -> None:
    rb = Ringback(data=data)
    rb.task(run_in="process", backoff=0.5, retry_on=())(jobs.die)
    rb.task(name="never", run_in="process", retries=0)(jobs.die)
    async with rb.running():
        accepted = await rb.submit("die", {"how": how, "log": tmp_path / "log"})
        failed = await becomes(rb, accepted.id, failures=1)
        assert problem(failed)["exit_code"] == {"exit": 7, "kill": -signal.SIGKILL}[how]
        state = await rb.wait(accepted.id, LIMIT)
        assert (state.status, state.result) == (Status.SUCCEEDED, b"2")
        pids = (tmp_path / "log").read_text().split()
        assert len(set(pids)) == 2
        last = await ended(rb, "never", {"how": how, "log": tmp_path / "other"})
        assert (last.dead_letter, problem(last)["type"]) == (
            True,
            "urn:ringback:problem:process-died",
        )


async def test_as_many_run_at_once_as_there_are_processes(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data, processes=2)
    rb.task(run_in="process")(jobs.ignore)
    end = tmp_path / "end"
    async with rb.running():
        ids = [
            (await rb.submit("ignore", {"started": tmp_path / str(n), "end": end})).id
            for n in range(3)
        ]
        await appears(tmp_path / "0", tmp_path / "1")
        assert (await rb.get(ids[2])).status is Status.QUEUED
        end.touch()
        for each in ids:
            assert (await rb.wait(each, LIMIT)).status is Status.SUCCEEDED


async def test_a_function_may_use_processes_of_its_own(data: Path) -> None:
    rb = Ringback(data=data)
    rb.task(run_in="process")(jobs.spread)
    async with rb.running():
        state = await ended(rb, "spread", {"n": 4})
    assert (state.status, state.result) == (Status.SUCCEEDED, b"8"), state.diagnosis


async def test_none_is_left_behind_by_a_killed_worker(data: Path, tmp_path: Path) -> None:
    """Not even one that lets no thread of its own notice, nor what it has started itself."""
    rb = Ringback(data=data)
    rb.task(run_in="process")(jobs.hold_the_lock)
    pids = tmp_path / "pids"
    with ServerProcess(APPLICATION, data=data) as server:
        async with rb.running(worker=False):
            await rb.submit("hold_the_lock", {"pids": pids})
            await appears(pids)
            started = [int(pid) for pid in pids.read_text().split()]
            assert not any(gone(pid) for pid in started)
            os.kill(server.pid, signal.SIGKILL)
            await until(lambda: all(gone(pid) for pid in started), LIMIT)


async def test_what_a_cancelled_function_has_started_goes_with_it(
    data: Path, tmp_path: Path
) -> None:
    rb = Ringback(data=data)
    rb.task(run_in="process", cancel_grace=0.1)(jobs.hold_the_lock)
    pids = tmp_path / "pids"
    async with rb.running():
        accepted = await rb.submit("hold_the_lock", {"pids": pids})
        await appears(pids)
        service = rb.started.service
        await service.cancel(await service.engine.load(accepted.id))
        assert (await rb.wait(accepted.id, LIMIT)).status is Status.CANCELLED
        await until(lambda: all(gone(int(pid)) for pid in pids.read_text().split()), LIMIT)


async def test_cancelled_while_its_process_is_being_started(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data)
    rb.task(run_in="process", cancel_grace=20)(jobs.linger)
    async with rb.running():
        accepted = await rb.submit("linger", {"started": tmp_path / "started"})
        await becomes(rb, accepted.id, status=Status.RUNNING)
        service = rb.started.service
        await service.cancel(await service.engine.load(accepted.id))
        assert (await rb.wait(accepted.id, LIMIT)).status is Status.CANCELLED


PROGRAM = '''
import asyncio, sys
from ringback import Ringback

class Mine(Exception):
    """An exception of the program itself."""

rb = Ringback(data=sys.argv[1])

@rb.task(run_in="process", retry_on=Mine, retries=1, backoff=0)
def fail() -> None:
    raise Mine("no")

@rb.task(run_in="process")
def double(n: int) -> int:
    return 2 * n

async def main() -> None:
    async with rb.running():
        done = await rb.wait((await rb.submit("double", {"n": 4})).id, 30)
        failed = await rb.wait((await rb.submit("fail")).id, 30)
        print(done.result, failed.attempt, failed.diagnosis)

if __name__ == "__main__":
    asyncio.run(main())
'''


def test_functions_of_a_program_itself_can_be_run(data: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    run = subprocess.run(
        [sys.executable, program, data],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("b'8' 2 "), run.stdout
    assert "Mine: no" in run.stdout


def held() -> tuple[int, int, int]:
    """Descriptors, processes and threads of this process."""
    return len(list(Path("/proc/self/fd").iterdir())), len(children()), threading.active_count()


async def back_to(before: tuple[int, int, int]) -> None:
    """Wait until there are no more of each; what earlier tests have left may go meanwhile."""
    await until(lambda: all(map(operator.le, held(), before)), LIMIT)


async def test_many_runs_in_a_row_leave_nothing_open(data: Path, tmp_path: Path) -> None:
    """There are no more after a hundred runs than after the first."""
    rb = Ringback(data=data, processes=2)
    for function in (jobs.double, jobs.ignore):
        rb.task(run_in="process")(function)
    paths = [tmp_path / str(n) for n in range(2)]
    end = tmp_path / "end"
    async with rb.running():
        first = [await rb.submit("ignore", {"started": path, "end": end}) for path in paths]
        await appears(*paths)  # so both processes were started
        before = held()
        end.touch()
        for each in first:
            assert (await rb.wait(each.id, LIMIT)).status is Status.SUCCEEDED
        await asyncio.gather(*(ended(rb, "double", {"n": n}) for n in range(100)))
        await back_to(before)


async def test_one_that_dies_leaves_nothing_open(data: Path, tmp_path: Path) -> None:
    """Not even until the garbage collector comes."""
    rb = Ringback(data=data, processes=1)
    rb.task(run_in="process")(jobs.double)
    rb.task(run_in="process", retries=0)(jobs.die)
    gc.disable()
    try:
        async with rb.running():
            await ended(rb, "double", {"n": 1})
            before = held()
            for n in range(3):
                died = await ended(rb, "die", {"how": "kill", "log": tmp_path / str(n)})
                assert died.status is Status.FAILED
            await ended(rb, "double", {"n": 1})
            await back_to(before)
    finally:
        gc.enable()


async def test_what_a_run_leaves_behind_does_not_speak_for_the_next(
    data: Path, tmp_path: Path
) -> None:
    """A thread that outlives its function is of an operation that has ended, perhaps another's."""
    rb = Ringback(data=data, processes=1)
    rb.task(run_in="process")(jobs.leave_a_thread)
    rb.task(run_in="process")(jobs.linger)
    async with rb.running():
        first = await ended(rb, "leave_a_thread", {"seen": tmp_path / "seen"})
        assert first.status is Status.SUCCEEDED
        state = await ended(rb, "linger", {"started": tmp_path / "started", "seconds": 0.5})
        assert (state.status, state.progress_message, state.part_count) == (
            Status.SUCCEEDED,
            None,
            0,
        )
        assert {part["data"] for part in await parts_of(rb, first.id)} == {"of the first"}
        await appears(tmp_path / "seen")
