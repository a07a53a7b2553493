"""The schemas of ``/openapi.json`` that are the same for every application.

What belongs here: how the representations look, and which errors there are. The paths are in
``openapi_paths``; what the application's own tasks take and give is in ``openapi``.
"""

from __future__ import annotations

from typing import Any

from ringback.core.model import Status
from ringback.errors import (
    HeadersTooLarge,
    MalformedRequest,
    RingbackError,
    StoreUnavailable,
)

Json = dict[str, Any]

UUID = {"type": "string", "format": "uuid"}
TIME = {"type": "string", "format": "date-time"}
TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
URL = {"type": "string", "format": "uri-reference"}

EVERYWHERE = (MalformedRequest, HeadersTooLarge, RingbackError, StoreUnavailable)
"""What any route may answer."""


def ref(name: str) -> Json:
    """A reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def content(schema: Json, media: str = "application/json") -> Json:
    """What an answer or a body of one media type consists of."""
    return {media: {"schema": schema}}


def either(*schemas: Json) -> Json:
    """One of these, or null."""
    return {"anyOf": [*schemas, {"type": "null"}]}


def header(description: str, schema: Json = TEXT) -> Json:
    """A header of an answer."""
    return {"description": description, "schema": schema}


RETRY_AFTER = header("Seconds after which asking again makes sense.", COUNT)
ETAG = header("The version, in quotes.")
LOCATION = header("Where the operation is.", URL)
PREFERENCE_APPLIED = header("Which preferences were followed (RFC 7240 §3).")
REPLAYED = header("true: the answer to an earlier request with this key.")


def problems(*kinds: type[RingbackError]) -> dict[str, Json]:
    """Answers for these errors and those of every route, by status."""
    by_status: dict[int, list[type[RingbackError]]] = {}
    several: tuple[type[RingbackError], ...] = (*kinds, *EVERYWHERE)
    for kind in dict.fromkeys(several):
        by_status.setdefault(kind.status, []).append(kind)
    return {str(status): _problem(found) for status, found in sorted(by_status.items())}


def _problem(kinds: list[type[RingbackError]]) -> Json:
    listed = "\n".join(
        f"- `{kind.code}`: {' '.join((kind.__doc__ or '').split())}" for kind in kinds
    )
    answer: Json = {
        "description": listed,
        "content": content(ref("Problem"), "application/problem+json"),
    }
    if any(kind.retryable for kind in kinds):
        answer["headers"] = {"Retry-After": RETRY_AFTER}
    if kinds[0].status == 401:
        answer["headers"] = {"WWW-Authenticate": header("Bearer (RFC 6750 §3).")}
    return answer


def without_content(answers: dict[str, Json]) -> dict[str, Json]:
    """The same for HEAD."""
    return {
        status: {name: value for name, value in answer.items() if name != "content"}
        for status, answer in answers.items()
    }


_LINKS: Json = {
    "type": "object",
    "description": "Where the operation's resources are.",
    "required": ["self", "events", "result", "cancel"],
    "properties": dict.fromkeys(("self", "events", "result", "cancel", "upload"), URL),
    "additionalProperties": False,
}

_OPERATION: Json = {
    "type": "object",
    "description": "One operation: what was asked for, and how it goes.",
    "required": [
        "id",
        "task",
        "status",
        "version",
        "attempt",
        "created_at",
        "updated_at",
        "progress",
        "part_count",
        "links",
    ],
    "properties": {
        "id": {**UUID, "description": "The tracking id."},
        "task": TEXT,
        "status": ref("Status"),
        "version": {**COUNT, "description": "Grows with every change; the ETag."},
        "attempt": {**COUNT, "description": "Counts from 1; 0 before the first."},
        "created_at": TIME,
        "updated_at": TIME,
        "started_at": TIME,
        "finished_at": TIME,
        "ready_at": {**TIME, "description": "It does not start before."},
        "progress": either(ref("Progress")),
        "part_count": {**COUNT, "description": "How many partial results there are."},
        "parts": {
            "type": "array",
            "items": ref("Part"),
            "description": "Partial results of the current attempt, the newest if there are many.",
        },
        "cancel_requested": {"type": "boolean"},
        "dead_letter": {"type": "boolean", "description": "Failed for good; may be redriven."},
        "parent": {**UUID, "description": "The operation that caused this one."},
        "result": {"description": "What the task returned, unless that is large."},
        "result_size": {**COUNT, "description": "Bytes of a result too large to stand here."},
        "error": ref("Problem"),
        "position": {**TEXT, "description": "Where to follow its events from."},
        "links": ref("Links"),
    },
}

_SIGNED_URL: Json = {
    **TEXT,
    "description": "Where all bytes can be put in one request that does not come here.",
}
_TOKEN: Json = {
    "token": {
        **TEXT,
        "description": "Lets whoever holds it follow and cancel this operation, and nothing "
        "else: as ?token=, or as Authorization: Bearer.",
    },
    "token_expires_at": TIME,
}

SCHEMAS: dict[str, Json] = {
    "Status": {
        "type": "string",
        "enum": [status.value for status in Status],
        "description": "The last three are terminal: they never change again.",
    },
    "Progress": {
        "type": "object",
        "required": ["fraction", "message"],
        "properties": {
            "fraction": either({"type": "number", "minimum": 0, "maximum": 1}),
            "message": either(TEXT),
        },
        "additionalProperties": False,
    },
    "Part": {
        "type": "object",
        "required": ["index", "attempt", "data"],
        "properties": {"index": COUNT, "attempt": COUNT, "data": {}},
        "additionalProperties": False,
    },
    "Links": _LINKS,
    "Operation": _OPERATION,
    "Acknowledgement": {
        "description": "An operation, with the token that opens it.",
        "allOf": [ref("Operation")],
        "type": "object",
        "required": list(_TOKEN),
        "properties": _TOKEN,
    },
    "OperationList": {
        "type": "object",
        "required": ["operations", "next"],
        "properties": {
            "operations": {"type": "array", "items": ref("Operation")},
            "next": {**either(URL), "description": "The next page."},
        },
        "additionalProperties": False,
    },
    "Health": {
        "type": "object",
        "required": ["status", "queued"],
        "properties": {"status": {"const": "ok"}, "queued": COUNT},
    },
    "Fault": {
        "type": "object",
        "required": ["pointer", "detail"],
        "properties": {
            "pointer": {**TEXT, "format": "json-pointer"},
            "detail": TEXT,
        },
    },
    "Problem": {
        "type": "object",
        "description": "RFC 9457. Further members are what a program can act on.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {**TEXT, "description": "What is wrong, and the cure."},
            "instance": URL,
            "errors": {
                "type": "array",
                "items": ref("Fault"),
                "description": "Where the input does not fit (RFC 6901).",
            },
            "retry_after": {"type": "number", "description": "Seconds."},
        },
    },
    "UploadDeclaration": {
        "type": "object",
        "required": ["name", "size"],
        "properties": {
            "name": {**TEXT, "minLength": 1, "description": "Segments joined by '/'."},
            "size": {**COUNT, "description": "Bytes."},
            "type": {**TEXT, "description": "The media type."},
            "sha256": {**TEXT, "pattern": "^[0-9A-Fa-f]{64}$"},
        },
        "additionalProperties": False,
    },
    "UploadAcknowledgement": {
        "description": "The operation that starts when the bytes are complete.",
        "allOf": [ref("Acknowledgement")],
        "type": "object",
        "required": ["upload"],
        "properties": {
            "upload": {
                "type": "object",
                "required": ["url", "offset", "size", "expires_at"],
                "properties": {
                    "url": {**URL, "description": "Where the bytes go."},
                    "offset": {**COUNT, "description": "How many are stored."},
                    "size": COUNT,
                    "expires_at": {**TIME, "description": "By when they have to be complete."},
                    "signed_url": _SIGNED_URL,
                },
            }
        },
    },
    "Upload": {
        "type": "object",
        "required": ["offset", "size"],
        "properties": {
            "offset": {**COUNT, "description": "How many bytes are stored."},
            "size": COUNT,
            "name": TEXT,
            "type": TEXT,
            "complete": {"type": "boolean"},
            "signed_url": _SIGNED_URL,
        },
    },
}
