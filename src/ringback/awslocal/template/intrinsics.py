"""CloudFormation's intrinsic functions.

What a resource's ``Ref`` and attributes come to is asked from ``Attributes``; everything here is
the language itself.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ringback.awslocal.model import Place
from ringback.errors import ConfigurationError

NO_VALUE = object()
"""``AWS::NoValue``: whatever holds it is without it."""
PLACEHOLDER = re.compile(r"\$\{(!?)([^${}]*)\}")
DYNAMIC = re.compile(r"\{\{resolve:(ssm|ssm-secure|secretsmanager):([^}]*)\}\}")


class Attributes(Protocol):
    def ref(self, name: str) -> Any:
        """What ``Ref`` of a resource gives."""
        ...

    def get(self, name: str, attribute: str) -> Any:
        """What ``Fn::GetAtt`` gives."""
        ...


class Resolver:
    """Resolves values of one template."""

    def __init__(self, template: Mapping[str, Any], given: Mapping[str, str], place: Place) -> None:
        self._template = template
        self._conditions: dict[str, bool | None] = {}
        self._pseudo: dict[str, Any] = {
            "AWS::AccountId": place.account,
            "AWS::NoValue": NO_VALUE,
            "AWS::NotificationARNs": [],
            "AWS::Partition": "aws",
            "AWS::Region": place.region,
            "AWS::StackId": (
                f"arn:aws:cloudformation:{place.region}:{place.account}:stack/{place.stack}/"
                "00000000-0000-0000-0000-000000000000"
            ),
            "AWS::StackName": place.stack,
            "AWS::URLSuffix": "amazonaws.com",
        }
        self._region = place.region
        self.attributes: Attributes
        self.parameters = {
            name: self._parameter(name, declared, given)
            for name, declared in (template.get("Parameters") or {}).items()
        }
        unknown = sorted(set(given) - set(self.parameters))
        if unknown:
            raise ConfigurationError(
                f"The template has no parameter {', '.join(unknown)}. "
                f"It has: {', '.join(sorted(self.parameters)) or 'none'}."
            )

    def _parameter(self, name: str, declared: Mapping[str, Any], given: Mapping[str, str]) -> Any:
        kind = str(declared.get("Type", "String"))
        if name in given:
            value: Any = given[name]
        elif kind.startswith("AWS::SSM::Parameter::"):
            raise ConfigurationError(
                f"The parameter {name} is read from the Systems Manager: give --parameter {name}=…"
            )
        elif "Default" in declared:
            value = declared["Default"]
        else:
            raise ConfigurationError(f"A value is missing: give --parameter {name}=…")
        allowed = declared.get("AllowedValues")
        if allowed and str(value) not in map(str, allowed):
            raise ConfigurationError(
                f"The parameter {name} may be one of {', '.join(map(str, allowed))}, "
                f"and not {value!r}."
            )
        if kind == "CommaDelimitedList" or "List<" in kind:
            return [each.strip() for each in str(value).split(",")] if value != "" else []
        return _text(value)

    # Conditions

    def holds(self, name: str) -> bool:
        """Whether a condition of the template does."""
        conditions = self._template.get("Conditions") or {}
        if name not in conditions:
            raise ConfigurationError(f"The template has no condition {name}.")
        known = self._conditions.get(name, ...)
        if known is None:
            raise ConfigurationError(f"The condition {name} refers to itself.")
        if known is ...:
            self._conditions[name] = None
            known = self._conditions[name] = self._true(conditions[name])
        return bool(known)

    def _true(self, value: Any) -> bool:
        if isinstance(value, dict) and len(value) == 1:
            ((function, argument),) = value.items()
            if function == "Condition":
                return self.holds(argument)
            if function == "Fn::Equals":
                left, right = (self.resolve(each) for each in argument)
                return bool(_text(left) == _text(right))
            if function == "Fn::Not":
                return not self._true(argument[0])
            if function == "Fn::And":
                return all(self._true(each) for each in argument)
            if function == "Fn::Or":
                return any(self._true(each) for each in argument)
        return str(self.resolve(value)).lower() == "true"

    # Values

    def resolve(self, value: Any) -> Any:
        """`value` with nothing left to resolve; what is ``AWS::NoValue`` is left out."""
        if isinstance(value, str):
            return self._static(value)
        if isinstance(value, list):
            resolved = [self.resolve(each) for each in value]
            return [each for each in resolved if each is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self.ref(argument)
            if name == "Condition" and isinstance(argument, str):
                conditions = self._template.get("Conditions") or {}
                return self.holds(argument) if argument in conditions else value
            if name.startswith("Fn::"):
                return self._call(name, argument)
        made = {key: self.resolve(each) for key, each in value.items()}
        return {key: each for key, each in made.items() if each is not NO_VALUE}

    def _static(self, text: str) -> str:
        dynamic = DYNAMIC.search(text)
        if dynamic:
            raise ConfigurationError(
                f"{dynamic[0]} would be read from AWS, which nobody asks here. Make it a parameter "
                "of the template, and give --parameter NAME=…"
            )
        return text

    def ref(self, name: str) -> Any:
        if name in self._pseudo:
            return self._pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        return self.attributes.ref(name)

    def _call(self, name: str, argument: Any) -> Any:
        function = FUNCTIONS.get(name)
        if function is None:
            if name == "Fn::ImportValue":
                raise ConfigurationError(
                    f"Fn::ImportValue of {self.resolve(argument)!r} needs another stack, and there "
                    "is only this template. Make it a parameter."
                )
            raise ConfigurationError(f"{name} is not known here.")
        return function(self, argument)

    def _get(self, argument: Any) -> Any:
        if isinstance(argument, str):
            argument = argument.split(".", 1)
        name, attribute = argument
        return self.attributes.get(name, str(self.resolve(attribute)))

    def _sub(self, argument: Any) -> str:
        text, names = argument if isinstance(argument, list) else (argument, {})

        def replaced(found: re.Match[str]) -> str:
            literal, name = found[1], found[2].strip()
            if literal:
                return "${" + found[2] + "}"
            if name in names:
                return _text(self.resolve(names[name]))
            if "." in name and name not in self._pseudo:
                return _text(self._get(name))
            return _text(self.ref(name))

        return self._static(PLACEHOLDER.sub(replaced, text))

    def _join(self, argument: Any) -> str:
        between, parts = argument
        return self._static(str(between).join(_text(each) for each in self.resolve(parts)))

    def _if(self, argument: Any) -> Any:
        name, then, otherwise = argument
        return self.resolve(then if self.holds(name) else otherwise)

    def _select(self, argument: Any) -> Any:
        index, values = int(self.resolve(argument[0])), self.resolve(argument[1])
        if not 0 <= index < len(values):
            raise ConfigurationError(f"Fn::Select asks for number {index} of {len(values)}.")
        return values[index]

    def _split(self, argument: Any) -> list[str]:
        return _text(self.resolve(argument[1])).split(str(argument[0]))

    def _find(self, argument: Any) -> Any:
        name, first, second = (self.resolve(each) for each in argument[:3])
        found = (self._template.get("Mappings") or {}).get(name, {}).get(first, {}).get(second)
        if found is None:
            if len(argument) > 3 and "DefaultValue" in argument[3]:
                return self.resolve(argument[3]["DefaultValue"])
            raise ConfigurationError(f"The mapping {name} has no {first}, {second}.")
        return found

    def _base64(self, argument: Any) -> str:
        return base64.b64encode(_text(self.resolve(argument)).encode()).decode()

    def _zones(self, argument: Any) -> list[str]:
        region = self.resolve(argument) or self._region
        return [f"{region}{letter}" for letter in "abc"]

    def _json(self, argument: Any) -> str:
        return json.dumps(self.resolve(argument), separators=(",", ":"))

    def _length(self, argument: Any) -> int:
        return len(self.resolve(argument))


FUNCTIONS: dict[str, Callable[[Resolver, Any], Any]] = {
    "Fn::Base64": Resolver._base64,
    "Fn::FindInMap": Resolver._find,
    "Fn::GetAZs": Resolver._zones,
    "Fn::GetAtt": Resolver._get,
    "Fn::If": Resolver._if,
    "Fn::Join": Resolver._join,
    "Fn::Length": Resolver._length,
    "Fn::Select": Resolver._select,
    "Fn::Split": Resolver._split,
    "Fn::Sub": Resolver._sub,
    "Fn::ToJsonString": Resolver._json,
    **{
        name: (lambda resolver, argument, name=name: resolver._true({name: argument}))  # type: ignore[misc]
        for name in ("Fn::And", "Fn::Equals", "Fn::Not", "Fn::Or")
    },
}


def _text(value: Any) -> str:
    """As CloudFormation writes a scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(_text(each) for each in value)
    return "" if value is NO_VALUE or value is None else str(value)
