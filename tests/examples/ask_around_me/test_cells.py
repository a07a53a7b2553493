"""The cells that cover a circle: none is missing, anywhere on earth, and there are never many."""

import math

import h3  # type: ignore[import-untyped] # it ships no types
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from examples.ask_around_me import cells
from examples.ask_around_me.model import Point
from tests.thorough import examples

MOST = 16
RADIUS = 6_371_008.8
"""Metres."""

latitudes = st.floats(-90, 90) | st.sampled_from([-90.0, -89.99, 0.0, 89.97, 90.0])
longitudes = st.floats(-180, 180) | st.sampled_from([-180.0, 179.999, 0.0, 180.0])
shares = st.floats(0, 1) | st.sampled_from([0.0, 1.0])


def there(start: Point, metres: float, bearing: float) -> Point:
    """Where one comes to: the direct problem on a sphere, not computed as the code does."""
    lat, lng, way = math.radians(start.lat), math.radians(start.lng), metres / RADIUS
    end = math.asin(
        max(
            -1,
            min(
                1, math.sin(lat) * math.cos(way) + math.cos(lat) * math.sin(way) * math.cos(bearing)
            ),
        )
    )
    turn = math.atan2(
        math.sin(bearing) * math.sin(way) * math.cos(lat),
        math.cos(way) - math.sin(lat) * math.sin(end),
    )
    return Point(
        lat=max(-90, min(90, math.degrees(end))),
        lng=max(-180, min(180, (math.degrees(lng + turn) + 180) % 360 - 180)),
    )


@settings(max_examples=examples(1500), deadline=None)
@example(47.0, 179.9999, 1.0, math.pi / 2, 8000.0)
@example(90.0, 0.0, 1.0, 1.0, 8000.0)
@example(-89.95, 120.0, 1.0, 0.0, 8000.0)
@given(latitudes, longitudes, shares, st.floats(0, 2 * math.pi), st.floats(100, 8000))
def test_whoever_is_within_the_radius_is_in_a_covering_cell(
    lat: float, lng: float, share: float, bearing: float, radius: float
) -> None:
    centre = Point(lat=lat, lng=lng)
    other = there(centre, share * radius * 0.999999, bearing)
    cover = cells.cover(centre, radius)
    assert cells.cell_of(other) in cover
    assert len(cover) == len(set(cover)) <= MOST


@pytest.mark.parametrize("pentagon", h3.get_pentagons(cells.TOPIC_RESOLUTION))
def test_so_it_is_around_the_twelve_cells_with_five_corners(pentagon: str) -> None:
    for lat, lng in [h3.cell_to_latlng(pentagon), *h3.cell_to_boundary(pentagon)]:
        centre = Point(lat=lat, lng=lng)
        cover = cells.cover(centre, 8000)
        assert len(cover) <= MOST
        for step in range(72):
            assert cells.cell_of(there(centre, 7999.9, step * math.pi / 36)) in cover


@settings(max_examples=examples(300), deadline=None)
@given(latitudes, longitudes, shares, st.floats(0, 2 * math.pi))
def test_distances_are_those_on_a_sphere(
    lat: float, lng: float, share: float, bearing: float
) -> None:
    start = Point(lat=lat, lng=lng)
    assert cells.metres(start, there(start, share * 8000, bearing)) == pytest.approx(
        share * 8000, abs=0.5
    )


def test_a_radius_that_the_rings_do_not_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 8000"):
        cells.cover(Point(lat=0, lng=0), 8001)


def test_a_heat_cell_surrounds_its_middle() -> None:
    at = Point(lat=47.3769, lng=8.5417)
    cell = cells.heat_cell_of(at)
    middle = cells.middle_of(cell)
    assert cells.metres(at, middle) < 700
    corners = [Point(lat=lat, lng=lng) for lat, lng in cells.outline_of(cell)]
    assert 5 <= len(corners) <= 10
    assert all(300 < cells.metres(middle, corner) < 800 for corner in corners)
