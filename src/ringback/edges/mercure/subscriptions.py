"""Active subscriptions: who follows by what, in this process; told as it changes, and listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ringback.edges.http.message import NOT_STORED, Request, Response, json_response
from ringback.edges.mercure.callers import Caller, Callers
from ringback.errors import Forbidden, NotFound, Unauthenticated
from ringback.hub import Hub
from ringback.ids import Clock
from ringback.ports import Relay
from ringback.wire.mercure import id_of
from ringback.wire.mercure_subscriptions import CONTEXT, Asked, Subscription, asked

LINKED_DATA = (b"content-type", b"application/ld+json")


class Subscriptions:
    """All of this process."""

    def __init__(self, relay: Relay, hub: Hub, clock: Clock, callers: Callers) -> None:
        self._relay = relay
        self._hub = hub
        self._clock = clock
        self._callers = callers
        self._active: dict[str, tuple[Subscription, ...]] = {}
        """By their subscriber."""

    def begin(self, subscriptions: tuple[Subscription, ...]) -> None:
        """A subscriber has come."""
        self._active[subscriptions[0].subscriber] = subscriptions
        self._tell(subscriptions, active=True)

    def end(self, subscriptions: tuple[Subscription, ...]) -> None:
        """It has gone."""
        del self._active[subscriptions[0].subscriber]
        if not self._hub.closing:
            self._tell(subscriptions, active=False)

    def _tell(self, subscriptions: Sequence[Subscription], *, active: bool) -> None:
        told = [each for one in subscriptions for each in one.publications(active=active)]
        self._relay.relay(told, self._clock())

    async def show(self, request: Request, segments: list[str], caller: Caller) -> Response:
        """``GET /.well-known/mercure/subscriptions…``. Raises ``NotFound``, and what refuses."""
        accepted = request.header(b"accept") or "*/*"
        older = "application/ld+json" in accepted or "application/json" not in accepted
        wanted = asked(segments, linked_data=older)
        if wanted is None:
            raise NotFound
        if not self._callers.administers(caller, wanted.url):
            if not caller.shown:
                raise Unauthenticated("To see active subscriptions takes a token.")
            raise Forbidden(f"To see active subscriptions takes a grant of the topic {wanted.url}.")
        await self._hub.start()
        found = [each for one in self._active.values() for each in one if wanted.about(each)]
        shown = self._shown(wanted, found)
        last = id_of(self._hub.position)
        link = f'<{request.prefix}/.well-known/mercure>; rel="mercure"; last-event-id="{last}"'
        response = json_response(200, shown, [NOT_STORED, (b"link", link.encode())])
        if wanted.dialect == 7:
            response.headers[0] = LINKED_DATA
        return response

    def _shown(self, wanted: Asked, found: list[Subscription]) -> dict[str, Any]:
        last = id_of(self._hub.position)
        if wanted.subscriber is None:
            return wanted.listed(found, last)
        if not found:
            raise NotFound
        shown = found[0].described(wanted.dialect, active=True)
        if wanted.dialect == 7:
            return {"@context": CONTEXT} | shown | {"lastEventID": last}
        return shown
