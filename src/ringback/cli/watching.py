"""Seeing an operation through: for ``submit --wait`` and ``ops watch``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ringback.cli import exits
from ringback.cli.displays import choose, finished
from ringback.cli.follow import follow
from ringback.cli.target import Target
from ringback.cli.terminal import note, out_json
from ringback.client.answers import Fields


async def watch(
    target: Target,
    operation: str,
    *,
    from_the_start: bool,
    json_lines: bool = False,
    document: bool = False,
) -> int:
    """Follow to the end; the exit status of the outcome.

    ``json_lines``: every event as JSON. ``document``: nothing but the whole operation, at last.
    """
    display = choose(json_lines=json_lines, silent=document)
    with display:
        ended = await follow(target.follow(operation, from_the_start=from_the_start), display)
    if ended is None or document:
        ended = await target.show(operation)
    if document:
        out_json(ended)
    elif not json_lines:
        finished(ended, await _result(target, operation, ended))
    return exits.outcome(ended.get("status"))


async def _result(target: Target, operation: str, ended: Fields) -> bytes | None:
    """The result as JSON; fetched if it is too large for events."""
    if ended.get("status") != "succeeded":
        return None
    if "result" in ended:
        import msgspec

        return msgspec.json.encode(ended["result"])
    return await target.result(operation)


def interruptible(
    main: Callable[[Callable[[str, str], None]], Coroutine[Any, Any, int]],
) -> int:
    """Run what watches. Ctrl-C ends the watching, and says how to go on.

    ``main`` gets a function to be called with the operation's id, and the options by which a
    further command finds it, once there is an operation.
    """
    watched: list[tuple[str, str]] = []
    try:
        return asyncio.run(main(lambda *found: watched.append(found)))
    except KeyboardInterrupt:
        if not watched:
            raise
        operation, further = watched[0]
        note(f"The operation goes on. Watch it again: ringback ops watch {operation}{further}")
        return exits.INTERRUPTED
