"""A template's file, and what SAM's own translator makes of it."""

from __future__ import annotations

import copy
import datetime
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ringback.awslocal.clients import session
from ringback.awslocal.model import Place
from ringback.errors import ConfigurationError

MISSING = 'This needs the SAM translator: pip install "ringback[aws-local]"'
SERVERLESS = "AWS::Serverless-2016-10-31"
BUCKET = "ringback-local-code"
"""Stands for the folder of the template's file: the translator takes code from buckets alone."""
CODE = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Lambda::Function": "Code",
    "AWS::Lambda::LayerVersion": "Content",
}
"""Which property names the folder."""

Document = dict[str, Any]


def load(path: Path) -> Document:
    """Read a template. Raises ``ConfigurationError`` when it is none."""
    try:
        from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigurationError(MISSING) from error
    document = _parsed(path, yaml_parse)
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise ConfigurationError(f"{path} is no template: it has no Resources.")
    _check(path, document)
    return document


def _parsed(path: Path, parse: Callable[[str], Any]) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8: {error}.") from None
    try:
        return _plain(parse(text))
    except Exception as error:  # YAML has a tree of its own
        raise ConfigurationError(f"{path} is not YAML: {error}") from None


def _check(path: Path, document: Document) -> None:
    """Refuse what has not the form of a template, by its name; drop sections that are empty."""
    for section in ("Globals", "Parameters", "Resources", "Outputs"):
        found = document.get(section)
        if found is None:
            document.pop(section, None)
            continue
        members = found.items() if isinstance(found, dict) else [("", found)]
        for name, said in list(members):
            where = f"{path}: {section}.{name}".rstrip(".")
            if said is None and section == "Globals":
                del found[name]
            elif not isinstance(said, dict) and not name.startswith("Fn::"):
                raise ConfigurationError(f"{where} has to have names and values in it.")
            elif section == "Resources" and isinstance(said, dict):
                if not isinstance(said.get("Type"), str):
                    raise ConfigurationError(f"{where} has no Type.")
                if not isinstance(said.get("Properties") or {}, dict):
                    raise ConfigurationError(f"{where}.Properties has to have names and values.")


def _plain(value: Any) -> Any:
    """YAML makes dates of what CloudFormation takes for text (``2012-10-17``)."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def translate(document: Document, folder: Path, given: Mapping[str, str], place: Place) -> Document:
    """The same as plain CloudFormation. Code stays where it lies: see ``code_of``."""
    document = copy.deepcopy(document)
    transforms = document.get("Transform", [])
    transforms = transforms if isinstance(transforms, list) else [transforms]
    others = [each for each in transforms if each != SERVERLESS]
    if others:
        raise ConfigurationError(
            f"The transform {others[0]} is not known here. Give the template as "
            "`aws cloudformation get-template --template-stage Processed` or `sam build` has it."
        )
    common = document.get("Globals", {}).get("Function", {})
    if isinstance(common.get("CodeUri"), str):
        common["CodeUri"] = _bucket(common["CodeUri"])
    for resource in document["Resources"].values():
        properties = resource.setdefault("Properties", {}) or {}
        resource["Properties"] = properties
        kind = CODE.get(resource.get("Type", ""))
        if kind and isinstance(properties.get(kind), str):
            properties[kind] = _bucket(properties[kind])
        elif resource.get("Type") == "AWS::Serverless::Function" and not (
            kind in properties or kind in common or "InlineCode" in properties
        ):
            # As `sam build` takes it where nothing is said.
            properties["CodeUri"] = _bucket(".")
        _include(resource, properties, folder)
    if SERVERLESS not in transforms:
        for name, resource in document["Resources"].items():
            if str(resource.get("Type")).startswith("AWS::Serverless::"):
                raise ConfigurationError(
                    f"{name} is of {resource['Type']}, which the template has to say that it uses: "
                    f"put `Transform: {SERVERLESS}` at its top."
                )
        return document
    return _serverless(document, given, place)


def _bucket(uri: str) -> Any:
    return uri if uri.startswith("s3://") else {"Bucket": BUCKET, "Key": uri or "."}


def _include(resource: Document, properties: Document, folder: Path) -> None:
    """An API described in a file beside the template."""
    where = properties.get("DefinitionUri")
    body = properties.get("DefinitionBody") or properties.get("Body")
    if isinstance(body, dict):
        transform = body.get("Fn::Transform", {})
        if transform.get("Name") == "AWS::Include":
            where = transform.get("Parameters", {}).get("Location")
    if not isinstance(where, str) or where.startswith("s3://"):
        return
    name = "DefinitionBody" if resource["Type"].startswith("AWS::Serverless") else "Body"
    properties.pop("DefinitionUri", None)
    loaded = load_any(folder / where)
    properties[name] = loaded


def load_any(path: Path) -> Any:
    """A YAML or JSON file with intrinsic functions in it."""
    from samtranslator.yaml_helper import yaml_parse

    return _parsed(path, yaml_parse)


def _serverless(document: Document, given: Mapping[str, str], place: Place) -> Document:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from samtranslator.model.exceptions import InvalidDocumentException  # type: ignore[import-untyped]
        from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
        from samtranslator.translator.arn_generator import ArnGenerator  # type: ignore[import-untyped]
        from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]

        # It says that nobody publishes its metrics.
        logging.getLogger("samtranslator").setLevel(logging.ERROR)
        ArnGenerator.BOTO_SESSION_REGION_NAME = place.region
        translator = Translator({}, Parser(), boto_session=session(place))
        try:
            made = translator.translate(document, dict(given))
        except InvalidDocumentException as error:
            causes = "; ".join(str(cause.message) for cause in error.causes)
            raise ConfigurationError(
                f"The template is not valid: {causes or error.message}"
            ) from None
    return made  # type: ignore[no-any-return]


def code_of(value: Any, folder: Path) -> Path | None:
    """The folder that a function's or layer's translated code names, if it is on this machine."""
    if isinstance(value, dict):
        bucket = value.get("S3Bucket") or value.get("Bucket")
        if bucket == BUCKET:
            return (folder / str(value.get("S3Key") or value.get("Key"))).resolve()
    return None
