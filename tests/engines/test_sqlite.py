"""What is the SQLite engine's own: its file, schema, neighbours. The rest is the contract."""

# ruff: noqa: ASYNC240 - a test that touches files has nothing else to do meanwhile

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from ringback.core.commands import Cancel
from ringback.core.lifecycle import accept
from ringback.core.model import Policy, Publication, Query
from ringback.engines.sqlite import SqliteEngine, hints
from ringback.engines.sqlite.engine import FILE
from ringback.engines.sqlite.schema import MIGRATIONS, migrate
from ringback.errors import ConfigurationError, StoreUnavailable, UnknownOperation
from ringback.ports import EVERYTHING
from tests.contract.acts import apply, finish, submit, take
from tests.core.states import NOW, operation
from tests.serving import until

FURTHER = (*MIGRATIONS, "ALTER TABLE topics ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'")
"""The next version's schema, in a file of which there is something already."""


def version(path: Path) -> int:
    connection = apsw.Connection(str(path))
    try:
        return int(connection.pragma("user_version"))
    finally:
        connection.close()


async def store(folder: Path) -> str:
    """A file of this version with something in it; returns an operation's id."""
    async with SqliteEngine(folder) as engine:
        await engine.publish([Publication("t", b"1")], NOW)
        return (await submit(engine)).id


async def test_a_new_file_has_the_newest_schema(data: Path) -> None:
    await store(data)
    assert version(data / FILE) == len(MIGRATIONS)


async def test_an_empty_file_is_a_new_one(data: Path) -> None:
    data.mkdir()
    (data / FILE).touch()
    await store(data)
    assert version(data / FILE) == len(MIGRATIONS)


async def test_an_older_file_is_migrated_with_all_that_is_in_it(data: Path) -> None:
    number = await store(data)
    connection = apsw.Connection(str(data / FILE))
    migrate(connection, FURTHER)
    assert connection.execute("SELECT name, colour FROM topics").fetchall() == [("t", "blue")]
    assert connection.execute("SELECT id FROM operations").fetchall() == [(number,)]
    connection.close()
    assert version(data / FILE) == len(FURTHER)


async def test_a_migration_that_fails_leaves_the_file_as_it_was(data: Path) -> None:
    number = await store(data)
    connection = apsw.Connection(str(data / FILE))
    with pytest.raises(apsw.SQLError):
        migrate(connection, (*FURTHER, "CREATE TABLE half (a); THIS IS NO SQL"))
    connection.close()
    assert version(data / FILE) == len(MIGRATIONS)
    async with SqliteEngine(data) as engine:
        assert (await engine.load(number)).id == number


async def test_a_newer_file_is_refused_with_the_cure(data: Path) -> None:
    await store(data)
    connection = apsw.Connection(str(data / FILE))
    migrate(connection, FURTHER)
    connection.close()
    with pytest.raises(ConfigurationError, match=r"newer Ringback.*Upgrade"):
        await SqliteEngine(data).__aenter__()
    assert version(data / FILE) == len(FURTHER)


async def test_two_may_create_the_file_at_once(data: Path) -> None:
    engines = [SqliteEngine(data) for _ in range(4)]
    await asyncio.gather(*[engine.__aenter__() for engine in engines])
    assert len({engine.epoch for engine in engines}) == 1
    await asyncio.gather(*[engine.__aexit__() for engine in engines])


async def test_another_programs_database_is_left_alone(data: Path) -> None:
    data.mkdir()
    connection = apsw.Connection(str(data / FILE))
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    with pytest.raises(ConfigurationError, match="another program's database"):
        await SqliteEngine(data).__aenter__()


async def test_a_file_that_is_no_database_is_refused_with_the_cure(data: Path) -> None:
    data.mkdir()
    (data / FILE).write_bytes(b"something else" * 1000)
    with pytest.raises(ConfigurationError, match=r"no Ringback database.*Move it away"):
        await SqliteEngine(data).__aenter__()
    assert (data / FILE).read_bytes().startswith(b"something else")


async def test_only_the_owner_reads_the_data(data: Path) -> None:
    """Whatever the umask and however the folder came to be."""
    data.mkdir()
    before = os.umask(0)
    try:
        async with SqliteEngine(data) as engine:
            await submit(engine)
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.glob("*.db*")}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys((FILE, f"{FILE}-wal", f"{FILE}-shm"), 0o600)


async def test_a_removed_file_is_noticed(data: Path) -> None:
    """SQLite would go on writing to what nobody will ever read again."""
    async with SqliteEngine(data) as engine:
        stored = await submit(engine)
        away = data.rename(data.with_name("away"))
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="it is gone"):
                await submit(engine)
        assert not data.exists(), "it is not made anew: nobody would see what was lost"
        away.rename(data)
        again = await submit(engine)
        assert [(await engine.load(each.id)).id for each in (stored, again)] == [
            stored.id,
            again.id,
        ]


async def test_a_copy_put_in_its_place_is_used(data: Path) -> None:
    """A backup was restored under a running server."""
    async with SqliteEngine(data) as engine:
        stored = await submit(engine)
    copy = (data / FILE).read_bytes()
    async with SqliteEngine(data) as engine:
        lost = await submit(engine)
        for path in data.glob(f"{FILE}*"):
            path.unlink()
        with pytest.raises(StoreUnavailable):
            await submit(engine)
        (data / FILE).write_bytes(copy)
        again = await submit(engine)
        await until(lambda: found(engine, again.id))
        assert await found(engine, stored.id)
        assert not await found(engine, lost.id)


async def found(engine: SqliteEngine, number: str) -> bool:
    try:
        return (await engine.load(number)).id == number
    except UnknownOperation:
        return False


