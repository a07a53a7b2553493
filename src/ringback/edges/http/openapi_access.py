"""The paths of ``/openapi.json`` about callers: who follows, and ending what tokens allow."""

from __future__ import annotations

from ringback.edges.http.openapi_paths import BEARER, parameter
from ringback.edges.http.openapi_schemas import Json, content, problems
from ringback.errors import (
    Forbidden,
    InvalidInput,
    MalformedRequest,
    PayloadTooLarge,
    Unauthenticated,
    UnknownTopic,
    UnsupportedMediaType,
)

_NAME = {"type": "string", "minLength": 1, "maxLength": 255}

ACCESS_PATHS: dict[str, Json] = {
    "/presence/{topic}": {
        "get": {
            "operationId": "show_presence",
            "summary": "Who follows a topic",
            "tags": ["topics"],
            "security": [{}, BEARER],
            "parameters": [
                {**parameter("topic", "path", "Its name, with its slashes."), "required": True}
            ],
            "responses": {
                "200": {
                    "description": "How many, and for whoever may see it, who.",
                    "content": content(
                        {
                            "type": "object",
                            "required": ["topic", "connections"],
                            "properties": {
                                "topic": {"type": "string"},
                                "connections": {"type": "integer", "minimum": 0},
                                "subjects": {"type": "array", "items": {"type": "string"}},
                                "anonymous": {"type": "integer", "minimum": 0},
                            },
                        }
                    ),
                },
                **problems(Unauthenticated, Forbidden, UnknownTopic, InvalidInput),
            },
        }
    },
    "/revocations": {
        "post": {
            "operationId": "revoke",
            "summary": "End what tokens of a subject, or of an operation, allow",
            "tags": ["access"],
            "security": [{}, BEARER],
            "requestBody": {
                "required": True,
                "content": content(
                    {
                        "oneOf": [
                            {
                                "type": "object",
                                "required": [name],
                                "properties": {name: _NAME},
                                "additionalProperties": False,
                            }
                            for name in ("subject", "operation")
                        ]
                    }
                ),
            },
            "responses": {
                "204": {"description": "Done."},
                **problems(
                    MalformedRequest,
                    Unauthenticated,
                    Forbidden,
                    PayloadTooLarge,
                    UnsupportedMediaType,
                    InvalidInput,
                ),
            },
        }
    },
}
