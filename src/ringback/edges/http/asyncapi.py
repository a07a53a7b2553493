"""``/asyncapi.json`` (AsyncAPI 3.0): what is sent and received, and not only asked and answered.

Made from what is registered, like ``/openapi.json``, and with the same schemas. It says what that
cannot: which events an operation's stream brings, and what is in each. Actions are those of the
application (AsyncAPI 3.0.0, Operation Object): it receives submissions and sends events.
"""

from __future__ import annotations

from ringback.edges.http.asyncapi_topics import topic_channels
from ringback.edges.http.openapi import DESCRIPTION, VERSION, Schemas, component
from ringback.edges.http.openapi_schemas import COUNT, SCHEMAS, Json, either, ref
from ringback.tasks.registry import Registry, Task

JSON = "application/json"
HTTP_BINDING = "0.3.0"
"""Version of the HTTP binding's schema."""

EVENTS: dict[str, tuple[str, Json]] = {
    "snapshot": ("The operation as it stands: the first event, and the first after a gap.", {}),
    "status": ("The operation as it was after this change. Without links.", {}),
    "progress": (
        "How far it is.",
        {
            "type": "object",
            "required": ["attempt", "fraction", "message"],
            "properties": {
                "attempt": COUNT,
                "fraction": either({"type": "number", "minimum": 0, "maximum": 1}),
                "message": either({"type": "string"}),
            },
            "additionalProperties": False,
        },
    ),
    "part": ("A partial result.", ref("Part")),
    "gap": (
        "Events after the position asked for are gone, or it is of another store.",
        {"type": "object", "maxProperties": 0},
    ),
}
"""The events of an operation's stream, with their data; empty: an operation."""


def asynchronous(name: str, registry: Registry) -> Json:
    """The whole document."""
    schemas = Schemas()
    channels: Json = {"operation": _stream(), "acknowledgement": _acknowledgement()}
    operations: Json = {
        "follow_operation": {
            "action": "send",
            "summary": "Every change of an operation, as it comes, until it ends.",
            "channel": {"$ref": "#/channels/operation"},
        }
    }
    for task in registry.submittable():
        key = f"task_{component(task.name)}"
        channels[key] = _submissions(task, schemas)
        operations[f"submit_{component(task.name)}"] = {
            "action": "receive",
            "summary": task.description.partition("\n")[0] or task.name,
            "channel": {"$ref": f"#/channels/{key}"},
            "bindings": {"http": {"method": "POST", "bindingVersion": HTTP_BINDING}},
            "reply": {"channel": {"$ref": "#/channels/acknowledgement"}},
        }
    of_topics, with_topics = topic_channels(registry, schemas, HTTP_BINDING)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": name, "version": VERSION, "description": DESCRIPTION},
        "defaultContentType": JSON,
        "channels": channels | of_topics,
        "operations": operations | with_topics,
        "components": {"schemas": {**SCHEMAS, **schemas.found}},
    }


def _stream() -> Json:
    return {
        "address": "/operations/{id}/events",
        "title": "The events of one operation",
        "description": "Server-Sent Events. The name of a message is that of the event; the id of "
        "an event is its position, from which a stream goes on (Last-Event-ID).",
        "parameters": {"id": {"description": "The tracking id."}},
        "messages": {
            kind: {
                "name": kind,
                "summary": summary,
                "contentType": JSON,
                "payload": payload or _operation(kind),
            }
            for kind, (summary, payload) in EVENTS.items()
        },
    }


def _operation(kind: str) -> Json:
    """A snapshot is the whole representation; a change of status has no links in it."""
    if kind == "snapshot":
        return ref("Operation")
    whole = SCHEMAS["Operation"]
    return {**whole, "required": [name for name in whole["required"] if name != "links"]}


def _acknowledgement() -> Json:
    return {
        "address": None,  # the answer to the request itself
        "title": "Where to look, when, and the token to do it with",
        "messages": {
            "acknowledgement": {
                "name": "acknowledgement",
                "summary": "It is stored durably: the 202.",
                "contentType": JSON,
                "payload": ref("Acknowledgement"),
            }
        },
    }


def _submissions(task: Task, schemas: Schemas) -> Json:
    return {
        "address": f"/tasks/{task.name}",
        "messages": {
            "input": {
                "name": task.name,
                "contentType": JSON,
                "payload": schemas.add(task.signature.input_schema, task.name, "input"),
            }
        },
    }
