"""Photos developed in steps: every part is there, none is made twice, what is no photo fails."""

import base64
import io
import random
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from ringback.demo import samples
from ringback.demo.pace import pace_of
from ringback.demo.photos import MAX_THUMBNAIL, SIZES, Photo, develop
from ringback.errors import TaskFailed
from tests.demo.operations import Killed, Recorder, killed_after, operation


def picture(size: tuple[int, int], form: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(file, form, **options)
    return file.getvalue()


def run(data: bytes, recorder: Recorder | None = None) -> Photo:
    return develop(operation(recorder or Recorder()), io.BytesIO(data), "p.jpg", len(data))


def opened(part: dict[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(part["image"].partition(",")[2])))


@pytest.mark.parametrize("mood", samples.MOODS)
def test_samples(mood: str) -> None:
    recorder = Recorder()
    result = run(samples.photo(mood), recorder)
    assert (result.width, result.height, result.format) == (1800, 1200, "JPEG")
    assert [part["step"] for part in recorder.parts] == [
        *(f"{size}px" for size in SIZES),
        "palette",
        "histogram",
    ]
    for size, part in zip(SIZES, recorder.parts, strict=False):
        assert max(opened(part).size) == size
    assert [thumbnail.width for thumbnail in result.thumbnails] == list(SIZES)
    assert sum(colour.share for colour in result.palette) == pytest.approx(1, abs=0.01)
    assert max(max(c) for c in (result.histogram.red, result.histogram.green)) <= 1000
    assert recorder.fractions == sorted(recorder.fractions)


@pytest.mark.parametrize("parts", [1, 4, 6, 7])
def test_a_killed_attempt_is_gone_on_with(parts: int) -> None:
    data = samples.photo("dawn")
    first = Recorder(on_part=killed_after(parts))
    with pytest.raises(Killed):
        run(data, first)
    second = Recorder(first.parts)
    assert run(data, second) == run(data)
    assert second.parts[:parts] == first.parts
    assert len(second.parts) == len(SIZES) + 2


@pytest.mark.parametrize(
    ("size", "sides"),
    [((30, 20), [30]), ((64, 64), [64]), ((300, 100), [64, 128, 256, 300]), ((1, 1), [1])],
)
def test_nothing_is_blown_up(size: tuple[int, int], sides: list[int]) -> None:
    result = run(picture(size))
    assert [max(each.width, each.height) for each in result.thumbnails] == sides


@pytest.mark.parametrize(
    "data",
    [
        picture((90, 60), mode="RGBA"),
        picture((90, 60), mode="P"),
        picture((90, 60), mode="1"),
        picture((90, 60), "TIFF", "I;16"),
        picture((90, 60), "JPEG", "CMYK"),
        picture((90, 60), "GIF", "P"),
        picture((90, 60), "WEBP"),
        picture((90, 60), "TIFF", "F"),
    ],
    ids=["alpha", "palette", "bits", "deep", "cmyk", "gif", "webp", "float"],
)
def test_kinds_of_pictures(data: bytes) -> None:
    result = run(data)
    assert (result.width, result.height) == (90, 60)


def test_noise_is_shrunk_until_it_fits_a_part() -> None:
    """No quality makes it small enough: there is nothing in it to leave out."""
    noise = Image.frombytes("RGB", (1024, 768), random.Random(7).randbytes(3 * 1024 * 768))
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=95)
    recorder = Recorder()
    result = run(file.getvalue(), recorder)
    for told, part in zip(result.thumbnails, recorder.parts, strict=False):
        assert told.bytes <= MAX_THUMBNAIL
        assert opened(part).size == (told.width, told.height)
    largest = result.thumbnails[-1]
    assert 512 < largest.width < 1024
    assert largest.width / largest.height == pytest.approx(4 / 3, abs=0.01)


def test_a_picture_on_its_side_is_set_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    recorder = Recorder()
    result = run(picture((90, 60), "JPEG", exif=exif), recorder)
    assert (result.width, result.height) == (60, 90)
    assert opened(recorder.parts[0]).size == (43, 64)


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda: b"", "no picture"),
        (lambda: b"hello", "no picture"),
        (lambda: samples.photo("dawn")[:4000], "damaged"),
        (lambda: picture((10_000, 8500), "PNG", "1"), "pixels"),
    ],
    ids=["empty", "text", "cut", "bomb"],
)
def test_what_is_no_photo_fails_for_good(make: Callable[[], bytes], cause: str) -> None:
    with pytest.raises(TaskFailed, match=cause):
        run(make())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photos/0.6s/cat.jpg", (0.6, "cat.jpg")),
        ("photos/0s/cat.jpg", (0, "cat.jpg")),
        ("photos/99s/cat.jpg", (3, "cat.jpg")),
        ("photos/cat.jpg", (0, "cat.jpg")),
        ("photos/0.6s/a/b.jpg", (0.6, "a/b.jpg")),
        ("photos/xs/cat.jpg", (0, "xs/cat.jpg")),
    ],
)
def test_the_pace_is_in_the_name(name: str, expected: tuple[float, str]) -> None:
    assert pace_of(name) == expected
