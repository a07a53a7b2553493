"""``/topics``: publish, poll, wait, stream."""

from __future__ import annotations

import time

from ringback.core.topics import check_name, check_publishable
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import NOT_STORED, Request, Response, Send, json_response
from ringback.edges.http.rates import Rates
from ringback.edges.http.submit import caller
from ringback.edges.http.subscription import Subscriptions
from ringback.edges.http.topic_pages import TopicPages
from ringback.edges.http.topic_stream import Streaming
from ringback.edges.http.waiting import Streams
from ringback.edges.places import Keeper, Places
from ringback.edges.streams import HEADERS
from ringback.errors import InvalidInput
from ringback.hub import Hub
from ringback.service import Service

STREAM = "text/event-stream"


class TopicRoutes:
    """The routes of topics."""

    def __init__(
        self,
        service: Service,
        hub: Hub,
        gate: Gate,
        *,
        streams: Streams,
        keeper: Keeper,
        places: Places,
        rates: Rates,
    ) -> None:
        self._service = service
        self._hub = hub
        self._gate = gate
        self._rates = rates
        self._subscriptions = Subscriptions(service, gate)
        self._pages = TopicPages(service, hub, streams)
        self._streaming = Streaming(service, hub, keeper, places)

    async def publish(self, request: Request, send: Send) -> Response:
        """Publish one message: stored durably, unless its topic is ephemeral."""
        publisher = self._service.publisher
        topic = check_publishable(request.path_parameter)
        claims = self._gate.known(request) or await self._gate.claims(request)
        publisher.topics.check("publish", claims, topic)
        if self._rates.limited:
            self._rates.check(caller(claims, request), time.monotonic())
        request.require_json()
        body = await request.body(self._service.settings.max_body)
        (position,) = await publisher.publish([publisher.received(topic, body)])
        listeners = self._hub.listeners(topic)
        published = {
            "topic": topic,
            "position": None if position is None else str(position),
            "listeners": listeners,
        }
        return json_response(201 if listeners else 202, published, [NOT_STORED])

    async def follow(self, request: Request, send: Send) -> Response | None:
        """What several filters match: ``GET /topics?filter=…&filter=…``."""
        return await self._follow(request, send, request.values("filter"))

    async def follow_one(self, request: Request, send: Send) -> Response | None:
        """The same for one topic by its name."""
        topic = request.path_parameter
        return await self._follow(request, send, [check_name(topic)])

    async def _follow(self, request: Request, send: Send, filters: list[str]) -> Response | None:
        wanted = await self._subscriptions.read(request, filters)
        if not _takes_a_stream(request):
            return await self._pages.answer(request, wanted)
        await self._streaming.run(request, send, wanted, HEADERS)
        return None


def topic_of(segments: list[str]) -> str:
    """A topic from the segments of a path. Raises ``InvalidInput`` for one with a slash in it:
    it would be another topic than the path says.
    """
    if any("/" in segment for segment in segments):
        raise InvalidInput("The segments of a topic are joined by '/' in the path too, not by %2F.")
    return "/".join(segments)


def _takes_a_stream(request: Request) -> bool:
    """Whether the caller asks for one (RFC 9110 §12.5.1); JSON is what all others get."""
    for each in (request.header(b"accept") or "").split(","):
        media, *parameters = (part.strip().lower() for part in each.split(";"))
        if media == STREAM:
            return not any(p.replace(" ", "") in ("q=0", "q=0.0") for p in parameters)
    return False
