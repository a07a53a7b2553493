"""Django Channels under uvicorn, with its in-memory layer: a group for each topic, `group_send`.

`/ws/TOPIC` subscribes; `/publish` takes `TOPIC MESSAGE`.
"""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["channels"],
    ALLOWED_HOSTS=["*"],
    # The default capacity of 100 drops what comes too fast; nothing is to be lost here.
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels.layers.InMemoryChannelLayer",
            "CONFIG": {"capacity": 10000},
        }
    },
)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402


class Subscriber(AsyncWebsocketConsumer):
    """One that only receives."""

    async def connect(self) -> None:
        """Subscribe before the answer, so that nothing is missed after it."""
        self.group = "topic." + self.scope["url_route"]["kwargs"]["topic"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, _code: int) -> None:
        """Unsubscribe."""
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def passed_on(self, event: dict[str, Any]) -> None:
        """What `group_send` calls by its type."""
        await self.send(text_data=event["text"])


class Publisher(AsyncWebsocketConsumer):
    """One that only publishes."""

    async def receive(self, text_data: str = "", bytes_data: bytes | None = None) -> None:
        """Send to all who subscribed."""
        topic, _, message = text_data.partition(" ")
        event = {"type": "passed.on", "text": message}
        await self.channel_layer.group_send(f"topic.{topic}", event)


app = ProtocolTypeRouter(
    {
        "websocket": URLRouter(
            [path("ws/<str:topic>", Subscriber.as_asgi()), path("publish", Publisher.as_asgi())]
        )
    }
)
