"""The paths of ``/openapi.json`` that are the same for every application."""

from __future__ import annotations

from ringback.core.model import Status
from ringback.edges.http.openapi_schemas import (
    ETAG,
    LOCATION,
    PREFERENCE_APPLIED,
    RETRY_AFTER,
    TEXT,
    UUID,
    Json,
    content,
    header,
    problems,
    ref,
)
from ringback.errors import (
    Forbidden,
    NotFinished,
    NotFound,
    OperationCancelled,
    OperationForgotten,
    QueueFull,
    StaleVersion,
    StillOpen,
    TaskFailed,
    TransitionError,
    Unauthenticated,
    UnknownOperation,
)

ANYBODY: list[Json] = []
BEARER: Json = {"bearer": []}
TOKEN: Json = {"token": []}


def parameter(name: str, place: str, description: str, schema: Json = TEXT) -> Json:
    return {"name": name, "in": place, "description": description, "schema": schema}


IDEMPOTENCY_KEY = parameter(
    "Idempotency-Key",
    "header",
    "Names this request, so that sending it again does nothing twice. A string of structured "
    'fields: in quotes, with `\\"` for a quote in it.',
    {"type": "string", "pattern": r'^"[ !#-\[\]-~]{1,255}"$'},
)
PREFER = parameter(
    "Prefer",
    "header",
    "`wait=N`: answer when there is something new, or after so many seconds. `respond-async`: "
    "answer at once. Never an error (RFC 7240 §4).",
)
TRACEPARENT = parameter("traceparent", "header", "The trace this belongs to (W3C Trace Context).")
_IF_NONE_MATCH = parameter("If-None-Match", "header", "Versions the caller has, in quotes, or *.")
_IF_MATCH = parameter(
    "If-Match",
    "header",
    "The version this was decided on, in quotes, or *.",
    {"type": "string", "pattern": r'^(\*|"[0-9]{1,18}")$'},
)
_POSITION = "The position of a message"

OPERATION_ERRORS = (Unauthenticated, Forbidden, UnknownOperation, OperationForgotten)


def identified(name: str) -> Json:
    return {**parameter(name, "path", "The tracking id.", UUID), "required": True}


def shown(description: str, headers: Json | None = None) -> Json:
    return {
        "description": description,
        "headers": {"ETag": ETAG, **(headers or {})},
        "content": content(ref("Operation")),
    }


def _unchanged(description: str) -> Json:
    return {
        "description": description,
        "headers": {
            "ETag": ETAG,
            "Retry-After": RETRY_AFTER,
            "Preference-Applied": PREFERENCE_APPLIED,
        },
    }


def _query(name: str, description: str, schema: Json) -> Json:
    return parameter(name, "query", description, schema)


LIST: Json = {
    "operationId": "list_operations",
    "summary": "One's own operations, newest first",
    "tags": ["operations"],
    "security": [BEARER],
    "parameters": [
        _query("status", "Only these.", {"type": "string", "enum": [s.value for s in Status]}),
        _query("task", "Only of this task.", TEXT),
        _query("parent", "Only those that this operation caused.", UUID),
        _query(
            "dead_letter",
            "Only those that failed for good, or none of them.",
            {"type": "string", "enum": ["true", "false"]},
        ),
        _query("after", "The last id of the page before.", UUID),
        _query("limit", "How many.", {"type": "integer", "minimum": 1, "maximum": 100}),
    ],
    "responses": {
        "200": {
            "description": "A page.",
            "headers": {"Link": header('The next page, as rel="next".')},
            "content": content(ref("OperationList")),
        },
        **problems(Unauthenticated, Forbidden),
    },
}

SHOW: Json = {
    "operationId": "get_operation",
    "summary": "How an operation stands",
    "description": "200 whatever its state. With If-None-Match and Prefer: wait, a long poll: "
    "the next change, or 304.",
    "tags": ["operations"],
    "security": [TOKEN, BEARER],
    "parameters": [
        _IF_NONE_MATCH,
        _IF_MATCH,
        PREFER,
        _query(
            "after",
            f"{_POSITION}: only partial results after it are shown, the first 1,000, and "
            "`position` is where to go on.",
            TEXT,
        ),
    ],
    "responses": {
        "200": shown(
            "The operation.",
            {"Retry-After": RETRY_AFTER, "Preference-Applied": PREFERENCE_APPLIED},
        ),
        "304": _unchanged("It is as the caller knows it."),
        **problems(*OPERATION_ERRORS, StaleVersion),
    },
}

FORGET: Json = {
    "operationId": "forget_operation",
    "summary": "Delete an operation that has ended",
    "tags": ["operations"],
    "security": [TOKEN, BEARER],
    "parameters": [_IF_MATCH],
    "responses": {
        "204": {"description": "It is gone; asking for it again gives 410."},
        **problems(*OPERATION_ERRORS, StillOpen, StaleVersion),
    },
}

