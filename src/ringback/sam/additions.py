"""What an application brings of its own: tables, buckets, whatever its code uses beside Ringback.

What belongs here: reading a template of its own, and joining it to ours. Nothing in it may be named
as something of ours is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ringback.errors import ConfigurationError
from ringback.sam.yaml import Tag

MISSING = "Reading YAML takes PyYAML: pip install pyyaml."
JOINED = ("Parameters", "Mappings", "Conditions", "Resources", "Outputs")
"""Sections whose entries are added to ours."""
IGNORED = ("AWSTemplateFormatVersion", "Transform", "Description")
GRANTS = "RingbackPolicy"
"""Of its metadata: statements of what the application's code may do."""


@dataclass(frozen=True, kw_only=True)
class Additions:
    """What is added."""

    source: str = ""
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Of the environment of every function."""
    statements: tuple[Mapping[str, Any], ...] = ()
    """For the roles of functions that run the application's code."""

    def join(self, ours: dict[str, Any]) -> dict[str, Any]:
        """Our sections with these behind. Raises ``ConfigurationError`` for what is there twice."""
        joined = dict(ours)
        for section, entries in self.sections.items():
            there = dict(joined.get(section, {}))
            twice = there.keys() & entries.keys()
            if twice:
                raise ConfigurationError(
                    f"{self.source}: {section} has {', '.join(sorted(twice))}, and so has the "
                    "template. Give it another name."
                )
            joined[section] = there | dict(entries)
        return joined


def read(path: Path) -> Additions:
    """What a file adds. Raises ``ConfigurationError``."""
    found = _parsed(path)
    if not isinstance(found, Mapping):
        raise ConfigurationError(f"{path} is no template: it has no sections.")
    known = {*JOINED, *IGNORED, "Globals", "Metadata"}
    if unknown := sorted(found.keys() - known):
        raise ConfigurationError(
            f"{path}: {', '.join(map(str, unknown))} cannot be added. It may have: "
            f"{', '.join(JOINED)}, variables of the environment in Globals, and {GRANTS} in "
            "Metadata."
        )
    function = _inner(path, found, "Globals", "Function", "Environment", "Variables")
    granted = found.get("Metadata", {}).get(GRANTS, [])
    if not isinstance(granted, list) or not all(isinstance(each, Mapping) for each in granted):
        raise ConfigurationError(f"{path}: {GRANTS} is a list of statements of a policy.")
    return Additions(
        source=str(path),
        sections={name: found[name] for name in JOINED if found.get(name)},
        variables=function,
        statements=tuple(granted),
    )


def _inner(path: Path, found: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """What stands below these names, beside which nothing may."""
    here: Any = found.get(names[0], {})
    for name in names[1:]:
        if here and set(here) != {name}:
            raise ConfigurationError(
                f"{path}: of Globals only {'.'.join(names[1:])} can be added; the rest is ours."
            )
        here = here.get(name, {}) if here else {}
    return dict(here)


def _parsed(path: Path) -> Any:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError:
        raise ConfigurationError(MISSING) from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Knows CloudFormation's tags, and takes no text for a date."""

        yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML has it
            first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    def tagged(loader: Any, suffix: str, node: Any) -> Tag:
        if isinstance(node, yaml.ScalarNode):
            return Tag(suffix, loader.construct_scalar(node))
        if isinstance(node, yaml.SequenceNode):
            return Tag(suffix, loader.construct_sequence(node, deep=True))
        return Tag(suffix, loader.construct_mapping(node, deep=True))

    Loader.add_multi_constructor("!", tagged)
    try:
        return yaml.load(path.read_text("utf-8"), Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no YAML: {error}") from None
