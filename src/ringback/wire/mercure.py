"""Mercure (drafts 07 and 08): updates, as they are published and as they are sent.

What belongs here: the publisher's form, how an update is written as a message of the hub and how
a message becomes an event of a stream. What does not: selectors (``mercure_selectors``), tokens
(``mercure_tokens``), who may.

An update of several topics is one message for each of them. All carry the list, so that whoever
follows several gets the update once.

A message's data is JSON, on one line. An update's is any text, which comes back byte for byte:
what is JSON is the data of a message, with the attribute ``text`` where its writing differs; what
is none is a JSON string, which the attribute ``content`` says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from ringback.core.model import Message, Position
from ringback.core.topics import MAX_TOPIC_SEGMENTS, check_publishable, is_iri, named
from ringback.errors import InvalidInput, MalformedRequest, PayloadTooLarge

HUB = "/.well-known/mercure"
"""The path."""
EARLIEST = "earliest"
"""As an id: before all that is kept."""
PREFIX = "urn:ringback:"
"""Of ids that are positions."""
RESERVED_TYPE = "mercure"
"""The type of events that are the hub's own."""
MAX_TOPICS = 50
"""Of one update: it is as many messages."""
MAX_ID = 255
"""Characters of an id or a type that its publisher gives."""
MAX_RETRY_DIGITS = 9
"""Of milliseconds: eleven days."""
MAX_TOPICS_LENGTH = 8 * 1024
"""Characters of all topics of an update: each of its messages has them."""
TEXT = "text"
"""As ``content``: the data is a text, and stands in a JSON string."""

Fields = Sequence[tuple[str, str]]

_LINE = re.compile(r"\r\n|\r|\n")
_JSON_LINE = re.compile(rb"\r\n|\r|\n")
_ESCAPED = {c: f"%{ord(c):02X}" for c in " +#*{}"}
_RESTORED = {code: c for c, code in _ESCAPED.items()} | {"%2F": "/", "%2E": ".", "%24": "$"}
_CODES = re.compile("|".join(_RESTORED))
EMPTY = "%"
"""An empty segment in a name. It stands in no IRI: there two digits follow."""


# Topics and names


def hub_name(topic: str) -> str:
    """The hub's name of a topic. Mostly the topic itself: an IRI, or segments joined by ``/``.

    What a name cannot have is percent-encoded; segments that are too many are one. Raises
    ``InvalidInput``.
    """
    segments = topic.split("/")
    return check_publishable("/".join(name_segments(segments)))


def name_segments(segments: list[str]) -> list[str]:
    """The segments of a topic as those of a name; of the beginning of a topic likewise."""
    iri = is_iri([*segments, "", ""]) and len(segments) > 1
    named = [
        segment if iri and index == 1 else _named(segment, first=not index)
        for index, segment in enumerate(segments)
    ]
    most = MAX_TOPIC_SEGMENTS + (2 if iri else 0)
    if len(named) > most:
        rest = [each if each != EMPTY else "" for each in named[most - 1 :]]
        named[most - 1 :] = ["%2F".join(rest)]
    return named


def _named(segment: str, *, first: bool) -> str:
    if not segment:
        return EMPTY
    if segment in (".", ".."):
        return "%2E" * len(segment)
    if first and segment.startswith("$"):
        segment = "%24" + segment[1:]
    return "".join([_ESCAPED.get(c, c) for c in segment])


def topic_of(name: str) -> str:
    """The topic that may have this name; several have, where one is written with escapes."""
    if "%" not in name:
        return name
    segments = ["" if segment == EMPTY else segment for segment in name.split("/")]
    return _CODES.sub(lambda found: _RESTORED[found[0]], "/".join(segments))


# Forms


def read_form(body: bytes, limit: int) -> Fields:
    """The fields of a form. Raises ``MalformedRequest``."""
    try:
        text = body.decode("utf-8")
        return parse_qsl(
            text, keep_blank_values=True, max_num_fields=limit, encoding="utf-8", errors="strict"
        )
    except ValueError:
        raise MalformedRequest(f"The form is not UTF-8, or has more than {limit} fields.") from None


