"""``GET /presence/{topic}``: who follows a topic."""

from __future__ import annotations

from typing import Any

from ringback.core.topics import check_name
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import NOT_STORED, Request, Response, Send, json_response
from ringback.errors import UnknownTopic
from ringback.hub import Hub
from ringback.service import Service


class PresenceRoutes:
    """The route."""

    def __init__(self, service: Service, hub: Hub, gate: Gate) -> None:
        self._topics = service.publisher.topics
        self._hub = hub
        self._gate = gate

    async def show(self, request: Request, send: Send) -> Response:
        """How many, for whoever may follow the topic; and who, for whoever may see that."""
        topic = check_name(request.path_parameter)
        claims = await self._gate.claims(request)
        policy = self._topics.policy(topic)
        if policy.presence is None:
            raise UnknownTopic(
                f"Nobody is counted on {topic}. Declare the topic with presence=.", topic=topic
            )
        named = self._topics.shows_presence(claims, topic)
        if not named:
            self._topics.check("subscribe", claims, topic)
        found = self._hub.presence(topic)
        shown: dict[str, Any] = {"topic": topic, "connections": found.connections}
        if named:
            shown |= {"subjects": found.subjects, "anonymous": found.anonymous}
        return json_response(200, shown, [NOT_STORED])
