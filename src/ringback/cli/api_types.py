"""The tasks of an OpenAPI document as the ``Api`` that ``connect<Api>()`` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringback.cli.typescript import Types, comment, indented, key

API = "Api"
"""The name of the interface; no schema gets it."""
HEADER = "Written by `ringback types`: changes here are lost when it runs again."
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
    body = "{\n" + indented("\n".join(tasks)) + "\n}" if tasks else "Record<never, never>"
    told = comment([f"What `{name}` can be asked for: `connect<{API}>()`."])
    api = f"{told}export interface {API} {{\n" + indented(f"tasks: {body};") + "\n}"
    return "\n\n".join([f"// {HEADER}", api, *types.declarations()]) + "\n"


def _task(types: Types, name: str, post: Mapping[str, Any]) -> str:
    given = types.of(_schema(post.get("requestBody")))
    finished = _schema(post.get("responses", {}).get("200"))
    returned = types.of(finished.get("properties", {}).get("result", True))
    told = [post["summary"]] if post.get("summary", name) != name else []
    told += ["", *post["description"].splitlines()] if post.get("description") else []
    members = f"input: {given};\nresult: {returned};"
    return f"{comment(told)}{key(name)}: {{\n{indented(members)}\n}};"


def _schema(message: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The schema of a body of JSON; what allows anything, without one."""
    found: Mapping[str, Any] = (
        (message or {}).get("content", {}).get("application/json", {}).get("schema", {})
    )
    return found
