"""The mask of a client's WebSocket frames (RFC 6455, 5.3): no step of Python for each byte."""

from __future__ import annotations

MASK_BYTES = 4

LANES_FROM = 1024
"""Bytes from which unmasking by lanes is faster than as one number; both were measured."""


def as_number(data: bytes, mask: bytes) -> bytes:
    """``unmask`` for what is short."""
    size = len(data)
    masks = (mask * ((size + 3) >> 2))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(masks, "little")).to_bytes(
        size, "little"
    )


_XOR = [as_number(bytes(range(256)), bytes((mask,)) * MASK_BYTES) for mask in range(256)]
"""For each byte of a mask, what it makes of every byte."""


def unmask(data: bytes, mask: bytes) -> bytes:
    """XOR with the mask over and over."""
    if len(data) < LANES_FROM:
        return as_number(data, mask)
    unmasked = bytearray(len(data))
    for lane in range(MASK_BYTES):
        unmasked[lane::MASK_BYTES] = data[lane::MASK_BYTES].translate(_XOR[mask[lane]])
    return bytes(unmasked)
