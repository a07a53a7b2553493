"""The objects of an upload, on a folder and on an object store: what is there after what."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ringback.errors import OffsetMismatch, PayloadTooLarge, StoreUnavailable
from ringback.ids import new_id
from ringback.uploads.pieces import EXTRA_PIECES, PIECE, Pieces, Stored, most_pieces
from ringback.uploads.store import Store

ID = new_id(1_000_000_000.0)
OTHER = new_id(1_000_000_001.0)
MANY = 1000


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path.as_uri() if request.param == "folder" else "memory:///")


@pytest.fixture
def pieces(store: Store) -> Pieces:
    return Pieces(store)


@pytest.fixture
def names(store: Store) -> Callable[[], list[str]]:
    """All objects there are of the upload, below its id."""
    return lambda: sorted(
        each["path"].removeprefix(f"{ID}/") for each in store.objects.list(ID).collect()
    )


async def put(pieces: Pieces, *data: bytes) -> Stored:
    stored = await pieces.stored(ID)
    for each in data:
        stored = await pieces.add(ID, stored, each, MANY)
    return stored


async def test_nothing_is_there(pieces: Pieces) -> None:
    assert (await pieces.stored(ID)).offset == 0
    assert await pieces.ids() == []
    await pieces.drop_pieces(ID, "file")
    await pieces.drop_file(ID, "file")
    await pieces.drop(ID)


async def test_pieces_make_a_file(pieces: Pieces, names: Callable[[], list[str]]) -> None:
    await pieces.declare(ID, b"{}")
    await pieces.declare(OTHER, b"{}")
    parts = [os.urandom(size) for size in (5, PIECE, 1)]
    assert (await put(pieces, *parts)).offset == PIECE + 6
    stored = await pieces.stored(ID)
    assert [size for _, size in stored.pieces] == [5, PIECE, 1]
    assert stored.newest is not None
    digest = hashlib.sha256(b"".join(parts)).hexdigest()
    file, found = await pieces.join(ID, stored)
    other, again = await pieces.join(ID, await pieces.stored(ID))
    assert (found, again) == (digest, digest)
    assert file != other, "what one has checked, no other takes the place of"
    await pieces.drop_pieces(ID, file)
    assert names() == ["declared", file]
    assert await pieces.ids() == [ID, OTHER]
    await pieces.drop(ID)
    assert await pieces.ids() == [OTHER]


async def test_only_one_writes_at_an_offset(store: Store) -> None:
    """Two processes, or two machines, that have seen the same state."""
    one, other = Pieces(store), Pieces(store)
    seen = await put(one, b"01234")
    await one.add(ID, seen, b"567", MANY)
    with pytest.raises(OffsetMismatch):
        await other.add(ID, seen, b"5678", MANY)
    _, digest = await other.join(ID, await other.stored(ID))
    assert digest == hashlib.sha256(b"01234567").hexdigest()


async def test_starting_anew(pieces: Pieces, names: Callable[[], list[str]]) -> None:
    old = await put(pieces, b"01234", b"56")
    file, _ = await pieces.join(ID, old)
    await pieces.start_anew(ID, old)
    assert (await pieces.stored(ID)).offset == 0
    assert names() == ["1/begun", file], "which may be another process's, that has started it"
    await pieces.drop_file(ID, file)
    new = await put(pieces, b"abc")
    # One that has not heard of it cannot reach what is new, whatever it writes.
    await pieces.add(ID, old, b"xxx", MANY)
    late = Stored(generation=0, pieces=((0, 3),))
    await pieces.add(ID, late, b"yyy", MANY)
    assert (await pieces.stored(ID)).pieces == new.pieces
    file, digest = await pieces.join(ID, await pieces.stored(ID))
    assert digest == hashlib.sha256(b"abc").hexdigest()
    again = await pieces.stored(ID)
    await pieces.start_anew(ID, again)
    assert names() == ["2/begun", file]
    assert (await pieces.stored(ID)).generation == 2


async def test_what_lies_behind_a_hole_does_not_count(pieces: Pieces) -> None:
    await put(pieces, b"01234")
    await pieces.add(ID, Stored(pieces=((0, 7),)), b"89", MANY)
    assert (await pieces.stored(ID)).offset == 5


async def test_the_number_of_pieces_is_bounded(pieces: Pieces) -> None:
    stored = await pieces.stored(ID)
    for _ in range(3):
        stored = await pieces.add(ID, stored, b"x", 3)
    with pytest.raises(PayloadTooLarge):
        await pieces.add(ID, stored, b"x", 3)
    assert most_pieces(0) == EXTRA_PIECES
    assert most_pieces(10 * PIECE) == EXTRA_PIECES + 10


async def test_pieces_that_are_gone_cannot_be_joined(pieces: Pieces) -> None:
    stored = await put(pieces, b"01234")
    await pieces.drop(ID)
    with pytest.raises(StoreUnavailable):
        await pieces.join(ID, stored)


async def test_only_uploads_are_listed(store: Store, pieces: Pieces) -> None:
    await store.objects.put_async("other/file", b"x")
    await store.objects.put_async("file", b"x")
    await pieces.declare(ID, b"{}")
    assert await pieces.ids() == [ID]
