"""What a client declares before it sends bytes, and whether a handler takes it."""

from __future__ import annotations

import fnmatch
import re
import unicodedata

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ringback.errors import (
    InvalidInput,
    MalformedRequest,
    NotFound,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from ringback.tasks.registry import Registry, UploadHandler
from ringback.tasks.signature import invalid_input

MAX_DECLARATION = 16 * 1024
"""Bytes of a declaration: several times its longest name."""
MAX_NAME = 1024
"""Characters of a name: what file systems and object stores bound a path by."""
MAX_SIZE = 2**53 - 1
"""Bytes: the largest whole number that JSON carries safely (RFC 8259 §6)."""
ANY_TYPE = "application/octet-stream"
"""What a file is whose type is not known (RFC 2046 §4.5.1)."""
SHOWN_PREFIXES = 50
"""Prefixes that a problem lists."""

_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that have no place in a name: controls, surrogates, line separators."""
_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,127}"
_MEDIA_TYPE = re.compile(f"{_WORD}/{_WORD}")


class Declaration(BaseModel):
    """The body of ``POST /uploads``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=MAX_NAME)
    size: int = Field(strict=True, ge=0, le=MAX_SIZE)
    type: str = ANY_TYPE
    sha256: str | None = Field(None, pattern=r"^[0-9A-Fa-f]{64}$")

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        """A name that no handler can mistake for a way out of its folder."""
        if name.startswith("/"):
            raise ValueError("a name does not begin with '/'")
        if "\\" in name:
            raise ValueError("a name has no backslash: join its segments with '/'")
        if any(unicodedata.category(character) in _CONTROLS for character in name):
            raise ValueError("a name has no control characters")
        if any(segment in {"", ".", ".."} for segment in name.split("/")):
            raise ValueError("a name's segments are not empty, '.' or '..'")
        return name

    @field_validator("type")
    @classmethod
    def _check_type(cls, text: str) -> str:
        """The media type alone (RFC 9110 §8.3.1); browsers send "" for what they do not know."""
        essence = text.partition(";")[0].strip().lower() or ANY_TYPE
        if not _MEDIA_TYPE.fullmatch(essence):
            raise ValueError("a type is a media type such as image/jpeg")
        return essence

    @field_validator("sha256")
    @classmethod
    def _lower(cls, digest: str | None) -> str | None:
        return None if digest is None else digest.lower()


def parse(body: bytes) -> Declaration:
    """The declaration in a body. Raises ``MalformedRequest`` or ``InvalidInput``."""
    try:
        return Declaration.model_validate_json(body)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise MalformedRequest(f"The body is not JSON: {error.errors()[0]['msg']}.") from None
        fault = invalid_input(error)
        raise InvalidInput(
            "The declaration of the upload is not right: send name, size, type and, if you can, "
            "sha256. Each entry of errors points at one fault.",
            **fault.fields,
        ) from None


def handler_for(registry: Registry, declaration: Declaration) -> UploadHandler:
    """The handler an upload is for. Raises ``NotFound``, with the prefixes there are."""
    handler = registry.upload_handler(declaration.name)
    if handler is None:
        prefixes = sorted(each.prefix for each in registry.uploads)
        raise NotFound(
            f"No handler takes uploads of this name. {_names(prefixes)}",
            prefixes=prefixes[:SHOWN_PREFIXES],
        )
    return handler


def check(handler: UploadHandler, declaration: Declaration, most: int) -> None:
    """Raises ``PayloadTooLarge`` or ``UnsupportedMediaType`` for what is not taken."""
    limit = most if handler.max_size is None else min(most, handler.max_size)
    if declaration.size > limit:
        raise PayloadTooLarge(
            f"The file has {declaration.size} bytes; at most {limit} are taken here.", limit=limit
        )
    types = handler.types
    if types and not any(fnmatch.fnmatchcase(declaration.type, kind.lower()) for kind in types):
        raise UnsupportedMediaType(
            f"Files of type {declaration.type[:100]} are not taken here, but {', '.join(types)}.",
            types=list(types),
        )


def _names(prefixes: list[str]) -> str:
    if not prefixes:
        return "This application takes no uploads."
    return f"A name begins with one of: {', '.join(prefixes[:SHOWN_PREFIXES])}"
