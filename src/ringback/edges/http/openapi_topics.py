"""The paths of ``/openapi.json`` for topics."""

from __future__ import annotations

from ringback.core.topics import MAX_TOPIC_LENGTH
from ringback.edges.http.openapi_paths import BEARER, PREFER, TOKEN, parameter
from ringback.edges.http.openapi_schemas import (
    COUNT,
    PREFERENCE_APPLIED,
    TEXT,
    TIME,
    Json,
    content,
    either,
    problems,
)
from ringback.edges.http.topic_pages import MAX_LIMIT
from ringback.errors import (
    CapacityError,
    Forbidden,
    InvalidInput,
    OperationForgotten,
    PayloadTooLarge,
    QueueFull,
    RateLimited,
    Unauthenticated,
    UnknownOperation,
    UnknownTopic,
    UnsupportedMediaType,
)

POSITION = {**TEXT, "description": "Where it stands among the messages of all topics."}
MESSAGE: Json = {
    "type": "object",
    "description": "A message, as those who follow get it.",
    "required": ["topic", "position", "at", "data"],
    "properties": {
        "topic": TEXT,
        "position": {**either(POSITION), "description": "null: its topic keeps nothing."},
        "at": TIME,
        "data": {"description": "What was published."},
    },
    "additionalProperties": False,
}
GAP: Json = {
    "type": "object",
    "description": "Messages are gone, of these topics, or of any if none is named.",
    "required": ["topics", "position"],
    "properties": {
        "topics": {"type": "array", "items": TEXT},
        "position": {**either(POSITION), "description": "null: of operations alone."},
    },
    "additionalProperties": False,
}
_PAGE: Json = {
    "type": "object",
    "required": ["messages", "position", "gap", "missed"],
    "properties": {
        "messages": {"type": "array", "items": MESSAGE},
        "position": {**POSITION, "description": "What to send as `after` for the next page."},
        "gap": {"type": "boolean", "description": "Messages after `after` are gone."},
        "missed": {
            "type": "array",
            "items": TEXT,
            "description": "The topics of which some are; empty: it may be any.",
        },
    },
    "additionalProperties": False,
}
_PUBLISHED: Json = {
    "type": "object",
    "required": ["topic", "position", "listeners"],
    "properties": {"topic": TEXT, "position": either(POSITION), "listeners": COUNT},
    "additionalProperties": False,
}
_TOPIC: Json = {
    **parameter(
        "topic",
        "path",
        "Its name: all that follows, with its slashes.",
        {"type": "string", "minLength": 1, "maxLength": MAX_TOPIC_LENGTH},
    ),
    "required": True,
}
_FILTER: Json = {
    **parameter(
        "filter",
        "query",
        "Topics: a name; or MQTT's wildcards, `+` for a segment and `#` for the rest; or a URI "
        "template; or `operations/{id}`. Repeatable.",
        {"type": "array", "items": TEXT, "minItems": 1},
    ),
    "required": True,
    "style": "form",
    "explode": True,
}
_FOLLOWING = [
    parameter(
        "after",
        "query",
        "A position, or `earliest`: only what came after it. Without one it begins now, with the "
        "last values of topics that retain them.",
    ),
    parameter("Last-Event-ID", "header", "The same, and the newer word where both are there."),
    parameter(
        "limit",
        "query",
        "How many messages a page has at most.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
    ),
    PREFER,
]


def _follow(operation: str, summary: str, parameters: list[Json]) -> Json:
    return {
        "operationId": operation,
        "summary": summary,
        "description": "As `text/event-stream` every message as it comes, as an event without a "
        "name whose id is the position; `gap` says that messages are missing; events of operations "
        "are named as in their own stream. Else a page of JSON, with `Prefer: wait=N` once there "
        "is something in it.",
        "tags": ["topics"],
        "security": [{}, TOKEN, BEARER],
        "parameters": [*parameters, *_FOLLOWING],
        "responses": {
            "200": {
                "description": "A page, or the stream.",
                "headers": {"Preference-Applied": PREFERENCE_APPLIED},
                "content": {**content(_PAGE), **content(TEXT, "text/event-stream")},
            },
            **problems(
                Unauthenticated,
                Forbidden,
                UnknownTopic,
                UnknownOperation,
                OperationForgotten,
                InvalidInput,
                RateLimited,
                QueueFull,
                CapacityError,
            ),
        },
    }


def _published(description: str) -> Json:
    return {"description": description, "content": content(_PUBLISHED)}


TOPIC_PATHS: dict[str, Json] = {
    "/topics": {"get": _follow("follow_topics", "Follow topics", [_FILTER])},
    "/topics/{topic}": {
        "get": _follow("follow_topic", "Follow one topic", [_TOPIC]),
        "post": {
            "operationId": "publish",
            "summary": "Publish a message",
            "description": "Stored durably before the answer, unless its topic is ephemeral. There "
            "is no Idempotency-Key: a request that is sent again is another message.",
            "tags": ["topics"],
            "security": [{}, BEARER],
            "parameters": [_TOPIC],
            "requestBody": {"required": True, "content": content({})},
            "responses": {
                "201": _published("Somebody follows the topic, in this process."),
                "202": _published("Nobody does."),
                **problems(
                    Unauthenticated,
                    Forbidden,
                    UnknownTopic,
                    PayloadTooLarge,
                    UnsupportedMediaType,
                    InvalidInput,
                    RateLimited,
                ),
            },
        },
    },
}
