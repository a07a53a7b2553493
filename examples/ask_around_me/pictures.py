"""Pictures: what people send is decoded, turned upright, and made anew in three sizes.

Made anew, nothing is left of what a camera adds: where and when it was, and by whom.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from ringback import TaskFailed

from .questions import SIDES, refused

TYPES = ("image/jpeg", "image/png", "image/webp")
FORMATS = ("JPEG", "PNG", "WEBP")
"""The decoders that are tried: what somebody sends meets no other."""
MAX_SIZE = 12 * 1024 * 1024
"""Bytes of a file."""
MAX_PIXELS = 40_000_000
"""Of a picture, decoded: 160 MB of memory, more than a camera's and less than a bomb's."""
QUALITY = 80
FOLDER = "photos"
"""In the data folder."""


def decoded(file: BinaryIO) -> Image.Image:
    """A picture, upright, in plain colours. Raises ``TaskFailed`` for what is none."""
    try:
        opened = Image.open(file, formats=FORMATS)
        if opened.width * opened.height > MAX_PIXELS:
            raise refused(
                "too-many-pixels",
                f"The picture has {opened.width} x {opened.height} pixels; at most "
                f"{MAX_PIXELS:,} are decoded. Send a smaller one.",
            )
        # A JPEG can be decoded at a fraction of its size, for a fraction of the time.
        opened.draft("RGB", (2 * SIDES[-1], 2 * SIDES[-1]))
        upright = ImageOps.exif_transpose(opened)
        has_alpha = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
        return upright.convert("RGBA" if has_alpha else "RGB")
    except UnidentifiedImageError:
        raise refused(
            "not-a-picture", "This is no picture. Send a JPEG, a PNG or a WebP."
        ) from None
    except (TaskFailed, MemoryError):
        raise
    except Exception as error:  # of damaged files Pillow raises whatever it stumbles over
        raise refused("not-a-picture", f"The picture is damaged: {error}.") from error


def sizes(picture: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture for each longest side; nothing is blown up."""
    for side in SIDES:
        small = picture.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        yield side, small


def write(picture: Image.Image, file: IO[bytes]) -> None:
    """Of what came along with the pixels, nothing is written that is not given here."""
    picture.save(file, "WEBP", quality=QUALITY, method=4)


def keep(data: Path, id: str, side: int, picture: Image.Image) -> None:
    """Store one size: all of it, or none."""
    file = kept(data, id, side)
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as opened:
            write(picture, opened)
            opened.flush()
            os.fsync(opened.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def kept(data: Path, id: str, side: int) -> Path:
    """Where one size is; both are ours, and nothing that a caller says."""
    return data / FOLDER / id / f"{side}.webp"
