"""The price of a run."""

import pytest

from ringback.awscost import Invoked, Measured, PriceList, cost_of


def test_a_run() -> None:
    cost = cost_of(
        Measured(
            functions={
                "Work": Invoked(invocations=1_000_000, gb_seconds=400_000),
                "Push": Invoked(invocations=500_000, gb_seconds=0),
            },
            requests={
                "dynamodb": {
                    "PutItem": 2_000_000,
                    "TransactWriteItems": 500_000,
                    "GetItem": 8_000_000,
                    "GetRecords": 77,
                    "DescribeTable": 5,
                },
                "sqs": {"SendMessage": 1_000_000, "ReceiveMessage": 1_000_000},
                "execute-api": {"Post": 9},
                "lambda": {"Invoke": 3},
                "ssm": {"GetParameter": 2},
            },
            http_requests=1_000_000,
            socket_messages=2_000_000,
            socket_minutes=4_000_000,
        )
    )
    dollars = {item.name: round(item.dollars, 6) for item in cost.items}
    assert dollars == {
        "http-requests": 1.0,
        "websocket-messages": 2.0,
        "websocket-minutes": 1.0,
        "lambda-requests": 0.3,
        "lambda-gb-seconds": 6.66668,
        "dynamodb-writes": 2.5,
        "dynamodb-reads": 1.0,
        "sqs-requests": 0.8,
    }
    assert cost.total == pytest.approx(sum(dollars.values()))
    assert cost.functions == pytest.approx({"Work": 6.86668, "Push": 0.1})
    assert cost.unpriced == {"ssm": {"GetParameter": 2}}


def test_units_that_were_metered_stand_in_for_requests() -> None:
    requests = {
        "dynamodb": {"TransactWriteItems": 1, "Query": 7, "DescribeTable": 1},
        "units": {"read": 2_000_000, "write": 4_000_000, "index": 1_000_000},
    }
    cost = cost_of(Measured(requests=requests))
    dollars = {item.name: round(item.dollars, 6) for item in cost.items}
    assert dollars == {"dynamodb-reads": 0.25, "dynamodb-writes": 2.5}
    assert cost.unpriced == {}


def test_nothing_costs_nothing() -> None:
    assert cost_of(Measured()).total == 0
    assert cost_of(Measured()).items == ()


def test_a_summary_of_a_local_home() -> None:
    """As `ringback aws local --json` ends."""
    figures = {
        "functions": {"Work": {"invocations": 4, "gb_seconds": 0.5, "errors": 1}},
        "apis": {
            "Api": {"kind": "http", "billed": 3, "requests": 3},
            "Chat": {"kind": "websocket", "billed": 7, "seconds": 90.0, "sent": 7},
        },
        "requests": {"sqs": {"SendMessage": 2}},
    }
    measured = Measured.of(figures)
    assert measured == Measured(
        functions={"Work": Invoked(invocations=4, gb_seconds=0.5)},
        requests={"sqs": {"SendMessage": 2}},
        http_requests=3,
        socket_messages=7,
        socket_minutes=1.5,
    )
    ireland = PriceList.packaged().region("eu-west-1")
    assert cost_of(measured, ireland).total > cost_of(measured).total
    assert cost_of(measured, free_tier=True).total == 0