RESULT: Json = {
    "operationId": "get_result",
    "summary": "What an operation returned, alone",
    "tags": ["operations"],
    "security": [TOKEN, BEARER],
    "parameters": [_IF_NONE_MATCH, _IF_MATCH, PREFER],
    "responses": {
        "200": {
            "description": "The result.",
            "headers": {"ETag": ETAG, "Preference-Applied": PREFERENCE_APPLIED},
            "content": content({}),
        },
        "304": _unchanged("It is as the caller knows it."),
        **problems(*OPERATION_ERRORS, NotFinished, StaleVersion, OperationCancelled, TaskFailed),
    },
}

EVENTS: Json = {
    "operationId": "follow_operation",
    "summary": "Every change, as it comes",
    "description": "Server-Sent Events. First `snapshot` (the operation), then `status` (the "
    "operation, without links), `progress` ({attempt, fraction, message}) and `part` (a partial "
    "result). `gap` says that messages are missing, and a snapshot follows. `id` is the position. "
    "The stream ends after the change that is the last.",
    "tags": ["operations"],
    "security": [TOKEN, BEARER],
    "parameters": [
        parameter("Last-Event-ID", "header", f"{_POSITION}: the stream goes on after it."),
        _query("after", f"{_POSITION}, likewise; `earliest`: from the first message.", TEXT),
    ],
    "responses": {
        "200": {"description": "The stream.", "content": content(TEXT, "text/event-stream")},
        "204": {"description": "Nothing will come any more: stop asking."},
        **problems(*OPERATION_ERRORS, QueueFull),
    },
}

CANCEL: Json = {
    "operationId": "cancel_operation",
    "summary": "Ask an operation to stop",
    "description": "Idempotent, and best effort: it may still succeed. What comes of it is the "
    "status.",
    "tags": ["operations"],
    "security": [TOKEN, BEARER],
    "parameters": [_IF_MATCH],
    "responses": {
        "200": shown("It had ended already, and is as it was."),
        "202": shown("It was asked to stop.", {"Retry-After": RETRY_AFTER}),
        **problems(*OPERATION_ERRORS, StaleVersion),
    },
}

REDRIVE: Json = {
    "operationId": "redrive_operation",
    "summary": "Do a dead letter's work again, as a new operation",
    "tags": ["operations"],
    "security": [BEARER],
    "responses": {
        "202": {
            "description": "The new operation.",
            "headers": {"Location": LOCATION, "Retry-After": RETRY_AFTER},
            "content": content(ref("Acknowledgement")),
        },
        **problems(*OPERATION_ERRORS, TransitionError),
    },
}

HEALTH: Json = {
    "operationId": "health",
    "summary": "Whether the server can answer, and its store",
    "tags": ["server"],
    "security": ANYBODY,
    "responses": {
        "200": {"description": "It can.", "content": content(ref("Health"))},
        **problems(Forbidden),
    },
}

_SCRIPT_HEADERS = {
    "ETag": header("Of its content, in quotes."),
    "Cache-Control": header("How long it may be kept."),
}
_SCRIPT: Json = {
    "tags": ["server"],
    "security": ANYBODY,
    "parameters": [_IF_NONE_MATCH],
    "responses": {
        "200": {
            "description": "A module, or the source map of one.",
            "headers": _SCRIPT_HEADERS,
            "content": content(TEXT, "text/javascript") | content({}, "application/json"),
        },
        "304": {"description": "It is as the caller knows it.", "headers": _SCRIPT_HEADERS},
        **problems(Forbidden, NotFound),
    },
}
SCRIPT: Json = {
    **_SCRIPT,
    "operationId": "script",
    "summary": "The client for pages, as a JavaScript module",
}
SCRIPT_PART: Json = {
    **_SCRIPT,
    "operationId": "script_part",
    "summary": "What that module loads on first use",
}

PATHS: dict[str, Json] = {
    "/operations": {"get": LIST},
    "/operations/{id}": {"parameters": [identified("id")], "get": SHOW, "delete": FORGET},
    "/operations/{id}/result": {"parameters": [identified("id")], "get": RESULT},
    "/operations/{id}/events": {"parameters": [identified("id")], "get": EVENTS},
    "/operations/{id}/cancel": {"parameters": [identified("id")], "post": CANCEL},
    "/operations/{id}/redrive": {"parameters": [identified("id")], "post": REDRIVE},
    "/healthz": {"get": HEALTH},
    "/ringback.js": {"get": SCRIPT},
    "/ringback/{name}": {
        "parameters": [
            {**parameter("name", "path", "A file that the module names."), "required": True}
        ],
        "get": SCRIPT_PART,
    },
}
