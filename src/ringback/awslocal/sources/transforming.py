"""What a target gets of an event: ``Input``, ``InputPath`` and ``InputTransformer``."""

from __future__ import annotations

import json
import re
from typing import Any

from ringback.awslocal.model import Rule, Target

NAME = re.compile(r"<([\w.-]+)>")
STEP = re.compile(r"\.([\w-]+)|\['([^']+)'\]|\[(\d+)\]")


def transformed(target: Target, rule: Rule, event: dict[str, Any]) -> Any:
    """The payload: text is sent as it is, anything else as JSON."""
    if target.input is not None:
        return target.input
    if target.input_path is not None:
        return json.dumps(at(target.input_path, event))
    if target.transformer is None:
        return event
    values = {
        name: at(str(path), event)
        for name, path in (target.transformer.get("InputPathsMap") or {}).items()
    }
    values["aws.events.event"] = event
    values["aws.events.event.json"] = event
    values["aws.events.rule-arn"] = rule.arn
    values["aws.events.rule-name"] = rule.name
    values["aws.events.event.ingestion-time"] = event.get("time")
    return filled(str(target.transformer.get("InputTemplate", "")), values)


def at(path: str, event: Any) -> Any:
    """What stands at a path like ``$.detail.items[0]``; None if nothing does."""
    value = event
    for name, quoted, index in STEP.findall(path.removeprefix("$")):
        if index:
            fine = isinstance(value, list) and int(index) < len(value)
            value = value[int(index)] if fine else None
        else:
            value = value.get(name or quoted) if isinstance(value, dict) else None
    return value


def filled(template: str, values: dict[str, Any]) -> str:
    """A template with its names replaced: bare ones by JSON, those within quotes by text."""
    made: list[str] = []
    quoted, end = False, 0
    for found in NAME.finditer(template):
        before = template[end : found.start()]
        quoted ^= len(re.findall(r'(?<!\\)"', before)) % 2 == 1
        value = values.get(found[1])
        made.append(before)
        if not quoted:
            made.append(json.dumps(value) if value is not None else '""')
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            made.append(json.dumps(text)[1:-1] if value is not None else "")
        end = found.end()
    return "".join(made) + template[end:]
