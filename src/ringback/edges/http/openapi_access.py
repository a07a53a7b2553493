"""The paths of ``/openapi.json`` about who follows, how much, and ending what tokens allow."""

from __future__ import annotations

from ringback.core.access import ADMIN_SCOPE, METRICS_SCOPE
from ringback.edges.http.openapi_paths import BEARER, parameter
from ringback.edges.http.openapi_schemas import Json, content, problems
from ringback.errors import (
    Forbidden,
    InvalidInput,
    MalformedRequest,
    NotFound,
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
    "/metrics": {
        "get": {
            "operationId": "show_metrics",
            "summary": "What this process does, for Prometheus",
            "description": f"Takes the scope `{METRICS_SCOPE}` or `{ADMIN_SCOPE}`.",
            "tags": ["access"],
            "security": [{}, BEARER],
            "responses": {
                "200": {
                    "description": "Connections, messages, what is queued, and the process itself.",
                    "content": {
                        kind: {"schema": {"type": "string"}}
                        for kind in ("text/plain", "application/openmetrics-text")
                    },
                },
                **problems(Unauthenticated, Forbidden, NotFound),
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
