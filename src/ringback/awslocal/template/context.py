"""What the readers of one template share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ringback.awslocal.model import Place
from ringback.awslocal.template.attributes import TemplateAttributes
from ringback.awslocal.template.intrinsics import Resolver
from ringback.errors import ConfigurationError

INVOCATION = re.compile(r"(arn:[^/]*:lambda:.*?)/invocations")


@dataclass(kw_only=True)
class Context:
    """A template being read."""

    template: Mapping[str, Any]
    folder: Path
    place: Place
    resolver: Resolver
    attributes: TemplateAttributes
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def of(self, *kinds: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Resources of these types, properties resolved; without those whose condition fails."""
        for name, resource in self.template["Resources"].items():
            if resource.get("Type") in kinds and self.present(resource):
                try:
                    yield name, self.resolver.resolve(resource.get("Properties") or {})
                except ConfigurationError as error:
                    raise ConfigurationError(f"{name}: {error}") from None

    def present(self, resource: Mapping[str, Any]) -> bool:
        condition = resource.get("Condition")
        return condition is None or self.resolver.holds(condition)

    def function(self, named: Any) -> str | None:
        """The logical id of the function that a name, an ARN or an integration's URI means."""
        text = str(named)
        uri = INVOCATION.search(text)
        if uri:
            text = uri[1][uri[1].rindex("arn:") :]
        for name, resource in self.template["Resources"].items():
            if resource.get("Type") != "AWS::Lambda::Function" or not self.present(resource):
                continue
            physical, arn = self.attributes.physical(name), self.attributes.arn(name)
            if text.partition(":")[0] == physical and "arn" not in text.partition(":")[0]:
                return str(name)
            # Behind the ARN a version or an alias may stand.
            if text == arn or text.startswith(f"{arn}:"):
                return str(name)
        return None

    def by_arn(self, arn: str, *kinds: str) -> str | None:
        """The logical id of the resource with this ARN."""
        for name, resource in self.template["Resources"].items():
            if (
                resource.get("Type") in kinds
                and self.present(resource)
                and self.attributes.arn(name) == arn
            ):
                return str(name)
        return None


def truth(value: Any) -> bool:
    """A property that may be written as text."""
    return str(value).lower() == "true"


def listed(value: Any) -> list[Any]:
    """A property that may stand alone or in a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
