"""The channels of ``/asyncapi.json`` for topics: one for each declaration."""

from __future__ import annotations

import re

from ringback.edges.http.openapi import Schemas, component, message_schema
from ringback.edges.http.openapi_schemas import Json
from ringback.edges.http.openapi_topics import GAP, MESSAGE
from ringback.tasks.registry import Registry
from ringback.tasks.topics import DeclaredTopic

JSON = "application/json"
WORDS = {"+": "segment", "#": "rest", "*": "topic"}
"""What wildcards are called where they have to have a name."""
_EXPRESSION = re.compile(r"\{\+?([A-Za-z_][A-Za-z0-9_.]*)\}|[+#*]")


def topic_channels(registry: Registry, schemas: Schemas, binding: str) -> tuple[Json, Json]:
    """Channels and operations: what the application receives, and sends to those who follow."""
    channels: Json = {}
    operations: Json = {}
    for declared in registry.declared_topics(1.0):
        pattern = declared.policy.pattern.text
        name = component(pattern)
        channels[f"topic_{name}"] = _channel(declared, schemas, pattern)
        here = f"#/channels/topic_{name}"
        operations[f"publish_{name}"] = {
            "action": "receive",
            "summary": f"Publish to {pattern}.",
            "channel": {"$ref": here},
            "messages": [{"$ref": f"{here}/messages/published"}],
            "bindings": {"http": {"method": "POST", "bindingVersion": binding}},
        }
        operations[f"follow_{name}"] = {
            "action": "send",
            "summary": f"Every message of {pattern}, as it comes.",
            "channel": {"$ref": here},
            "messages": [{"$ref": f"{here}/messages/{kind}"} for kind in ("message", "gap")],
        }
    return channels, operations


def _channel(declared: DeclaredTopic, schemas: Schemas, pattern: str) -> Json:
    address, parameters = _address(pattern)
    data = message_schema(declared, schemas)
    properties = {**MESSAGE["properties"], "data": data} if data else MESSAGE["properties"]
    kept = "kept" if declared.policy.keep is not None else "not kept: who follows now gets them"
    return {
        "address": f"/topics/{address}",
        "title": pattern,
        "description": f"Messages are {kept}. Followed as Server-Sent Events, where the id of an "
        "event is its position, from which a stream goes on (Last-Event-ID); by polling; over a "
        "WebSocket.",
        **({"parameters": parameters} if parameters else {}),
        "messages": {
            "published": _message("published", "What is published.", data),
            "message": _message(
                "message", "What those get who follow.", {**MESSAGE, "properties": properties}
            ),
            "gap": _message("gap", "Messages are gone.", GAP),
        },
    }


def _message(name: str, summary: str, payload: Json) -> Json:
    return {"name": name, "summary": summary, "contentType": JSON, "payload": payload}


def _address(pattern: str) -> tuple[str, Json]:
    """A pattern as an address: with an expression for whatever is not said literally."""
    parameters: Json = {}

    def expression(found: re.Match[str]) -> str:
        name = (found[1] or WORDS[found[0]]).replace(".", "_")
        while name in parameters:
            name += "_"
        parameters[name] = {"description": "A part of the topic's name."}
        return f"{{{name}}}"

    return _EXPRESSION.sub(expression, pattern), parameters
