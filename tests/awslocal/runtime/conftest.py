"""Functions in real processes, each test with code of its own."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ringback.awslocal.model import Function
from ringback.awslocal.runtime.functions import Functions
from ringback.awslocal.runtime.variables import Surroundings

Run = Callable[..., Awaitable[Functions]]


@pytest_asyncio.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    """Starts a function ``F`` made of source text."""
    started: list[Functions] = []

    async def start(
        source: str, *, concurrency: int = 100, watch: bool = False, **said: Any
    ) -> Functions:
        (tmp_path / "app.py").write_text(source)
        function = Function(
            **{
                "name": "F",
                "function_name": "the-function",
                "arn": "arn:aws:lambda:us-east-1:123456789012:function:the-function",
                "handler": "app.handler",
                "runtime": "python3.13",
                "code": tmp_path,
                # Generous: a busy machine is no error.
                "timeout": 50.0,
                **said,
            }
        )
        functions = Functions({"F": function}, Surroundings(), concurrency=concurrency, watch=watch)
        await functions.start()
        started.append(functions)
        return functions

    yield start
    for each in started:
        await each.stop()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged for functions so far."""
    caplog.set_level(logging.DEBUG, "ringback.aws.functions")
    return lambda: [record.getMessage() for record in caplog.records]
