"""Photos with a question: upright, small, without where and when, and only of its author."""

import io
import uuid
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from examples.ask_around_me import pictures, questions
from tests.examples.ask_around_me.people import Json, Person, served

GPS = 0x8825
ORIENTATION = 0x0112
DESCRIPTION = 0x010E
MAKE = 0x010F


def picture(
    form: str = "JPEG", size: tuple[int, int] = (900, 600), mode: str = "RGB", **options: Any
) -> bytes:
    file = io.BytesIO()
    left = Image.new("RGB", (size[0] // 2, size[1]), "red")
    whole = Image.new("RGB", size, "blue")
    whole.paste(left)
    whole.convert(mode).save(file, form, **options)
    return file.getvalue()


def with_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[DESCRIPTION] = "at my grandmother's"
    exif.get_ifd(GPS)[2] = (47.0, 22.0, 36.0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return picture(exif=exif, comment=b"a secret comment", icc_profile=profile)


def with_damaged_exif() -> bytes:
    """Its width is a text, at which Pillow stumbles with an error of its own parts."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[MAKE] = "Maker"
    whole = picture(exif=exif)
    assert whole.count(b"\x01\x0f\x00\x02") == 1
    return whole.replace(b"\x01\x0f\x00\x02", b"\x01\x00\x00\x02")


async def send(person: Person, question: str, data: bytes, type: str = "image/jpeg") -> Json:
    """Upload, and wait for the end; the operation."""
    name = f"photos/{question}/cat.jpg"
    declared = await person.post("/uploads", json={"name": name, "size": len(data), "type": type})
    assert declared.status_code == 201, declared.text
    operation = declared.json()
    sent = await person.put(operation["upload"]["url"], content=data)
    assert sent.status_code == 202, sent.text
    return await person.ended(operation | sent.json())


def stored(data: Path) -> list[Path]:
    """The pictures that are kept."""
    return list(data.rglob("*.webp"))


async def fetched(person: Person, url: str) -> Image.Image:
    answer = await person.get(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    for secret in (b"EXIF", b"grandmother", b"secret comment", b"XMP"):
        assert secret not in answer.content
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.parametrize(
    ("form", "type", "mode"),
    [
        ("JPEG", "image/jpeg", "RGB"),
        ("JPEG", "image/jpeg", "L"),
        ("JPEG", "image/jpeg", "CMYK"),
        ("PNG", "image/png", "RGBA"),
        ("PNG", "image/png", "P"),
        ("WEBP", "image/webp", "RGB"),
    ],
)
async def test_a_photo_comes_with_its_question_to_everybody(
    data: Path, form: str, type: str, mode: str
) -> None:
    async with served(data) as url, Person.of(url) as ada:
        asked = await ada.ask()
        before = await ada.around()
        operation = await send(ada, asked["id"], picture(form, mode=mode), type)
        assert operation["status"] == "succeeded", operation
        photo = operation["result"]
        assert (photo["width"], photo["height"]) == (900, 600)
        (found,) = (await ada.around())["questions"]
        assert found["photos"] == [photo]
        assert found["version"] > asked["version"]
        (told,) = await ada.messages(before["topics"], before["position"])
        assert told["data"] == found
        for name, width in (("small", 240), ("medium", 640), ("large", 900)):
            assert (await fetched(ada, photo[name])).width == width


async def test_it_is_upright_and_says_nothing_of_where_it_was_taken(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        asked = await ada.ask()
        photo = (await send(ada, asked["id"], with_exif(6)))["result"]
        assert (photo["width"], photo["height"]) == (600, 900)
        for name in ("small", "medium", "large"):
            shown = await fetched(ada, photo[name])
            assert shown.height > shown.width
            assert not shown.getexif()
            assert not shown.info.keys() & {"exif", "xmp", "comment", "icc_profile"}
            # Turned by a quarter to the right, its red left half is on top.
            above, below = (
                shown.convert("RGB").getpixel((shown.width // 2, shown.height * part // 4))
                for part in (1, 3)
            )
            assert isinstance(above, tuple)
            assert isinstance(below, tuple)
            assert above[0] > 200 > 50 > above[2]
            assert below[2] > 200 > 50 > below[0]


async def test_only_its_author_may(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada, Person.of(url, "Eve") as eve:
        asked = await ada.ask()
        operation = await send(eve, asked["id"], picture())
        assert operation["error"]["reason"] == "not-yours"
        assert (await ada.around())["questions"][0]["photos"] == []
    assert not stored(data)


@pytest.mark.parametrize("question", ["nonsense", str(uuid.UUID(int=5))])
async def test_a_question_there_has_to_be(data: Path, question: str) -> None:
    async with served(data) as url, Person.of(url) as ada:
        operation = await send(ada, question, picture())
        assert operation["error"]["reason"] == "unknown-question"


@pytest.mark.parametrize(
    "content",
    [
        b"no picture at all",
        picture()[:2000],  # cut off
        picture("GIF"),  # a decoder that is not tried
        picture("BMP"),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        with_damaged_exif(),
    ],
)
async def test_what_is_no_picture(data: Path, content: bytes) -> None:
    async with served(data) as url, Person.of(url) as ada:
        asked = await ada.ask()
        operation = await send(ada, asked["id"], content)
        assert operation["error"]["reason"] == "not-a-picture"
        assert operation["attempt"] == 1, "trying again would not make it one"
        assert (await ada.around())["questions"][0]["photos"] == []


async def test_a_picture_that_would_fill_the_memory(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 500_000)
    async with served(data) as url, Person.of(url) as ada:
        asked = await ada.ask()
        operation = await send(ada, asked["id"], picture(size=(1000, 600)))
        assert operation["error"]["reason"] == "too-many-pixels"


async def test_types_and_sizes_are_refused_before_the_bytes_come(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        name = f"photos/{uuid.uuid4()}/x"
        gif = {"name": name, "size": 100, "type": "image/gif"}
        assert (await ada.post("/uploads", json=gif)).status_code == 415
        large = {"name": name, "size": pictures.MAX_SIZE + 1, "type": "image/png"}
        assert (await ada.post("/uploads", json=large)).status_code == 413
        del ada.headers["Authorization"]
        small = {"name": name, "size": 100, "type": "image/png"}
        assert (await ada.post("/uploads", json=small)).status_code == 401


async def test_a_question_has_so_many(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MAX_PHOTOS", 2)
    async with served(data) as url, Person.of(url) as ada:
        asked = await ada.ask()
        first = (await send(ada, asked["id"], picture(size=(300, 200))))["result"]
        second = (await send(ada, asked["id"], picture(size=(100, 80))))["result"]
        third = await send(ada, asked["id"], picture())
        assert third["error"]["reason"] == "too-many-photos"
        (found,) = (await ada.around())["questions"]
        assert found["photos"] == [first, second]
        assert (await fetched(ada, second["large"])).size == (100, 80), "nothing is blown up"


@pytest.mark.parametrize(
    "path", [f"/photos/{uuid.UUID(int=1)}/240.webp", "/photos/../240.webp", "/photos/x/240.webp"]
)
async def test_a_picture_that_is_not_there(data: Path, path: str) -> None:
    async with served(data) as url, Person.of(url) as ada:
        answer = await ada.get(path)
        assert answer.status_code in (404, 422)
        assert answer.headers["content-type"] == "application/problem+json"
