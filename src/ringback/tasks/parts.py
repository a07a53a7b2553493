"""What a task's partial results are: checked when they are sent, and typed when they are read.

``op: Operation[Month]`` says it. Without that, a part is whatever has a JSON form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from pydantic import TypeAdapter, ValidationError

from ringback.errors import UnfitResult
from ringback.tasks.encoding import to_json_bytes


class Parts:
    """The type of one task's partial results."""

    def __init__(self, kind: Any = Any) -> None:
        """Raises what pydantic does for a type without a JSON form."""
        self._adapter: TypeAdapter[Any] | None = None if kind is Any else TypeAdapter(kind)

    def encode(self, part: Any) -> msgspec.Raw:
        """A part as JSON. Raises ``UnfitResult`` if it is not of the type."""
        if self._adapter is None:
            return msgspec.Raw(to_json_bytes(part))
        try:
            checked = self._adapter.validate_python(part)
            return msgspec.Raw(self._adapter.dump_json(checked, by_alias=True, warnings="error"))
        except Exception as error:  # whatever the user's own validators and serializers raise
            raise UnfitResult(
                "A partial result is not what the operation is annotated with, as in "
                f"Operation[Month]: {_first_line(error)} Mend the one or the other."
            ) from error

    def decode(self, parts: Sequence[Any]) -> Sequence[Any]:
        """Parts of an earlier attempt. Raises ``UnfitResult`` where the type has changed since."""
        if self._adapter is None:
            return parts
        try:
            # As JSON: what is strict takes a text for a date there, and nowhere else.
            return tuple(self._adapter.validate_json(to_json_bytes(part)) for part in parts)
        except ValidationError as error:
            raise UnfitResult(
                "A partial result that an earlier attempt has sent is not what the operation is "
                f"annotated with by now: {_first_line(error)} Let the type take both, or submit "
                "the work anew."
            ) from error

    def schema(self, template: str) -> dict[str, Any]:
        """JSON Schema of a part; that of anything, where nothing is said."""
        if self._adapter is None:
            return {}
        return self._adapter.json_schema(ref_template=template, mode="serialization")


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return f"{where}: {first['msg']}." if where else f"{first['msg']}."
    text = str(error).strip().splitlines()
    return f"{text[0] if text else type(error).__name__}."
