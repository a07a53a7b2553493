"""From the schemas of an OpenAPI document to TypeScript.

What belongs here: the parts of JSON Schema (2020-12) that say what a value looks like, as types.
What only narrows a value (lengths, patterns, bounds) has no type and is left to the server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any] | bool

UNKNOWN = "unknown"
NEVER = "never"
PRIMITIVES = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}
REFERENCE = "#/components/schemas/"

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_WORDS = re.compile(r"[A-Za-z0-9]+")


class Types:
    """Types for the schemas of one document; ``declarations`` are those that have a name."""

    def __init__(self, components: Mapping[str, Schema], taken: Sequence[str] = ()) -> None:
        self._components = components
        self._names: dict[str, str] = {}
        self._used = set(taken)
        self._declared: dict[str, str] = {}

    def of(self, schema: Schema) -> str:
        """The type of the values that fit a schema."""
        if isinstance(schema, bool):
            return UNKNOWN if schema else NEVER
        found = [type_ for type_ in self._constraints(schema) if type_ != UNKNOWN]
        return _joined("&", found) if found else UNKNOWN

    def declarations(self) -> list[str]:
        """What was named on the way, in the order in which it was met."""
        return list(self._declared.values())

    def _constraints(self, schema: Mapping[str, Any]) -> Iterator[str]:
        """What holds at the same time."""
        if "$ref" in schema:
            yield self._named(schema["$ref"])
        if "const" in schema:
            yield literal(schema["const"])
        elif "enum" in schema:
            yield _joined("|", [literal(value) for value in schema["enum"]])
        else:
            yield self._typed(schema)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                yield _joined("|", [self.of(each) for each in schema[keyword]])
        yield from (self.of(each) for each in schema.get("allOf", ()))

    def _typed(self, schema: Mapping[str, Any]) -> str:
        kinds = schema.get("type")
        if kinds is None:
            # Without a type, these keywords allow whatever is no object or array as well; nobody
            # who writes them means that.
            if "properties" in schema or "additionalProperties" in schema:
                kinds = "object"
            elif "items" in schema or "prefixItems" in schema:
                kinds = "array"
            else:
                return UNKNOWN
        several = [kinds] if isinstance(kinds, str) else kinds
        return _joined("|", [self._kind(kind, schema) for kind in several])

    def _kind(self, kind: str, schema: Mapping[str, Any]) -> str:
        if kind == "array":
            return self._array(schema)
        if kind == "object":
            return self._object(schema)
        return PRIMITIVES.get(kind, UNKNOWN)

    def _array(self, schema: Mapping[str, Any]) -> str:
        first: Sequence[Schema] = schema.get("prefixItems", ())
        rest: Schema = schema.get("items", True)
        if not first:
            return f"{_grouped(self.of(rest))}[]"
        least = schema.get("minItems", 0)
        places = [
            self.of(each) if index < least else f"{_grouped(self.of(each))}?"
            for index, each in enumerate(first)
        ]
        if rest is not False and schema.get("maxItems", len(first) + 1) > len(first):
            places.append(f"...{_grouped(self.of(rest))}[]")
        return f"[{', '.join(places)}]"

    def _object(self, schema: Mapping[str, Any]) -> str:
        return self._members(schema) or "{ [key: string]: unknown }"

    def _members(self, schema: Mapping[str, Any]) -> str:
        """The braces and what is in them; nothing for an object of whatever."""
        properties: Mapping[str, Schema] = schema.get("properties", {})
        required = schema.get("required", ())
        lines, types = [], []
        for name, each in properties.items():
            type_ = self.of(each)
            types.append(type_)
            mark = "" if name in required else "?"
            if mark:
                types.append("undefined")
            lines.append(f"{documentation(each)}{key(name)}{mark}: {type_};")
        patterns: Mapping[str, Schema] = schema.get("patternProperties", {})
        others: list[Schema] = [*patterns.values()]
        additional: Schema = schema.get("additionalProperties", not properties and not patterns)
        if additional is not False:
            others.append(additional)
        if others:
            values = list(dict.fromkeys([self.of(each) for each in others]))
            keys = self._keys(schema.get("propertyNames", True))
            if keys and not properties:
                return f"{{ [Key in {keys}]?: {_joined('|', values)} }}"
            # An index signature has to be true of the properties beside it too.
            lines.append(f"[key: string]: {_joined('|', [*values, *types])};")
        elif not lines:
            return "{ [key: string]: never }"
        return "{\n" + indented("\n".join(lines)) + "\n}"

    def _keys(self, schema: Schema) -> str | None:
        """The union of the names that there may be, where they are listed."""
        if isinstance(schema, bool):
            return None
        if "$ref" in schema:
            there = self._components.get(_component(schema["$ref"]), True)
            return self._keys(there) and self._named(schema["$ref"])
        return self.of(schema) if "enum" in schema or "const" in schema else None

    def _named(self, reference: str) -> str:
        component = _component(reference)
        if component not in self._components:
            return UNKNOWN
        name = self._names.get(component)
        if name is None:
            name = self._names[component] = self._free(component)
            self._declared[name] = ""  # its place, before what it is made of
            self._declared[name] = self._declaration(name, self._components[component])
        return name

    def _declaration(self, name: str, schema: Schema) -> str:
        told = documentation(schema)
        if not isinstance(schema, bool) and _is_plain_object(schema):
            members = self._members(schema)
            if members.startswith("{\n"):
                return f"{told}export interface {name} {members}"
        return f"{told}export type {name} = {self.of(schema)};"

    def _free(self, component: str) -> str:
        """A name of TypeScript's that nothing else has."""
        words = _WORDS.findall(component)
        plain = "".join(word[0].upper() + word[1:] for word in words) or "Schema"
        if plain[0].isdigit():
            plain = f"T{plain}"
        name, count = plain, 1
        while name in self._used:
            count += 1
            name = f"{plain}{count}"
        self._used.add(name)
        return name


