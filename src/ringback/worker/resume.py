"""What earlier attempts of a resumable operation have sent."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec

from ringback.core.model import Kind, OperationState, Position
from ringback.errors import StoreUnavailable
from ringback.ports import Engine

PAGE = 500
"""Messages read at once."""
STORE_PAUSE = 1.0
"""Seconds between two tries while the store cannot be read."""

log = logging.getLogger("ringback.worker")


async def earlier_parts(engine: Engine, state: OperationState) -> list[Any]:
    """The partial results that stand, in order; waits for a store that is away."""
    parts: list[Any] = []
    position = Position(engine.epoch, state.parts_after)
    while position.offset < state.version:
        try:
            page = await engine.read(state.topic, position, PAGE)
        except StoreUnavailable as error:
            log.warning("Earlier results of %s cannot be read yet: %s", state.id, error)
            await asyncio.sleep(STORE_PAUSE)
            continue
        parts += (
            msgspec.json.decode(message.data)["data"]
            for message in page.messages
            if message.kind is Kind.PART
        )
        position = page.position
        if not page.messages and not page.gap:
            break
    return parts
