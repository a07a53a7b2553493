"""Posting to WebSockets that API Gateway holds: ``@connections``."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ringback.errors import ConfigurationError
from ringback.lambdas.aws import AT_ONCE, client

MAX_POST = 128 * 1024
"""Bytes of a message. What is over 32 KB goes in several frames, which API Gateway makes."""


class CannotPost(Exception):
    """A message could not be posted, though the connection may be there."""


class Throttled(CannotPost):
    """So it is because the account posts more than API Gateway takes: no fault of the client's."""


class Posts:
    """Messages to connections, and their end. Counts its requests."""

    def __init__(self, url: str) -> None:
        """``url``: ``https://{api}.execute-api.{region}.amazonaws.com/{stage}``."""
        self.requests = 0
        self._url = url
        self._client: Any = None
        self._errors: Any = None
        self._opening = threading.Lock()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ringback-post")

    async def post(self, connection: str, data: bytes) -> bool:
        """Send a message; whether the connection is there. Raises ``CannotPost``."""
        return await self._ask("post_to_connection", ConnectionId=connection, Data=data)

    async def close(self, connection: str) -> None:
        """Close a connection; the client sees a code that API Gateway chooses."""
        await self._ask("delete_connection", ConnectionId=connection)

    async def _ask(self, method: str, **arguments: Any) -> bool:
        loop = asyncio.get_running_loop()
        self.requests += 1
        return await loop.run_in_executor(self._threads, self._call, method, arguments)

    def _call(self, method: str, arguments: dict[str, Any]) -> bool:
        gateway = self._opened()
        try:
            getattr(gateway, method)(**arguments)
        except gateway.exceptions.GoneException:
            return False
        except self._errors as error:
            answer = getattr(error, "response", {}).get("ResponseMetadata", {})
            kind = Throttled if answer.get("HTTPStatusCode") == 429 else CannotPost
            raise kind(f"A WebSocket could not be posted to: {error}.") from error
        return True

    def _opened(self) -> Any:
        with self._opening:
            if self._client is None:
                self._open()
        return self._client

    def _open(self) -> None:
        if not self._url:
            raise ConfigurationError(
                "There is no WebSocket API to post to. Set RINGBACK_AWS_SOCKET_URL to its "
                "https URL, with the stage."
            )
        self._client = client("apigatewaymanagementapi", self._url)
        from botocore.exceptions import BotoCoreError, ClientError

        self._errors = (BotoCoreError, ClientError)
