"""From a setting to an engine. Each is imported only when it is the one."""

from __future__ import annotations

import logging

from ringback.errors import ConfigurationError
from ringback.ports import Facts, FullEngine
from ringback.settings import Settings

log = logging.getLogger("ringback")


def open_engine(settings: Settings) -> FullEngine:
    """The engine of these settings, still closed. Raises ``ConfigurationError``."""
    url = settings.engine
    if not url or url.startswith("sqlite:"):
        from ringback.engines.sqlite import SqliteEngine

        return SqliteEngine(
            url.removeprefix("sqlite:").removeprefix("//") or settings.data,
            max_queued=settings.max_queued,
            event_retention=settings.topic_retention,
        )
    if url.startswith("dynamodb:"):
        table = url.removeprefix("dynamodb:").removeprefix("//")
        if not table:
            raise ConfigurationError("Name the table: dynamodb:TABLE.")
        from ringback.engines.dynamodb import DynamoEngine

        return DynamoEngine(
            table,
            bucket=settings.aws_bucket,
            queues=settings.aws_queues,
            max_queued=settings.max_queued,
            event_retention=settings.topic_retention,
        )
    raise ConfigurationError(
        f"There is no engine for {url.partition(':')[0]!r} URLs. "
        "Use sqlite:FOLDER or dynamodb:TABLE, or leave it empty for the folder of `data`."
    )


async def note(facts: Facts, name: str, value: bytes) -> None:
    """Store a fact where it is news; a process that may only read leaves that to the others."""
    try:
        if await facts.fact(name) != value:
            await facts.set_fact(name, value)
    except ConfigurationError as error:
        log.info("The fact %r is not stored by this process: %s", name, error)
