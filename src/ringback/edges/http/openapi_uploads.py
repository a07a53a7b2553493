"""The paths of ``/openapi.json`` for uploads: there where an application handles some."""

from __future__ import annotations

from ringback.edges.http.openapi_paths import (
    BEARER,
    IDEMPOTENCY_KEY,
    OPERATION_ERRORS,
    TOKEN,
    TRACEPARENT,
    identified,
    parameter,
    shown,
)
from ringback.edges.http.openapi_schemas import (
    COUNT,
    REPLAYED,
    URL,
    Json,
    content,
    header,
    problems,
    ref,
    without_content,
)
from ringback.errors import (
    ChecksumMismatch,
    Forbidden,
    IdempotencyKeyReused,
    InvalidInput,
    NotFound,
    OffsetMismatch,
    OperationForgotten,
    PayloadTooLarge,
    QueueFull,
    RateLimited,
    Unauthenticated,
    UnsupportedMediaType,
    UploadBusy,
    UploadEnded,
    UploadExpired,
    UploadStalled,
)

DIGITS = r"^[0-9]{1,18}$"

_OFFSET = {
    "Upload-Offset": header("How many bytes are stored.", COUNT),
    "Upload-Length": header("How many there are to be.", COUNT),
    "Upload-Complete": header("?1: all of them."),
}
_UPLOAD = (
    *OPERATION_ERRORS,
    UploadStalled,
    OffsetMismatch,
    UploadBusy,
    UploadEnded,
    UploadExpired,
    PayloadTooLarge,
    UnsupportedMediaType,
    ChecksumMismatch,
    QueueFull,
)


def _send(operation: str, summary: str) -> Json:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["uploads"],
        "security": [TOKEN, BEARER],
        "parameters": [
            parameter(
                "Upload-Offset",
                "header",
                "Where these bytes begin; 0 unless said.",
                {"type": "string", "pattern": DIGITS},
            ),
            parameter(
                "Upload-Complete",
                "header",
                "?1: these are the last.",
                {"type": "string", "enum": ["?0", "?1"]},
            ),
            parameter("Content-Range", "header", "Another way to say which bytes these are."),
            parameter("Repr-Digest", "header", "The checksum of the whole (RFC 9530 §3)."),
        ],
        "requestBody": {"content": {"*/*": {}}},
        "responses": {
            "200": {
                "description": "Stored: the upload, or, if all bytes are there and the operation "
                "has ended already, the operation.",
                "headers": _OFFSET,
                "content": content({"anyOf": [ref("Upload"), ref("Operation")]}),
            },
            "202": shown("All bytes are stored, and the operation begins.", _OFFSET),
            **problems(*_UPLOAD),
        },
    }


UPLOAD_PATHS: dict[str, Json] = {
    "/uploads": {
        "post": {
            "operationId": "declare_upload",
            "summary": "Say what will be uploaded",
            "tags": ["uploads"],
            "security": [{}, BEARER],  # whom a handler takes files of is its own to say
            "parameters": [IDEMPOTENCY_KEY, TRACEPARENT],
            "requestBody": {"required": True, "content": content(ref("UploadDeclaration"))},
            "responses": {
                "201": {
                    "description": "Where to send the bytes, and the operation they are for.",
                    "headers": {
                        "Location": header("Where the bytes go.", URL),
                        "Idempotency-Replayed": REPLAYED,
                    },
                    "content": content(ref("UploadAcknowledgement")),
                },
                **problems(
                    Unauthenticated,
                    Forbidden,
                    NotFound,
                    OperationForgotten,
                    PayloadTooLarge,
                    UnsupportedMediaType,
                    InvalidInput,
                    IdempotencyKeyReused,
                    RateLimited,
                    QueueFull,
                ),
            },
        }
    },
    "/uploads/{id}": {
        "parameters": [identified("id")],
        "get": {
            "operationId": "get_upload",
            "summary": "How many bytes are stored",
            "tags": ["uploads"],
            "security": [TOKEN, BEARER],
            "responses": {
                "200": {
                    "description": "The upload.",
                    "headers": _OFFSET,
                    "content": content(ref("Upload")),
                },
                **problems(*OPERATION_ERRORS, UploadEnded, UploadExpired),
            },
        },
        "head": {
            "operationId": "head_upload",
            "summary": "The same, in the headers alone",
            "tags": ["uploads"],
            "security": [TOKEN, BEARER],
            "responses": {
                "200": {"description": "The upload.", "headers": _OFFSET},
                **without_content(problems(*OPERATION_ERRORS, UploadEnded, UploadExpired)),
            },
        },
        "put": _send("send_upload", "Send the bytes, or the rest of them"),
        "patch": _send("continue_upload", "Send the bytes, or the rest of them"),
        "delete": {
            "operationId": "cancel_upload",
            "summary": "Cancel the operation, and delete the bytes",
            "tags": ["uploads"],
            "security": [TOKEN, BEARER],
            "responses": {
                "200": shown("It has ended."),
                "202": shown("It was asked to stop."),
                **problems(*OPERATION_ERRORS),
            },
        },
    },
}
