"""What a token grants at the Mercure hub.

Draft 07: ``{"mercure": {"publish": [selector, …], "subscribe": [selector, …], "payload": …}}``.
Draft 08: ``authorization_details`` (RFC 9396) in an access token (RFC 9068, ``typ: at+jwt``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ringback.errors import MalformedRequest, Unauthenticated
from ringback.wire.mercure_selectors import KINDS, Kind, Selector, legacy, selector

DETAIL = "https://mercure.rocks/authorization-detail"
"""The type of authorization details that are Mercure's."""
ACTIONS = ("publish", "subscribe")
MAX_GRANTS = 200
"""Selectors that one token grants for one action."""


class Grant(NamedTuple):
    """Topics that something may be done to."""

    selector: Selector
    payload: object = None
    """What is told of the subscriber to whoever may see active subscriptions."""


class Grants(NamedTuple):
    """What a token allows."""

    publish: tuple[Grant, ...] = ()
    subscribe: tuple[Grant, ...] = ()
    subscriber: bool = False
    """Whether the token is meant for subscribing, if only to what is public."""


NONE = Grants()


def granted(grants: tuple[Grant, ...], topic: str) -> Grant | None:
    """The first grant of a topic."""
    return next((each for each in grants if each.selector.matches(topic)), None)


def read_grants(claims: Mapping[str, Any], kind: object, base: str) -> Grants:
    """What the claims of a verified token grant; ``kind`` is the ``typ`` of its header.

    Raises ``Unauthenticated``: one grant that is none makes the token bad.
    """
    try:
        older = _of_claim(claims.get("mercure"), base)
        newer = _of_details(claims.get("authorization_details"), kind, base)
    except MalformedRequest as error:
        raise Unauthenticated(f"The token grants what cannot be read: {error.detail}") from None
    found = Grants(
        older.publish + newer.publish,
        older.subscribe + newer.subscribe,
        older.subscriber or newer.subscriber,
    )
    if max(len(found.publish), len(found.subscribe)) > MAX_GRANTS:
        raise Unauthenticated(f"A token grants at most {MAX_GRANTS} selectors.")
    return found


def _of_claim(claim: object, base: str) -> Grants:
    if claim is None:
        return NONE
    if not isinstance(claim, dict):
        raise Unauthenticated("The token's claim mercure is no object.")
    lists: dict[str, tuple[Grant, ...]] = {}
    for action in ACTIONS:
        texts = claim.get(action)
        if texts is None:
            continue
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise Unauthenticated(f"The token's claim mercure.{action} is no list of selectors.")
        payload = claim.get("payload")
        lists[action] = tuple(Grant(legacy(text, base), payload) for text in texts)
    return Grants(lists.get("publish", ()), lists.get("subscribe", ()), "subscribe" in lists)


def _of_details(details: object, kind: object, base: str) -> Grants:
    if details is None:
        return NONE
    if not isinstance(details, list) or not all(isinstance(each, dict) for each in details):
        raise Unauthenticated("The token's authorization_details are no list of objects.")
    ours = [each for each in details if each.get("type") == DETAIL]
    if not ours:
        return NONE
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") != "at+jwt":
        raise Unauthenticated(
            "A token with authorization_details is an access token: its header says typ at+jwt."
        )
    found: dict[str, list[Grant]] = {action: [] for action in ACTIONS}
    for detail in ours:
        actions, topics = detail.get("actions"), detail.get("topics")
        if not isinstance(actions, list) or not isinstance(topics, list) or not topics:
            raise Unauthenticated("An authorization detail has a list of actions and of topics.")
        if not actions or any(action not in ACTIONS for action in actions):
            raise Unauthenticated("The actions of an authorization detail are publish, subscribe.")
        for topic in topics:
            grant = Grant(_selector(topic, base), detail.get("payload"))
            for action in actions:
                found[action].append(grant)
    subscribe = tuple(found["subscribe"])
    return Grants(tuple(found["publish"]), subscribe, bool(subscribe))


def _selector(topic: object, base: str) -> Selector:
    match = topic.get("match") if isinstance(topic, dict) else None
    if not isinstance(topic, dict) or not isinstance(match, str):
        raise Unauthenticated('A topic of an authorization detail is {"match": …}.')
    said = topic.get("match_type", "exact")
    kind: Kind | None = next((kind for kind in KINDS.values() if kind == said), None)
    if kind is None:
        raise Unauthenticated(
            f"The match_type of a topic is one of {', '.join(dict.fromkeys(KINDS.values()))}."
        )
    return selector(kind, match, base)