def has_control(text: str) -> bool:
    """Whether characters stand in it that nobody sees: controls, and Unicode's ``Cf``."""
    return not text.isprintable() and any(
        unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in text
    )


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher sent."""

    topics: tuple[str, ...]
    """The first is the canonical one."""
    data: str = ""
    private: bool = False
    id: str | None = None
    type: str | None = None
    retry: int | None = None

    @property
    def names(self) -> dict[str, str]:
        """The hub's names of its topics, each once, with a topic. Raises ``InvalidInput``."""
        names: dict[str, str] = {}
        for topic in self.topics:
            names.setdefault(hub_name(topic), topic)
        return names

    @property
    def body(self) -> bytes:
        """Its data as JSON."""
        found = _json(self.data)
        return msgspec.json.encode(self.data) if found is None else found

    def attributes(self, id: str | None) -> bytes | None:
        """What a message has of it beside data; ``id`` where it cannot be the position."""
        listed = len(self.topics) > 1 or any(
            name != topic or _CODES.search(topic) for name, topic in self.names.items()
        )
        json = _json(self.data)
        attributes = Attributes(
            id=id,
            type=self.type,
            retry=self.retry,
            private=self.private,
            content=TEXT if json is None else None,
            text=None if json is None or json == self.data.encode() else self.data,
            topics=self.topics if listed else (),
        )
        return None if attributes == NO_ATTRIBUTES else msgspec.json.encode(attributes)


def _json(text: str) -> bytes | None:
    """A text as JSON on one line; None for what is none."""
    try:
        return msgspec.json.format(text, indent=-1).encode()
    except (ValueError, RecursionError):
        return None


def read_update(fields: Fields) -> Update:
    """An update from a publisher's form; unknown fields say nothing. Raises
    ``MalformedRequest``, and ``PayloadTooLarge`` for too many topics.
    """
    topics = tuple(dict.fromkeys(value for name, value in fields if name == "topic"))
    given: Mapping[str, str] = dict(reversed(fields))  # of a repeated one the first
    if not topics:
        raise MalformedRequest("An update has a topic: send the field topic, once or more.")
    if len(topics) > MAX_TOPICS:
        raise PayloadTooLarge(f"An update has at most {MAX_TOPICS} topics.", limit=MAX_TOPICS)
    if sum(map(len, topics)) > MAX_TOPICS_LENGTH:
        raise PayloadTooLarge(
            f"The topics of an update have at most {MAX_TOPICS_LENGTH} characters together.",
            limit=MAX_TOPICS_LENGTH,
        )
    for topic in topics:
        _check_topic(topic)
    id, kind, retry = given.get("id") or None, given.get("type") or None, given.get("retry") or None
    for name, text in (("id", id), ("type", kind)):
        if text is not None and (len(text) > MAX_ID or has_control(text)):
            raise MalformedRequest(
                f"The {name} of an update is at most {MAX_ID} characters on one line."
            )
    if id is not None and (id == EARLIEST or id.startswith(("#", PREFIX))):
        raise MalformedRequest(
            f"The id of an update does not begin with '#' or {PREFIX!r}, and is not {EARLIEST!r}. "
            "Leave it out to have one made."
        )
    if kind == RESERVED_TYPE:
        raise MalformedRequest(f"Events of type {RESERVED_TYPE!r} are the hub's own.")
    if retry is not None and not (
        retry.isascii() and retry.isdigit() and len(retry) <= MAX_RETRY_DIGITS
    ):
        raise MalformedRequest("retry is milliseconds, in digits.")
    return Update(
        topics=topics,
        data=given.get("data", ""),
        private="private" in given,
        id=id,
        type=kind,
        retry=None if retry is None else int(retry),
    )


