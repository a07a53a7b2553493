"""What a run cost that was measured: functions, requests by service, connections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ringback.awscost.bill import Bill, priced
from ringback.awscost.prices import REGION, PriceList, Prices

UNITS: Mapping[str, Mapping[str, tuple[str, float]]] = {
    "dynamodb": {
        **dict.fromkeys(("GetItem", "BatchGetItem", "Query", "Scan"), ("dynamodb-reads", 1)),
        **dict.fromkeys(("TransactGetItems",), ("dynamodb-reads", 2)),
        **dict.fromkeys(
            ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"), ("dynamodb-writes", 1)
        ),
        # Two for each of its items, of which there are two or nobody would need one.
        "TransactWriteItems": ("dynamodb-writes", 4),
    },
    "events": {"PutEvents": ("eventbridge-events", 1)},
    "sns": dict.fromkeys(("Publish", "PublishBatch"), ("sns-requests", 1)),
    "s3": {
        **dict.fromkeys(("GetObject", "HeadObject"), ("s3-reads", 1)),
        **dict.fromkeys(("PutObject", "PostObject", "GetBucket"), ("s3-writes", 1)),
    },
}
"""How much of what a request uses at least, by service and action."""
METERED = {"read": "dynamodb-reads", "write": "dynamodb-writes"}
"""Units as a local home meters them, under ``units`` beside the services: by the size of what was
read and written, by indexes and by transactions. They stand in the place of what requests to
DynamoDB use at least."""
COUNTED = frozenset({"execute-api", "lambda", "units"})
"""Services whose requests are messages and invocations, and counted as such."""
NOTHING = (
    *(("dynamodb", action) for action in ("Describe", "List", "Get", "Create", "Update", "Tag")),
    ("s3", "Delete"),
    ("s3", "PutBucket"),
    ("s3", "HeadBucket"),
)
"""Services, and how actions begin that cost nothing, unless they stand above: what looks at tables
and makes them, and what reads streams for Lambda."""


@dataclass(frozen=True, kw_only=True)
class Invoked:
    """What a function did."""

    invocations: int = 0
    gb_seconds: float = 0


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a run used."""

    functions: Mapping[str, Invoked] = field(default_factory=dict)
    requests: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """To other services, by service and action: ``{"dynamodb": {"PutItem": 3}}``; and the units
    that DynamoDB bills, if they were metered: ``{"units": {"read": 0.5, "write": 4}}``."""
    http_requests: float = 0
    """To HTTP APIs, in units of 512 KB."""
    socket_messages: float = 0
    """Of WebSocket APIs, in units of 32 KB, both ways."""
    socket_minutes: float = 0
    """Of their connections."""

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Measured:
        """The summary of a local home: ``ringback aws local --json`` ends with it."""
        apis = figures["apis"].values()
        sockets = [api for api in apis if api["kind"] == "websocket"]
        return cls(
            functions={
                name: Invoked(invocations=each["invocations"], gb_seconds=each["gb_seconds"])
                for name, each in figures["functions"].items()
            },
            requests=figures["requests"],
            http_requests=sum(api["billed"] for api in apis if api["kind"] == "http"),
            socket_messages=sum(api["billed"] for api in sockets),
            socket_minutes=sum(api["seconds"] for api in sockets) / 60,
        )


@dataclass(frozen=True, kw_only=True)
class Cost(Bill):
    """What that comes to."""

    functions: Mapping[str, float]
    """Dollars of each function, which are in the items as well."""
    unpriced: Mapping[str, Mapping[str, float]]
    """Requests that there is no price for, and that are in no item."""


def cost_of(measured: Measured, prices: Prices | None = None, *, free_tier: bool = False) -> Cost:
    """The price of a run; by the packaged prices of us-east-1, unless others are given.

    Where no units were metered, requests to DynamoDB are taken for small: one unit each, two for
    each item of a transaction, which is taken to have two. Larger items and indexes cost more.
    """
    if prices is None:
        prices = PriceList.packaged().region(REGION)
    used: dict[str, float] = defaultdict(
        float,
        {
            "http-requests": measured.http_requests,
            "websocket-messages": measured.socket_messages,
            "websocket-minutes": measured.socket_minutes,
            "lambda-requests": sum(each.invocations for each in measured.functions.values()),
            "lambda-gb-seconds": sum(each.gb_seconds for each in measured.functions.values()),
        },
    )
    unpriced: dict[str, dict[str, float]] = {}
    metered = measured.requests.get("units", {})
    for kind, name in METERED.items():
        used[name] += metered.get(kind, 0)
    for service, actions in measured.requests.items():
        for action, count in actions.items():
            name, units = _units(service, action)
            if name in METERED.values() and metered:
                continue
            if name:
                used[name] += units * count
            elif service not in COUNTED and not any(
                service == of and action.startswith(beginning) for of, beginning in NOTHING
            ):
                unpriced.setdefault(service, {})[action] = count
    calls, time = prices["lambda-requests"], prices["lambda-gb-seconds"]
    return Cost(
        items=priced(used, prices, free_tier=free_tier).items,
        functions={
            name: calls.cost(each.invocations) + time.cost(each.gb_seconds)
            for name, each in measured.functions.items()
        },
        unpriced=unpriced,
    )


def _units(service: str, action: str) -> tuple[str, float]:
    if service == "sqs":  # where every request costs the same
        return "sqs-requests", 1
    return UNITS.get(service, {}).get(action, ("", 0))
