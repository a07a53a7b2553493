"""A fresh table for each test, and engines on it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from ringback.engines.dynamodb import DynamoEngine, schema
from tests import moto
from tests.engines.dynamodb.proxy import Proxy, proxy


@pytest.fixture
def table() -> str:
    """The name of an empty table."""
    name = f"engine-{secrets.token_hex(6)}"
    moto.client("dynamodb").create_table(**schema.table(name))
    return name


@pytest.fixture
def make(table: str) -> Callable[..., DynamoEngine]:
    """Makes engines on it."""

    def make(**options: Any) -> DynamoEngine:
        options = {"bucket": moto.bucket(), "options": moto.options(), **options}
        return DynamoEngine(table, **options)

    return make


@pytest.fixture
async def engine(make: Callable[..., DynamoEngine]) -> AsyncIterator[DynamoEngine]:
    """An open engine."""
    async with make() as opened:
        yield opened


@pytest.fixture
def between() -> Iterator[Proxy]:
    """A proxy before moto."""
    with proxy() as running:
        yield running