def _check_topic(topic: str) -> None:
    if topic == "*" or not topic or has_control(topic):
        raise MalformedRequest(
            "A topic is an IRI or another text on one line; '*' stands for all in a subscription."
        )
    try:
        path = unquote(urlsplit(topic).path)
    except ValueError:
        raise MalformedRequest(
            f"{topic[:100]!r} is no topic: it begins as a URL and is none."
        ) from None
    folders: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del folders[-1:]
        elif segment not in ("", "."):
            folders.append(segment)
    if folders[:2] == HUB.split("/")[1:]:
        raise MalformedRequest(f"Topics under {HUB} are the hub's own.")


# Attributes


class Attributes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a message carries of an update beside its data."""

    id: str | None = None
    type: str | None = None
    retry: int | None = None
    private: bool = False
    content: str | None = None
    text: str | None = None
    topics: tuple[str, ...] = ()
    """All its topics, where they are not just the message's own."""
    dialect: int | None = None
    """The draft whose followers an event of the hub's own is for."""


NO_ATTRIBUTES = Attributes()


@lru_cache(maxsize=1024)
def read_attributes(encoded: bytes) -> Attributes:
    """The attributes of a message, whoever published it: what does not fit says nothing."""
    try:
        found: Any = msgspec.json.decode(encoded)
    except (ValueError, RecursionError):
        return NO_ATTRIBUTES
    if not isinstance(found, dict):
        return NO_ATTRIBUTES
    fitting = {}
    for field in msgspec.structs.fields(Attributes):
        try:
            if field.name in found:
                fitting[field.name] = msgspec.convert(found[field.name], field.type)
        except msgspec.ValidationError:
            continue
    return Attributes(**fitting)


def attributes_of(message: Message) -> Attributes:
    """What a message says beside its data."""
    return NO_ATTRIBUTES if message.attributes is None else read_attributes(message.attributes)


def topics_of(message: Message) -> tuple[str, ...]:
    """The topics of the update a message is of."""
    return attributes_of(message).topics or (message.topic,)


# Streams


def id_of(position: Position) -> str:
    """The id of an update that has no other."""
    return PREFIX + str(position)


def position_of(id: str) -> Position | None:
    """The position that an id is; None for one that its publisher gave."""
    return Position.parse(id.removeprefix(PREFIX)) if id.startswith(PREFIX) else None


def frame(message: Message) -> bytes:
    """An event of a stream."""
    attributes = attributes_of(message)
    id = attributes.id
    if id is None and message.position.epoch:
        id = id_of(message.position)
    head = "" if id is None else f"id: {id}\n"
    if attributes.type is not None and not has_control(attributes.type):
        head += f"event: {attributes.type}\n"
    if attributes.retry is not None:
        head += f"retry: {attributes.retry}\n"
    text = attributes.text
    if text is None and attributes.content == TEXT:
        try:
            text = msgspec.json.decode(message.data, type=str)
        except ValueError:  # its topic has a model that made something else of it
            text = None
    if text is not None:
        lines = "".join([f"data: {line}\n" for line in _LINE.split(text)])
        return f"{head}{lines}\n".encode("utf-8", "replace")
    data = message.data
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(_JSON_LINE.split(data))
    return b"%bdata: %b\n\n" % (head.encode(), data)


def standing(position: Position) -> bytes:
    """Says where a stream stands, and dispatches nothing (WHATWG HTML, 9.2.6): a client that is
    cut before the first event then resumes from here.
    """
    return f"id: {id_of(position)}\n\n".encode()


def gap(topics: Sequence[str], position: Position) -> bytes:
    """That updates are lost."""
    lost = msgspec.json.encode({"topics": [topic_of(topic) for topic in named(topics)]})
    return b"id: %b\nevent: gap\ndata: %b\n\n" % (id_of(position).encode(), lost)


def checked_name(topic: str) -> str | None:
    """The hub's name of a topic, or None of what none can have."""
    try:
        return hub_name(topic)
    except InvalidInput:
        return None
