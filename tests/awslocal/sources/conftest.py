"""One home for all tests of a module: moto, and functions in processes."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ringback.awslocal.gateway import Limits
from ringback.awslocal.home import Home, Options
from tests.awslocal.waiting import until_async

TEMPLATES = Path(__file__).parent.parent / "templates"


class Watched:
    """A home, and what its functions were called with."""

    def __init__(self, home: Home, seen: Path) -> None:
        self.home = home
        self._seen = seen

    async def ask(self, service: str, operation: str, **arguments: Any) -> Any:
        return await self.home.clients.ask(service, operation, **arguments)

    def url(self, queue: str) -> str:
        return f"{self.home.endpoint}/123456789012/{self.home.stack.resources[queue].physical}"

    def seen(self, name: str) -> list[dict[str, Any]]:
        """The events a function was called with so far."""
        if not self._seen.exists():
            return []
        lines = [json.loads(line) for line in self._seen.read_text().splitlines()]
        return [event for each, event in lines if each == name]

    async def came(self, name: str, wanted: Callable[[Any], Any]) -> list[dict[str, Any]]:
        """Once there is one, the events that `wanted` knows."""

        async def there() -> bool:
            return any(wanted(event) for event in self.seen(name))

        await until_async(there)
        return [event for event in self.seen(name) if wanted(event)]

    async def arrives(self, queue: str) -> Any:
        """The body of the next message in a queue, taken out of it."""
        found: list[Any] = []

        async def there() -> bool:
            said = await self.ask(
                "sqs", "receive_message", QueueUrl=self.url(queue), WaitTimeSeconds=1
            )
            for message in said.get("Messages", []):
                found.append(json.loads(message["Body"]))
                await self.ask(
                    "sqs",
                    "delete_message",
                    QueueUrl=self.url(queue),
                    ReceiptHandle=message["ReceiptHandle"],
                )
            return bool(found)

        await until_async(there)
        return found[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    seen = tmp_path_factory.mktemp("seen") / "events"
    options = Options(port=0, scale=0.01, limits=Limits(), watch=False, extra={"SEEN": str(seen)})
    async with Home(TEMPLATES / "sources" / "template.yaml", options) as home:
        yield Watched(home, seen)
