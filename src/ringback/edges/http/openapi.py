"""``/openapi.json`` (OpenAPI 3.1): the application's tasks, and what every application has.

The document is made from what is registered, so it cannot fall behind. What belongs here: the
path of each task and the schemas of what it takes and gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema

from ringback.edges.http.openapi_access import ACCESS_PATHS
from ringback.edges.http.openapi_paths import (
    ANYBODY,
    BEARER,
    IDEMPOTENCY_KEY,
    PATHS,
    PREFER,
    TRACEPARENT,
    parameter,
)
from ringback.edges.http.openapi_schemas import (
    ETAG,
    LOCATION,
    PREFERENCE_APPLIED,
    REPLAYED,
    RETRY_AFTER,
    SCHEMAS,
    TIME,
    URL,
    Json,
    content,
    header,
    problems,
    ref,
)
from ringback.edges.http.openapi_topics import TOPIC_PATHS
from ringback.edges.http.openapi_uploads import UPLOAD_PATHS
from ringback.errors import (
    Forbidden,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    InvalidInput,
    OperationForgotten,
    PayloadTooLarge,
    QueueFull,
    RateLimited,
    Unauthenticated,
    UnsupportedMediaType,
)
from ringback.tasks.registry import Registry, Task
from ringback.tasks.topics import DeclaredTopic

VERSION = "1"
"""Of the HTTP contract."""
DESCRIPTION = (
    "A request is stored, and acknowledged at once with a tracking id; the work is done in the "
    "background. How it goes is told to whoever asks, waits or listens."
)

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]")
"""What the name of a component cannot have in it (OpenAPI 3.1 §4.8.7.1)."""
_REFERENCE = "#/components/schemas/{model}"

_STARTS = [
    parameter(
        "delay",
        "query",
        "Seconds for which it does not start.",
        {"type": "number", "minimum": 0, "maximum": 31_536_000},
    ),
    parameter("start_at", "query", "It does not start before. Of both, the later counts.", TIME),
]

_FOLLOW: Json = {
    operation: {
        "operationId": operation,
        "parameters": {
            "path.id": "$response.body#/id",
            "query.token": "$response.body#/token",
        },
    }
    for operation in ("get_operation", "get_result", "follow_operation", "cancel_operation")
}
"""What a client can do with an acknowledgement (OpenAPI 3.1 §4.8.20)."""


def document(name: str, registry: Registry, prefix: str, *, development: bool) -> Json:
    """The whole document, for an application that is mounted at ``prefix``."""
    schemas = Schemas()
    tasks = {
        f"/tasks/{task.name}": {"post": _submit(task, schemas, development)}
        for task in registry.submittable()
    }
    uploads = UPLOAD_PATHS if registry.uploads else {}
    topics = {
        declared.policy.pattern.text: message_schema(declared, schemas)
        for declared in registry.declared_topics(1.0)
        if declared.model is not None
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": name, "version": VERSION, "description": DESCRIPTION},
        "servers": [{"url": prefix or "/"}],
        "tags": [
            {"name": "tasks", "description": "What can be asked for."},
            {"name": "operations", "description": "What was asked for, and how it goes."},
            *([{"name": "uploads", "description": "Files for a handler."}] if uploads else []),
            {"name": "topics", "description": "What many follow."},
            {"name": "access", "description": "What tokens allow."},
            {"name": "server"},
        ],
        # By the patterns of their names: what a message's data is. OpenAPI has no place for it.
        **({"x-ringback-topics": topics} if topics else {}),
        "paths": {**tasks, **PATHS, **uploads, **TOPIC_PATHS, **ACCESS_PATHS},
        "components": {
            "schemas": {**SCHEMAS, **schemas.found},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token that names the caller, or an operation's own.",
                },
                "token": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "token",
                    "description": "The token of the one operation that this is about.",
                },
            },
        },
    }


class Schemas:
    """The application's own schemas, each under a name of its own."""

    def __init__(self) -> None:
        self.found: dict[str, Json] = {}

    def add(self, make: Callable[[str], Json], task: str, role: str) -> Json:
        """A reference to what ``make`` returns for a template of references.

        A model keeps its name, unless another of that name is another model: then the task's
        name and the role in it go before.
        """
        own = component(f"{task}.{role}")
        for template, prefix in ((_REFERENCE, ""), (f"#/components/schemas/{own}.{{model}}", own)):
            try:
                schema = make(template)
            except PydanticInvalidForJsonSchema:  # a type of the application's own has none
                return {}
            definitions: dict[str, Any] = schema.pop("$defs", {})
            named = {f"{prefix}.{key}" if prefix else key: v for key, v in definitions.items()}
            title = component(str(schema.get("title", "")))
            if schema.get("type") == "object" and title and "$ref" not in schema:
                name = f"{prefix}.{title}" if prefix else title
                if name not in named:
                    named[name], schema = schema, ref(name)
            if all(self._is_free(key, value) for key, value in named.items()):
                self.found |= named
                return schema
        raise AssertionError(f"{own} is not unique: two tasks have one name")

    def _is_free(self, name: str, schema: Json) -> bool:
        return name not in SCHEMAS and self.found.get(name, schema) == schema