def literal(value: Any) -> str:
    """The type of exactly this value."""
    if isinstance(value, Mapping):
        members = "; ".join(f"{key(name)}: {literal(each)}" for name, each in value.items())
        return f"{{ {members} }}" if members else "{ [key: string]: never }"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return json.dumps(value, ensure_ascii=False)


def key(name: str) -> str:
    """A property's name, in quotes where it needs them."""
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else line for line in text.split("\n"))


def documentation(schema: Schema) -> str:
    """What a schema says of itself, as a comment on lines of its own."""
    if isinstance(schema, bool):
        return ""
    lines = str(schema.get("description", "")).strip().splitlines()
    if schema.get("deprecated") is True:
        lines.append("@deprecated")
    if "default" in schema:
        lines.append(f"@default {json.dumps(schema['default'], ensure_ascii=False)}")
    return comment(lines)


def comment(lines: Sequence[str]) -> str:
    """A TSDoc comment; nothing for nothing."""
    safe = [line.strip().replace("*/", "*\\/") for line in lines]
    if not safe:
        return ""
    if len(safe) == 1:
        return f"/** {safe[0]} */\n"
    return "/**\n" + "\n".join(f" * {line}".rstrip() for line in safe) + "\n */\n"


def _joined(operator: str, types: Sequence[str]) -> str:
    """A union or an intersection, of each type once."""
    several = list(dict.fromkeys(types))
    if operator == "|" and UNKNOWN in several:
        return UNKNOWN
    if len(several) == 1:
        return several[0]
    return f" {operator} ".join(map(_grouped, several)) or NEVER


def _grouped(type_: str) -> str:
    """In parentheses, where an operator beside it would take a part of it."""
    depth, quoted, previous = 0, False, ""
    for character in type_:
        if character == '"' and previous != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (character in "{[(") - (character in "}])")
            if depth == 0 and character in "|&":
                return f"({type_})"
        previous = "" if previous == "\\" else character
    return type_


def _component(reference: str) -> str:
    """The name of what is referred to (RFC 6901 §3: ~1 is / and ~0 is ~)."""
    return reference.removeprefix(REFERENCE).replace("~1", "/").replace("~0", "~")


def _is_plain_object(schema: Mapping[str, Any]) -> bool:
    beside = {"$ref", "anyOf", "oneOf", "allOf", "enum", "const"}
    return schema.get("type") == "object" and not beside & schema.keys()
