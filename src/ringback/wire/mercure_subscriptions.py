"""Active subscriptions of Mercure, as their two drafts describe them.

Draft 07 knows ``/subscriptions/{topic}/{subscriber}`` and JSON-LD, draft 08
``/subscriptions/{match_type}/{match}/{subscriber}`` and JSON. Each subscription has both forms.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from ringback.core.model import Publication
from ringback.wire.mercure import HUB, RESERVED_TYPE, Attributes
from ringback.wire.mercure_selectors import KINDS, Selector

ROOT = f"{HUB}/subscriptions"
TOPIC = "$mercure/subscriptions"
"""The hub's topic that tells of them. It is ephemeral, and followed by no other name."""
CONTEXT = "https://mercure.rocks/"
"""Of draft 07's JSON-LD."""

Dialect = Literal[7, 8]
DIALECTS: tuple[Dialect, Dialect] = (7, 8)


class Subscription(msgspec.Struct, frozen=True):
    """What one subscriber follows by one selector."""

    selector: Selector
    subscriber: str
    payload: object = None

    def url(self, dialect: Dialect) -> str:
        """Its id, and its topic."""
        parts = [self.selector.text, self.subscriber]
        if dialect == 8:
            parts.insert(0, self.selector.kind)
        return "/".join([ROOT, *(quote(part, safe="") for part in parts)])

    def described(self, dialect: Dialect, *, active: bool) -> dict[str, Any]:
        """The document."""
        shown: dict[str, Any] = {"id": self.url(dialect)}
        if dialect == 7:
            shown |= {"type": "Subscription", "topic": self.selector.text}
        else:
            shown |= {
                "type": "subscription",
                "match_type": self.selector.kind,
                "match": self.selector.text,
            }
        shown |= {"subscriber": self.subscriber, "active": active}
        return shown if self.payload is None else shown | {"payload": self.payload}

    def publications(self, *, active: bool) -> list[Publication]:
        """What tells that it began, or is over: a private update in each form."""
        told = []
        for dialect in DIALECTS:
            shown = self.described(dialect, active=active)
            attributes = Attributes(
                type=RESERVED_TYPE if dialect == 8 else None,
                private=True,
                topics=(self.url(dialect),),
                dialect=dialect,
            )
            data = msgspec.json.encode({"@context": CONTEXT} | shown if dialect == 7 else shown)
            told.append(Publication(TOPIC, data, msgspec.json.encode(attributes), keep=None))
        return told


def could_tell(selector: Selector) -> bool:
    """Whether a selector may be about what tells of subscriptions."""
    if selector.everything or selector.kind == "urlpattern":
        return True
    beginning = selector.text.partition("{")[0]
    return beginning.startswith(ROOT) or ROOT.startswith(beginning)


class Asked(msgspec.Struct, frozen=True):
    """What a request for subscriptions is about: a path below ``ROOT``."""

    dialect: Dialect
    text: str | None = None
    kind: str | None = None
    subscriber: str | None = None

    def about(self, subscription: Subscription) -> bool:
        selector = subscription.selector
        return (
            self.text in (None, selector.text)
            and self.kind in (None, selector.kind)
            and self.subscriber in (None, subscription.subscriber)
        )

    @property
    def url(self) -> str:
        """Its own id."""
        parts = (self.kind, self.text, self.subscriber)
        return "/".join([ROOT, *(quote(part, safe="") for part in parts if part is not None)])

    def listed(self, found: Iterable[Subscription], last: str) -> dict[str, Any]:
        """The document of several; ``last`` is the id of the newest update."""
        shown = [each.described(self.dialect, active=True) for each in found]
        if self.dialect == 8:
            return {"id": self.url, "type": "subscriptions", "subscriptions": shown}
        return {
            "@context": CONTEXT,
            "id": self.url,
            "type": "Subscriptions",
            "lastEventID": last,
            "subscriptions": shown,
        }


def asked(segments: list[str], *, linked_data: bool) -> Asked | None:
    """What a path asks for; ``linked_data``: whether the caller rather has draft 07's form."""
    kinds = set(KINDS.values())
    match segments:
        case []:
            return Asked(7 if linked_data else 8)
        case [text]:
            return Asked(7, text)
        case [kind, text] if kind in kinds:
            return Asked(8, text, kind)
        case [text, subscriber]:
            return Asked(7, text, None, subscriber)
        case [kind, text, subscriber] if kind in kinds:
            return Asked(8, text, kind, subscriber)
    return None
