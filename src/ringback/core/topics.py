"""Names of topics: one rule for every edge.

A name is one or more segments joined by ``/``. It carries no wildcard, no empty segment, no
``.`` or ``..`` segment and no control character, so that it means the same as a URL path, an
MQTT topic (MQTT 5 §4.7) and a NATS subject. It may be an IRI, ``https://example.com/books/1``,
as Mercure's topics are: of that the one empty segment, behind the scheme, is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ringback.errors import InvalidInput

MAX_TOPIC_LENGTH = 256
"""Characters: AWS IoT's bound, the lowest among the transports."""
MAX_TOPIC_SEGMENTS = 8
"""AWS IoT allows seven slashes. The scheme of an IRI and what is empty behind it do not count:
AWS IoT has no IRIs."""
OPERATIONS = "operations/"
"""Prefix of the topics that are operations' logs; only the core writes there."""
RESERVED = (OPERATIONS, "$")
"""Beginnings of names that an application cannot publish to."""

MAX_NAMED = 100
"""Topics that one gap names."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9.-]*:")  # RFC 3986 §3.1, but for the wildcard +
_SEGMENT = re.compile(r"[^\x00-\x20\x7f/+#*\ud800-\udfff]+")


def check_name(topic: str) -> str:
    """``topic``, if it is a well-formed name; raises ``InvalidInput`` that says why it is none."""
    if not topic or len(topic) > MAX_TOPIC_LENGTH:
        raise InvalidInput(f"A topic has 1 to {MAX_TOPIC_LENGTH} characters.", topic=topic[:64])
    segments = topic.split("/")
    if is_iri(segments):
        del segments[:2]
    if len(segments) > MAX_TOPIC_SEGMENTS:
        raise InvalidInput(f"A topic has at most {MAX_TOPIC_SEGMENTS} segments.", topic=topic)
    for segment in segments:
        if segment in {"", ".", ".."} or not _SEGMENT.fullmatch(segment):
            raise InvalidInput(
                "A topic is segments joined by '/', none empty, '.' or '..', "
                "without wildcards (+ # *), spaces or control characters.",
                topic=topic,
            )
    return topic


def is_iri(segments: Sequence[str]) -> bool:
    """Whether segments begin as an IRI's do, with a scheme and then none."""
    return len(segments) > 2 and not segments[1] and _SCHEME.fullmatch(segments[0]) is not None


def named(lost: Sequence[str]) -> Sequence[str]:
    """The topics that lost messages, as a gap names them: none of many, for it may be any then.
    Were only some of them named, nobody would load the others anew.
    """
    return lost if len(lost) <= MAX_NAMED else ()


def check_publishable(topic: str) -> str:
    """The same, and refuses what only Ringback itself may write."""
    if topic.startswith(RESERVED):
        raise InvalidInput(
            f"Topics beginning with {OPERATIONS!r} or '$' are Ringback's own.", topic=topic
        )
    return check_name(topic)
