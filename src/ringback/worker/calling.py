"""From a stored input to a function's arguments, and from what it returns to a stored result."""

from __future__ import annotations

from typing import Any

from ringback.errors import InvalidInput, UnfitResult
from ringback.tasks.operation import BlockingOperation, Operation
from ringback.tasks.signature import Signature
from ringback.worker.failures import UnfitInput


def arguments_of(
    signature: Signature, body: bytes, handle: Operation | BlockingOperation
) -> dict[str, Any]:
    """The function's arguments. Raises ``UnfitInput`` where the model has changed since."""
    try:
        value = signature.validate(body)
    except InvalidInput as error:
        raise UnfitInput(error) from None
    arguments = signature.arguments(value)
    if signature.operation is not None:
        arguments[signature.operation] = handle
    return arguments


def encode(signature: Signature, value: Any, limit: int) -> bytes:
    """A result as JSON. Raises ``UnfitResult``."""
    result = signature.encode_result(value)
    if len(result) > limit:
        raise UnfitResult(
            f"The result has {len(result)} bytes, and the task allows {limit}. Raise max_result=, "
            "or store it elsewhere and return a link.",
            limit=limit,
        )
    return result
