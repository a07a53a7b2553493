from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.awslocal.gateway.functions import PATIENCE, Stand


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    async with AsyncExitStack() as stack:
        yield Stand(stack)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    # Nothing here speaks TLS, and to read the authorities' certificates takes long.
    async with httpx.AsyncClient(verify=False, trust_env=False, timeout=PATIENCE) as client:  # noqa: S501
        yield client
