"""Files to try the demo with, made by code: nobody needs one at hand, and none is shipped."""

from __future__ import annotations

import csv
import io
import math
import random
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 1800, 1200
ROWS = 20_000

Rgb = tuple[int, int, int]

MOODS: dict[str, tuple[Rgb, Rgb, Rgb, Rgb]] = {
    "dawn": ((92, 117, 168), (250, 205, 178), (255, 236, 210), (38, 44, 78)),
    "noon": ((74, 144, 205), (205, 231, 240), (255, 252, 236), (24, 74, 72)),
    "dusk": ((46, 34, 84), (238, 120, 96), (255, 196, 120), (26, 18, 46)),
}
"""For each: the sky above, the sky at the horizon, the sun, the nearest hill."""


@lru_cache(maxsize=4)
def photo(mood: str) -> bytes:
    """A landscape as a JPEG. Raises ``KeyError`` for a mood that there is not."""
    above, horizon, sun, near = MOODS[mood]
    noise = random.Random(mood)  # noqa: S311 - hills, no secrets
    width, height = WIDTH, HEIGHT
    ramp = Image.new("L", (width, height), 255)  # below the horizon there are hills
    ramp.paste(Image.linear_gradient("L").resize((width, height * 6 // 10)))
    picture = Image.composite(
        Image.new("RGB", ramp.size, horizon), Image.new("RGB", ramp.size, above), ramp
    )
    _shine(picture, sun, (int(width * noise.uniform(0.25, 0.75)), int(height * 0.44)))
    layers = 5
    for layer in range(layers):
        depth = (layer + 1) / layers
        colour = _mix(horizon, near, depth**1.3)
        line = _hills(noise, width, height * (0.48 + 0.38 * depth**1.2), height * 0.07 * depth)
        ImageDraw.Draw(picture).polygon([(0, height), *line, (width, height)], fill=colour)
        if layer < layers - 1:
            picture = picture.filter(ImageFilter.GaussianBlur(1.2 * (1 - depth) + 0.3))
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=90)
    return encoded.getvalue()


def _shine(picture: Image.Image, sun: Rgb, centre: tuple[int, int]) -> None:
    glow_size = picture.width
    glow = Image.eval(Image.radial_gradient("L"), lambda level: max(0, 200 - level * 2))
    corner = (centre[0] - glow_size // 2, centre[1] - glow_size // 2)
    picture.paste(sun, corner, glow.resize((glow_size, glow_size)))
    radius = picture.width // 22
    disc = Image.new("L", (radius * 8, radius * 8))
    ImageDraw.Draw(disc).ellipse((0, 0, radius * 8 - 1, radius * 8 - 1), fill=255)
    picture.paste(
        sun, (centre[0] - radius, centre[1] - radius), disc.resize((radius * 2, radius * 2))
    )


def _hills(
    noise: random.Random, width: int, base: float, swing: float
) -> list[tuple[float, float]]:
    waves = [
        (noise.uniform(0.6, 1.6) * 2**octave, noise.uniform(0, math.tau), 0.55**octave)
        for octave in range(7)
    ]
    return [
        (x, base - swing * sum(a * math.sin(math.tau * f * x / width + p) for f, p, a in waves))
        for x in range(0, width + 3, 3)
    ]


def _mix(far: Rgb, near: Rgb, share: float) -> Rgb:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(far, near, strict=True))
    return red, green, blue


CITIES = ("Lisbon", "Oslo", "Nairobi", "Kyoto", "Quito", "Montréal", "Tallinn", "Accra")
PRODUCTS = {
    "espresso": 2.4,
    "flat white": 3.6,
    "filter": 2.9,
    "cold brew": 4.2,
    "matcha": 4.8,
    "croissant": 2.7,
}


@lru_cache(maxsize=1)
def table() -> bytes:
    """A year of a café's orders as CSV, with some cells missing, as in real ones."""
    chance = random.Random(1964)  # noqa: S311 - orders, no secrets
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["order", "day", "city", "product", "quantity", "price", "minutes", "rating"])
    names, prices = list(PRODUCTS), list(PRODUCTS.values())
    for order in range(1, ROWS + 1):
        pick = chance.choices(range(len(names)), weights=(5, 8, 4, 3, 2, 6))[0]
        day = 1 + (order - 1) * 365 // ROWS
        rows.writerow(
            [
                100_000 + order,
                _date(day),
                chance.choices(CITIES, weights=(9, 7, 6, 6, 4, 4, 3, 2))[0],
                names[pick],
                min(12, 1 + int(chance.expovariate(0.9))),
                f"{prices[pick] * chance.uniform(0.92, 1.15):.2f}",
                f"{chance.lognormvariate(1.5, 0.45):.1f}",
                ""
                if chance.random() < 0.23
                else chance.choices((1, 2, 3, 4, 5), (1, 2, 5, 11, 9))[0],
            ]
        )
    return text.getvalue().encode()


def _date(day: int) -> str:
    months = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    for month, length in enumerate(months, 1):
        if day <= length:
            return f"2025-{month:02d}-{day:02d}"
        day -= length
    raise ValueError("The day lies after the year.")
