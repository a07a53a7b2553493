"""Cells of the earth, and how far two points are apart. The only place that knows H3.

H3's cells have nearly the same area everywhere, at the poles and across the 180th meridian too, so
that a circle is covered by a handful of them wherever it lies.
"""

from __future__ import annotations

from functools import lru_cache

import h3  # type: ignore[import-untyped] # it ships no types

from .model import Point

TOPIC_RESOLUTION = 5
"""About 250 km² a cell: a circle of 8 km meets few, and little is told that is far away."""
HEAT_RESOLUTION = 8
"""About 0.74 km² a cell: some streets."""
RINGS = 3
"""Rings of cells around one's own that are looked at. The nearest cell beyond is more than 30 km
away, and what a circle meets is at most its radius and one cell's (12 km) away."""
MAX_RADIUS = 8000.0
"""Metres; ``RINGS`` is for this."""
DECIMALS = 5
"""Of degrees, in outlines: about a metre."""


def cell_of(point: Point) -> str:
    """The cell whose topic tells of what is at a point."""
    return str(h3.latlng_to_cell(point.lat, point.lng, TOPIC_RESOLUTION))


def heat_cell_of(point: Point) -> str:
    """The small cell that an answer at a point counts for."""
    return str(h3.latlng_to_cell(point.lat, point.lng, HEAT_RESOLUTION))


def metres(one: Point, other: Point) -> float:
    """How far two points are apart, on a sphere."""
    return float(h3.great_circle_distance((one.lat, one.lng), (other.lat, other.lng), unit="m"))


def cover(centre: Point, radius: float) -> list[str]:
    """All cells that have a point within ``radius`` metres of the centre, and perhaps a few
    neighbours that only nearly have one; the nearest first.
    """
    if radius > MAX_RADIUS:
        raise ValueError(f"A radius is at most {MAX_RADIUS:g} m; this one is {radius:g} m.")
    found = []
    for cell in h3.grid_disk(cell_of(centre), RINGS):
        middle, reach = _extent(cell)
        away = metres(centre, middle)
        # A point of the cell within the radius is at most `reach` from the cell's middle.
        if away <= radius + reach:
            found.append((away, str(cell)))
    return [cell for _, cell in sorted(found)]


def middle_of(cell: str) -> Point:
    """The centre of a cell."""
    lat, lng = h3.cell_to_latlng(cell)
    return Point(lat=lat, lng=lng)


def outline_of(cell: str) -> list[tuple[float, float]]:
    """The corners of a cell, as latitude and longitude."""
    return [(round(lat, DECIMALS), round(lng, DECIMALS)) for lat, lng in h3.cell_to_boundary(cell)]


@lru_cache(maxsize=10_000)
def _extent(cell: str) -> tuple[Point, float]:
    """A cell's middle, and the metres to its farthest corner: no point of it is farther."""
    middle = middle_of(cell)
    corners = (Point(lat=lat, lng=lng) for lat, lng in h3.cell_to_boundary(cell))
    return middle, max(metres(middle, corner) for corner in corners)
