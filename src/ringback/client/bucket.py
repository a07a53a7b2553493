"""All bytes of a file in one request to where the server says: its bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx

from ringback.client.connection import ANSWER_TIMEOUT, CONNECT_TIMEOUT, is_loopback


async def put(url: str, content: AsyncIterator[bytes], size: int) -> bool:
    """Put as many bytes there; whether they are. The address is signed, and needs no token."""
    async with httpx.AsyncClient(
        timeout=httpx.Timeout(ANSWER_TIMEOUT, connect=CONNECT_TIMEOUT),
        headers={"user-agent": "ringback"},
        verify=urlsplit(url).scheme == "https",
        trust_env=not is_loopback(url),
    ) as http:
        try:
            answer = await http.put(url, content=content, headers={"content-length": str(size)})
        except httpx.HTTPError:
            return False
        return answer.is_success
