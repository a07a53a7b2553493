"""Prices, and the file they stand in."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from math import ceil, isfinite
from typing import Any

from ringback.errors import ConfigurationError

REGION = "us-east-1"
"""The region, where none is said."""
MARKS = ("documented", "memory")
"""How a price is known."""
NAMES = (
    "http-requests",
    "rest-requests",
    "websocket-messages",
    "websocket-minutes",
    "lambda-requests",
    "lambda-gb-seconds",
    "dynamodb-reads",
    "dynamodb-writes",
    "eventbridge-events",
    "appsync-operations",
    "appsync-updates",
    "appsync-minutes",
    "events-operations",
    "events-minutes",
    "iot-messages",
    "iot-minutes",
    "sqs-requests",
    "sns-requests",
    "s3-writes",
    "s3-reads",
)
"""What has a price."""
NUMBERS = ("dollars", "per", "step", "free")
TEXTS = ("what", "mark", "source")


@dataclass(frozen=True, kw_only=True)
class Price:
    """What one unit of something costs."""

    name: str
    what: str
    dollars: float
    per: float
    """Units that cost so much."""
    step: float = 0
    """Bytes that are one unit; 0: the size does not count."""
    free: float = 0
    """Units a month that the free tier gives."""
    mark: str
    source: str
    seen: str
    """The day of the source."""

    def units(self, size: float) -> int:
        """How often something of so many bytes is counted."""
        return max(1, ceil(size / self.step)) if self.step else 1

    def cost(self, quantity: float, *, free_tier: bool = False) -> float:
        """Dollars for so many units."""
        paid = max(0.0, quantity - self.free) if free_tier else quantity
        return paid / self.per * self.dollars


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Those of a region."""

    region: str
    date: str
    by_name: Mapping[str, Price]

    def __getitem__(self, name: str) -> Price:
        return self.by_name[name]

    @property
    def remembered(self) -> tuple[str, ...]:
        """The names of those that nobody looked up."""
        return tuple(name for name in NAMES if self[name].mark == "memory")


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """A file of prices."""

    name: str
    date: str
    regions: Mapping[str, Prices]

    @classmethod
    def packaged(cls) -> PriceList:
        """The one that comes with Ringback."""
        file = resources.files("ringback.awscost").joinpath("prices.toml")
        return cls.parse(file.read_text("utf-8"), "the packaged prices")

    @classmethod
    def parse(cls, text: str, name: str) -> PriceList:
        """The text of a file. Raises ``ConfigurationError``, which says where it is wrong."""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _wrong(name, f"is not TOML: {error}") from error
        day = _day(document.get("date"))
        if day is None:
            raise _wrong(name, 'does not say of when it is: put date = "2026-11-22" at its top')
        if document.get("currency", "USD") != "USD":
            raise _wrong(name, "has another currency than USD, which is all that is known here")
        sources = document.get("sources", {})
        regions = document.get("regions")
        if not isinstance(regions, dict) or not regions or not isinstance(sources, dict):
            raise _wrong(name, "has no region: give it a table [regions.us-east-1] of prices")
        return cls(
            name=name,
            date=day,
            regions={
                region: _prices(name, region, day, prices, sources)
                for region, prices in regions.items()
            },
        )

    def region(self, region: str) -> Prices:
        """Its prices. Raises ``ConfigurationError``."""
        if region not in self.regions:
            raise ConfigurationError(
                f"There are no prices for {region} in {self.name}, only for "
                f"{', '.join(self.regions)}. Take one of these, or put [regions.{region}] into a "
                "file of your own and give it with --prices FILE."
            )
        return self.regions[region]


def _prices(name: str, region: str, day: str, found: Any, sources: Mapping[str, Any]) -> Prices:
    if not isinstance(found, dict):
        raise _wrong(name, f"has no table for {region}")
    missing = [each for each in NAMES if each not in found]
    unknown = [each for each in found if each not in NAMES]
    if missing or unknown:
        told = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(unknown)}, unknown"
        raise _wrong(name, f"{told} in [regions.{region}]")
    return Prices(
        region=region,
        date=day,
        by_name={each: _price(name, region, each, found[each], sources) for each in NAMES},
    )


def _price(name: str, region: str, price: str, found: Any, sources: Mapping[str, Any]) -> Price:
    where = f"in [regions.{region}] {price}"
    if not isinstance(found, dict):
        raise _wrong(name, f"has no table {where}, such as {{ dollars = 1.00, per = 1e6, … }}")
    if unknown := [key for key in found if key not in NUMBERS + TEXTS]:
        raise _wrong(name, f"has {', '.join(unknown)}, unknown, {where}")
    for key in ("dollars", "per", *TEXTS):
        if key not in found:
            raise _wrong(name, f"lacks {key} {where}")
    for key in NUMBERS:
        value = found.get(key, 0)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not isfinite(value) or value < 0 or (key == "per" and value == 0):
            raise _wrong(name, f"has {key} = {value!r}, which is no amount, {where}")
    if found["mark"] not in MARKS:
        raise _wrong(name, f"has mark = {found['mark']!r}, not {' or '.join(MARKS)}, {where}")
    source = sources.get(str(found["source"]))
    if not isinstance(source, dict) or not {"text", "seen"} <= source.keys():
        raise _wrong(name, f"names the source {found['source']!r}, not in [sources], {where}")
    return Price(
        name=price,
        what=str(found["what"]),
        dollars=found["dollars"],
        per=found["per"],
        step=found.get("step", 0),
        free=found.get("free", 0),
        mark=found["mark"],
        source=str(source["text"]),
        seen=str(source["seen"]),
    )


def _day(value: object) -> str | None:
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError:
        return None


def _wrong(name: str, fault: str) -> ConfigurationError:
    return ConfigurationError(
        f"The file of prices ({name}) {fault}. The form is that of the packaged one: "
        "ringback aws cost --show-prices."
    )
