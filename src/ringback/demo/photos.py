"""What the demo makes of a photo: thumbnails, a palette, a histogram.

Each step sends one part, so that a page sees them come one after the other, and an attempt that
follows a lost worker goes on after the parts that are there.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import BaseModel

from ringback.demo.pace import pause
from ringback.errors import TaskFailed
from ringback.tasks.operation import BlockingOperation

SIZES = (64, 128, 256, 512, 1024)
"""Longest sides of the thumbnails, in pixels."""
MAX_PIXELS = 80_000_000
"""A decoded picture takes up to four bytes for each: more than any camera's would be a bomb."""
MAX_THUMBNAIL = 120 * 1024
"""Bytes of one thumbnail: as a data URL it has to fit a message of 256 KiB, with room to spare."""
QUALITIES = (82, 70, 55, 40, 25)
"""WebP qualities, tried in turn until a thumbnail is small enough."""
SHRINK = 0.75
"""By how much the sides shrink where even the last quality is too large: about half the pixels."""
COLOURS = 6
BINS = 32
"""Bars of a histogram: 256 levels, eight to a bar."""


class Colour(BaseModel):
    """One colour of the palette, and how much of the picture it stands for (0 to 1)."""

    hex: str
    share: float


class Thumbnail(BaseModel):
    """One thumbnail; the picture itself is in the part with this step."""

    step: str
    width: int
    height: int
    bytes: int


class Histogram(BaseModel):
    """How often each level occurs, from dark to bright, in thousandths of the highest bar."""

    red: list[int]
    green: list[int]
    blue: list[int]


class Photo(BaseModel):
    """The result."""

    kind: str = "photo"
    name: str
    format: str
    width: int
    height: int
    bytes: int
    thumbnails: list[Thumbnail]
    palette: list[Colour]
    histogram: Histogram


Step = tuple[str, str, Callable[[], dict[str, Any]]]
"""A name that parts are known by, a message for people, and what makes the part."""


def develop(
    op: BlockingOperation, file: BinaryIO, name: str, size: int, pace: float = 0.0
) -> Photo:
    """Make what there is to make of a photo; each step waits ``pace`` seconds."""
    parts = {part["step"]: part for part in op.earlier_parts}
    op.progress(0.0 if not parts else None, "decoding")
    image, form, dimensions = decode(file)
    pause(op, pace)
    steps = list(_steps(image))
    for done, (step, message, make) in enumerate(steps, 1):
        if step in parts:
            continue
        op.progress(done / (len(steps) + 1), message)
        pause(op, pace)
        part = {"step": step, **make()}
        op.send(part)
        parts[step] = part
    return Photo(
        name=name,
        format=form,
        width=dimensions[0],
        height=dimensions[1],
        bytes=size,
        thumbnails=[
            Thumbnail(**{field: parts[step][field] for field in Thumbnail.model_fields})
            for step, _, _ in steps
            if "image" in parts[step]
        ],
        palette=parts["palette"]["palette"],
        histogram=parts["histogram"]["histogram"],
    )


def decode(file: BinaryIO) -> tuple[Image.Image, str, tuple[int, int]]:
    """The picture, upright, at most twice as large as the largest thumbnail; its format; its size.

    Raises ``TaskFailed`` for what is no picture: trying again would not make it one.
    """
    try:
        opened = Image.open(file)
        width, height = opened.size
        if width * height > MAX_PIXELS:
            raise TaskFailed(
                f"The picture has {width} x {height} pixels; at most {MAX_PIXELS:,} are decoded. "
                "Send a smaller one."
            )
        # A JPEG can be decoded at a fraction of its size, for a fraction of the time.
        opened.draft("RGB", (2 * SIZES[-1], 2 * SIZES[-1]))
        image = ImageOps.exif_transpose(opened)
        turned = opened.getexif().get(0x0112, 1) >= 5  # these lie on their side
        has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
        image = image.convert("RGBA" if has_alpha else "RGB")
    except TaskFailed:
        raise
    except UnidentifiedImageError:
        raise TaskFailed(
            "This is no picture that Pillow can read. Send a JPEG, PNG, WebP, GIF, TIFF or BMP."
        ) from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise TaskFailed(f"The picture is damaged: {error}. Send it again from its source.") from (
            error
        )
    return image, opened.format or "?", (height, width) if turned else (width, height)


def _steps(image: Image.Image) -> Iterator[Step]:
    longest = max(image.size)
    sizes = [size for size in SIZES if size < longest]
    if len(sizes) < len(SIZES):
        sizes.append(min(longest, SIZES[-1]))  # nothing is blown up

    for size in sizes:
        yield f"{size}px", f"thumbnail, {size} px", _bound(_thumbnail, image, size)
    yield "palette", "palette", _bound(_palette, image)
    yield "histogram", "histogram", _bound(_histogram, image)


def _bound(make: Callable[..., dict[str, Any]], *arguments: Any) -> Callable[[], dict[str, Any]]:
    return lambda: make(*arguments)


def _thumbnail(image: Image.Image, size: int) -> dict[str, Any]:
    small = image.copy()
    small.thumbnail((size, size), Image.Resampling.LANCZOS)
    encoded = _encoded(small)
    while len(encoded) > MAX_THUMBNAIL:  # noise has no redundancy that a quality could drop
        size = int(size * SHRINK)
        small.thumbnail((size, size), Image.Resampling.LANCZOS)
        encoded = _encoded(small)
    return {
        "image": f"data:image/webp;base64,{base64.b64encode(encoded).decode()}",
        "width": small.width,
        "height": small.height,
        "bytes": len(encoded),
    }


def _encoded(image: Image.Image) -> bytes:
    """At the best quality that is small enough, or else at the last."""
    encoded = b""
    for quality in QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=3)
        encoded = buffer.getvalue()
        if len(encoded) <= MAX_THUMBNAIL:
            break
    return encoded


def _opaque(image: Image.Image, size: int) -> Image.Image:
    small = image.copy()
    small.thumbnail((size, size))
    if small.mode == "RGBA":
        white = Image.new("RGBA", small.size, "white")
        small = Image.alpha_composite(white, small)
    return small.convert("RGB")


def _palette(image: Image.Image) -> dict[str, Any]:
    small = _opaque(image, 160)
    indexed = small.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    values = indexed.getpalette() or []
    counted: list[tuple[int, int]] = indexed.getcolors() or []  # type: ignore[assignment]
    pixels = small.width * small.height
    return {
        "palette": [
            {
                "hex": "#{:02x}{:02x}{:02x}".format(*values[index * 3 : index * 3 + 3]),
                "share": round(count / pixels, 4),
            }
            for count, index in sorted(counted, reverse=True)
        ]
    }


def _histogram(image: Image.Image) -> dict[str, Any]:
    levels = _opaque(image, 512).histogram()
    width = 256 // BINS
    bars = [sum(levels[start : start + width]) for start in range(0, 3 * 256, width)]
    highest = max(bars) or 1
    scaled = [round(1000 * bar / highest) for bar in bars]
    return {
        "histogram": {
            "red": scaled[:BINS],
            "green": scaled[BINS : 2 * BINS],
            "blue": scaled[2 * BINS :],
        }
    }
