"""The tasks and topics of an OpenAPI document as the ``Api`` that ``connect<Api>()`` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringback.cli.typescript import Types, comment, indented, key

API = "Api"
"""The name of the interface; no schema gets it."""
HEADER = "Written by `ringback types`: changes here are lost when it runs again."
TOPICS = "x-ringback-topics"
"""Where the document has what messages of declared topics are: OpenAPI itself knows none."""
_SUBMISSION = "/tasks/"


def api_types(document: Mapping[str, Any]) -> str:
    """A module of TypeScript, for the whole document."""
    types = Types(document.get("components", {}).get("schemas", {}), taken=[API])
    tasks = [
        _task(types, path.removeprefix(_SUBMISSION), item["post"])
        for path, item in document.get("paths", {}).items()
        if path.startswith(_SUBMISSION) and "post" in item
    ]
    name = str(document.get("info", {}).get("title", ""))
    declared = [
        f"{key(pattern)}: {types.of(schema)};"
        for pattern, schema in document.get(TOPICS, {}).items()
    ]
    topics = "\ntopics: {\n" + indented("\n".join(declared)) + "\n};" if declared else ""
    body = "{\n" + indented("\n".join(tasks)) + "\n}" if tasks else "Record<never, never>"
    told = comment([f"What `{name}` can be asked for: `connect<{API}>()`."])
    api = f"{told}export interface {API} {{\n" + indented(f"tasks: {body};{topics}") + "\n}"
    return "\n\n".join([f"// {HEADER}", api, *types.declarations()]) + "\n"


def _task(types: Types, name: str, post: Mapping[str, Any]) -> str:
    given = types.of(_schema(post.get("requestBody")))
    finished = _schema(post.get("responses", {}).get("200")).get("properties", {})
    returned = types.of(finished.get("result", True))
    parts: Mapping[str, Any] = finished.get("parts", {}).get("items", {}).get("properties", {})
    part = f"\npart: {types.of(parts['data'])};" if "data" in parts else ""
    told = [post["summary"]] if post.get("summary", name) != name else []
    told += ["", *post["description"].splitlines()] if post.get("description") else []
    members = f"input: {given};\nresult: {returned};{part}"
    return f"{comment(told)}{key(name)}: {{\n{indented(members)}\n}};"


def _schema(message: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The schema of a body of JSON; what allows anything, without one."""
    found: Mapping[str, Any] = (
        (message or {}).get("content", {}).get("application/json", {}).get("schema", {})
    )
    return found
