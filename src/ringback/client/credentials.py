"""What a client shows to be let in, and where it gets another when that is refused."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

GetToken = Callable[[], str | Awaitable[str | None] | None]
"""Gives a fresh token; it may be async."""


class Credentials:
    """The caller's token, and the operations' own tokens that are good no longer."""

    def __init__(self, token: str | None, get_token: GetToken | None) -> None:
        self._token = token
        self._get_token = get_token
        self._refused: set[str] = set()
        self._asking = asyncio.Lock()

    async def shown(self, own: str | None) -> str | None:
        """What to show: an operation's own token, or the caller's."""
        if own is not None and own not in self._refused:
            return own
        if self._token is None:
            await self._renew(None)
        return self._token

    async def replace(self, refused: str | None, own: str | None) -> bool:
        """The server refused this one: whether there is another to show now."""
        if refused is not None and refused == own:
            self._refused.add(refused)
            return await self.shown(own) is not None
        return await self._renew(refused)

    async def _renew(self, refused: str | None) -> bool:
        if self._get_token is None:
            return False
        async with self._asking:
            if self._token == refused:  # else another request has asked meanwhile
                found = self._get_token()
                self._token = await found if inspect.isawaitable(found) else found
            return self._token != refused