async def test_another_store_put_in_its_place_is_refused(data: Path, tmp_path: Path) -> None:
    """Its logs have another epoch: followers would be told of the wrong positions."""
    await store(tmp_path / "other")
    async with SqliteEngine(data) as engine:
        for path in data.glob(f"{FILE}*"):
            path.unlink()
        (data / FILE).write_bytes((tmp_path / "other" / FILE).read_bytes())
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await submit(engine)


async def test_a_lane_goes_with_its_last_operation(data: Path) -> None:
    """Or each key there ever was would cost every claim a step."""
    policy = Policy(concurrency_per_key=1, rate_per_key=100.0)
    async with SqliteEngine(data) as engine:
        states = [await submit(engine, policy=policy, limit_key=f"k{n % 3}") for n in range(9)]
        await apply(engine, states[0], Cancel())
        now = NOW
        while given := (await take(engine, now=now)).operations:
            for state in given:
                await finish(engine, state)
            now += 1
        connection = apsw.Connection(str(data / FILE))
        assert connection.execute("SELECT count(*) FROM lanes").get == 0
        connection.close()


class Told:
    def __init__(self, engine: SqliteEngine) -> None:
        self.calls: list[frozenset[str]] = []
        engine.listen(self.calls.append)


async def test_a_commit_that_was_told_wakes_nobody_else(data: Path) -> None:
    """Ten thousand followers are not to look at their logs twice a second for nothing."""
    async with SqliteEngine(data) as one, SqliteEngine(data) as other:
        await asyncio.sleep(hints.LIST_EVERY + 3 * hints.WATCH_EVERY)  # until both are grown up
        told = Told(one), Told(other)
        for number in range(30):
            await (one, other)[number % 2].publish([Publication("t", b"1")], NOW)
            await asyncio.sleep(hints.WATCH_EVERY / 10)
        for ear in told:
            await until(lambda ear=ear: len(ear.calls) >= 30)
            assert set().union(*ear.calls) == {"t"}


@pytest.mark.parametrize("way", ["a connection that tells nobody", "no sockets"])
async def test_a_commit_that_nobody_told_is_noticed(
    data: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "no sockets":

        def refused(*arguments: object) -> socket.socket:
            raise OSError("no such thing here")

        monkeypatch.setattr(socket, "socket", refused)
    async with SqliteEngine(data) as engine:
        told = Told(engine)
        if way == "no sockets":
            async with SqliteEngine(data) as other:
                await submit(other)
        else:
            connection = apsw.Connection(str(data / FILE))
            connection.execute("INSERT INTO facts VALUES ('x', '')")
            connection.close()
        await until(lambda: any(EVERYTHING in names for names in told.calls))


async def test_a_neighbour_that_is_slow_is_told_later(data: Path) -> None:
    """Its buffer is full: it is told of everything as soon as there is room."""
    async with SqliteEngine(data) as one, SqliteEngine(data) as other:
        told = Told(other)

        async def acquainted() -> bool:
            await submit(one)
            return bool(told.calls)

        await until(acquainted)
        told.calls.clear()
        for number in range(1000):  # without giving the other's loop a turn to read
            one._neighbours.tell(frozenset({f"t{number}"}))
        await until(lambda: any(EVERYTHING in names for names in told.calls))


async def test_a_neighbour_that_died_without_a_word_is_cleared_away(data: Path) -> None:
    async with SqliteEngine(data) as engine:
        dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = engine._neighbours._folder / "1-dead"  # elsewhere, where the path is long
        dead.bind(str(path))
        dead.close()
        told = Told(engine)

        async def cleared() -> bool:
            await submit(engine)
            return not path.exists()

        await until(cleared)
        assert any(EVERYTHING in names for names in told.calls), "it may have died after a commit"


async def test_a_long_path_has_its_sockets_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("a-long-name-" * 8) / "data"
    async with SqliteEngine(folder) as one, SqliteEngine(folder) as other:
        told = Told(other)
        await one.publish([Publication("t", b"1")], NOW)
        await until(lambda: any("t" in names for names in told.calls))
        assert not (folder / "wake").exists()


async def test_a_mistake_of_one_write_is_its_own(data: Path) -> None:
    """What shares its transaction is stored all the same, and is told so."""
    async with SqliteEngine(data) as engine:
        same = operation()
        await engine.accept(accept(same), None)
        states = [operation() for _ in range(20)]
        waiting = [engine.accept(accept(state), None) for state in states]
        bad = engine.accept(accept(same), None)
        with pytest.raises(apsw.ConstraintError):
            await bad
        await asyncio.gather(*waiting)
        assert await engine.count_queued() == 21


async def test_a_writer_that_does_not_keep_up_says_so(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ringback.engines.sqlite import writer

    monkeypatch.setattr(writer, "MAX_PENDING", 100)
    async with SqliteEngine(data) as engine:
        waiting = [engine.accept(accept(operation()), None) for _ in range(100)]
        with pytest.raises(StoreUnavailable, match="does not keep up") as refused:
            engine.accept(accept(operation()), None)
        assert refused.value.retry_after
        await asyncio.gather(*waiting)
        await submit(engine)


@pytest.mark.parametrize(
    "use",
    [
        lambda engine: engine.load(operation().id),
        lambda engine: engine.count_queued(),
        lambda engine: engine.list(Query()),
        lambda engine: submit(engine),
        lambda engine: engine.publish([Publication("t", b"1")], NOW),
    ],
)
async def test_a_closed_engine_says_so(data: Path, use: Callable[[SqliteEngine], object]) -> None:
    engine = SqliteEngine(data)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="not open"):
            await use(engine)  # type: ignore[misc]
        async with engine:
            await submit(engine)
