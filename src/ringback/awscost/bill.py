"""A bill: items, and their sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ringback.awscost.prices import Prices

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "requests": ("http-requests", "rest-requests"),
    "messages": (
        "websocket-messages",
        "appsync-operations",
        "appsync-updates",
        "events-operations",
        "iot-messages",
    ),
    "minutes": ("websocket-minutes", "appsync-minutes", "events-minutes", "iot-minutes"),
    "Lambda calls": ("lambda-requests",),
    "GB-seconds": ("lambda-gb-seconds",),
    "reads": ("dynamodb-reads",),
    "writes": ("dynamodb-writes",),
    "events": ("eventbridge-events",),
}
"""What is added up in a table's columns."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line."""

    name: str
    """Of the price."""
    what: str
    quantity: float
    dollars: float
    mark: str
    """How the price is known."""


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What comes to be paid."""

    items: tuple[Item, ...]

    @property
    def total(self) -> float:
        return sum(item.dollars for item in self.items)

    def of(self, names: tuple[str, ...]) -> float:
        """The sum of some."""
        return sum(item.dollars for item in self.items if item.name in names)


def priced(quantities: Mapping[str, float], prices: Prices, *, free_tier: bool = False) -> Bill:
    """The bill for so much of each."""
    return Bill(
        items=tuple(
            Item(
                name=name,
                what=prices[name].what,
                quantity=quantity,
                dollars=prices[name].cost(quantity, free_tier=free_tier),
                mark=prices[name].mark,
            )
            for name, quantity in quantities.items()
            if quantity
        )
    )
