"""EventBridge's patterns, as its guide gives them."""

from typing import Any

import pytest

from ringback.awslocal.sources.patterns import fits

EVENT = {
    "source": "shop",
    "detail-type": "sold",
    "detail": {
        "price": 12.5,
        "count": 3,
        "name": "Tea cup",
        "tags": ["new", "blue"],
        "address": "10.0.0.7",
        "gone": None,
        "open": True,
        "lines": [{"sku": "a"}, {"sku": "b"}],
    },
}


@pytest.mark.parametrize(
    ("pattern", "holds"),
    [
        ({}, True),
        ({"source": ["shop"]}, True),
        ({"source": ["other", "shop"], "detail-type": ["bought"]}, False),
        ({"detail": {"tags": ["blue"]}}, True),
        ({"detail": {"tags": ["red"]}}, False),
        ({"detail": {"lines": {"sku": ["b"]}}}, True),
        ({"detail": {"gone": [None]}}, True),
        ({"detail": {"open": [True]}}, True),
        ({"detail": {"open": [1]}}, False),
        ({"detail": {"name": [{"prefix": "Tea"}]}}, True),
        ({"detail": {"name": [{"prefix": {"equals-ignore-case": "tEA"}}]}}, True),
        ({"detail": {"name": [{"suffix": "cup"}]}}, True),
        ({"detail": {"name": [{"suffix": {"equals-ignore-case": "CUP"}}]}}, True),
        ({"detail": {"name": [{"equals-ignore-case": "tea CUP"}]}}, True),
        ({"detail": {"name": [{"wildcard": "T*p"}]}}, True),
        ({"detail": {"name": [{"wildcard": "T.*p"}]}}, False),
        ({"detail": {"name": [{"anything-but": "Tea cup"}]}}, False),
        ({"detail": {"name": [{"anything-but": ["a", "b"]}]}}, True),
        ({"detail": {"name": [{"anything-but": {"prefix": "Tea"}}]}}, False),
        ({"detail": {"name": [{"anything-but": {"prefix": ["x", "y"]}}]}}, True),
        ({"detail": {"price": [{"numeric": [">", 10, "<=", 12.5]}]}}, True),
        ({"detail": {"price": [{"numeric": ["=", 12]}]}}, False),
        ({"detail": {"name": [{"numeric": [">", 1]}]}}, False),
        ({"detail": {"open": [{"numeric": [">", 0]}]}}, False),
        ({"detail": {"address": [{"cidr": "10.0.0.0/24"}]}}, True),
        ({"detail": {"name": [{"cidr": "10.0.0.0/24"}]}}, False),
        ({"detail": {"none": [{"exists": False}]}}, True),
        ({"detail": {"name": [{"exists": False}]}}, False),
        ({"detail": {"none": {"deeper": [{"exists": True}]}}}, False),
        ({"detail": {"none": ["x", {"exists": False}]}}, True),
        ({"$or": [{"source": ["x"]}, {"detail": {"count": [3]}}]}, True),
        ({"$or": [{"source": ["x"]}, {"detail": {"count": [4]}}]}, False),
        ({"detail": {"name": [{"unheard-of": 1}]}}, False),
    ],
)
def test_patterns(pattern: dict[str, Any], holds: bool) -> None:
    assert fits(pattern, EVENT) is holds
