"""From a setting to an engine. Each is imported only when it is the one."""

from __future__ import annotations

from ringback.errors import ConfigurationError
from ringback.ports import FullEngine
from ringback.settings import Settings


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
    raise ConfigurationError(
        f"There is no engine for {url.partition(':')[0]!r} URLs. "
        "Use sqlite:FOLDER, or leave it empty for the folder of `data`."
    )