def component(name: str) -> str:
    """A name as it may stand in the document; no two become one."""
    return _NO_NAME.sub(lambda match: f"_{ord(match[0]):x}_", name)


def _submit(task: Task, schemas: Schemas, development: bool) -> Json:
    signature = task.signature
    given = schemas.add(signature.input_schema, task.name, "input")
    returned = schemas.add(signature.result_schema, task.name, "result")
    part = schemas.add(signature.parts.schema, task.name, "part")
    shape = schemas.found.get(given.get("$ref", "").rpartition("/")[2], given)
    summary, _, description = task.description.partition("\n")
    anonymous = task.public or development
    followed = {"Location": LOCATION, "Idempotency-Replayed": REPLAYED}
    return {
        "operationId": f"submit_{component(task.name)}",
        "summary": summary or task.name,
        **({"description": description.strip()} if description.strip() else {}),
        "tags": ["tasks"],
        "security": ANYBODY if development else [{}, BEARER] if anonymous else [BEARER],
        "parameters": [
            {**IDEMPOTENCY_KEY, "required": task.idempotency_required},
            PREFER,
            TRACEPARENT,
            *_STARTS,
        ],
        "requestBody": {"required": bool(shape.get("required")), "content": content(given)},
        "responses": {
            "200": {
                "description": "It ended within the wait.",
                "headers": {
                    "Content-Location": header("Where the operation is.", URL),
                    "ETag": ETAG,
                    "Preference-Applied": PREFERENCE_APPLIED,
                    "Idempotency-Replayed": REPLAYED,
                },
                "content": content(_finished(returned, part)),
            },
            "202": {
                "description": "It is stored durably.",
                "headers": {
                    **followed,
                    "Retry-After": RETRY_AFTER,
                    "Preference-Applied": PREFERENCE_APPLIED,
                    "Link": header('Its events, as rel="monitor".'),
                },
                "content": content(ref("Acknowledgement")),
                "links": _FOLLOW,
            },
            **problems(
                *([IdempotencyKeyMissing] if task.idempotency_required else []),
                Unauthenticated,
                Forbidden,
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


def message_schema(declared: DeclaredTopic, schemas: Schemas) -> Json:
    """What the data of messages of declared topics is; anything, without a model."""
    model = declared.model
    if model is None:
        return {}
    return schemas.add(
        lambda template: model.json_schema(ref_template=template),
        declared.policy.pattern.text,
        "message",
    )


def _finished(returned: Json, part: Json) -> Json:
    """An operation with this task's result in it, and its partial ones."""
    parts = {"type": "object", "properties": {"data": part}, "allOf": [ref("Part")]}
    return {
        "allOf": [ref("Acknowledgement")],
        "type": "object",
        "properties": {
            "result": returned,
            **({"parts": {"type": "array", "items": parts}} if part else {}),
        },
    }
