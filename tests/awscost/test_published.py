"""The figures that were worked out by hand, and those that comparisons of these services print."""

import pytest

from ringback.awscost import WAYS, PriceList, Waiting, Workload, bill

PRICES = PriceList.packaged().region("us-east-1")
IRELAND = PriceList.packaged().region("eu-west-1")
BY_NAME = {way.name: way for way in WAYS}
A_DAY = 25_000
MONTH = A_DAY * 30
"""Messages."""


def total(way: str, workload: Workload, waiting: Waiting = Waiting.IDLE) -> float:
    return bill(BY_NAME[way], workload, PRICES, waiting).total


def some(way: str, workload: Workload, *names: str) -> float:
    return bill(BY_NAME[way], workload, PRICES).of(names)


@pytest.mark.parametrize(
    ("way", "qos", "dollars", "digits"),
    [
        ("polling", 0, 236, 0),
        ("long-polling", 0, 1906, 0),
        ("sse", 0, 1804, 0),
        ("websocket", 0, 5.60, 2),
        ("appsync", 0, 5.77, 2),
        ("appsync-events", 0, 2.71, 2),
        ("iot", 0, 2.71, 2),
        ("iot", 1, 3.46, 2),
    ],
)
def test_a_thousand_users(way: str, qos: int, dollars: float, digits: int) -> None:
    assert round(total(way, Workload(qos=qos)), digits) == dollars


def test_what_they_are_made_of() -> None:
    """The terms of the formulae."""
    month = Workload()
    polling = bill(BY_NAME["polling"], month, PRICES)
    used = {item.name: item.quantity for item in polling.items}
    assert used["http-requests"] == pytest.approx(172.8e6)
    assert used["lambda-gb-seconds"] == pytest.approx(1.08e6)
    assert used["dynamodb-reads"] == pytest.approx(86.4e6)
    assert round(some("polling", month, "lambda-gb-seconds")) == 18
    assert round(some("polling", month, "dynamodb-reads"), 2) == 10.80
    assert round(some("long-polling", month, "lambda-gb-seconds")) == 1800
    assert round(some("long-polling", month, "dynamodb-reads")) == 54
    assert round(some("websocket", month, "websocket-minutes"), 2) == 3.60
    assert round(some("websocket", month, "lambda-requests", "lambda-gb-seconds"), 2) == 0.30
    assert round(some("websocket", month, "dynamodb-reads", "dynamodb-writes"), 2) == 0.20
    assert round(total("websocket", Workload(pings=True)) - total("websocket", month), 2) == 1.60


@pytest.mark.parametrize(
    ("way", "dollars"), [("websocket", 79), ("appsync", 154), ("appsync-events", 77), ("iot", 77)]
)
def test_a_hundred_times_the_fanout_in_messages_and_minutes(way: str, dollars: int) -> None:
    minutes = ("websocket-minutes", "appsync-minutes", "events-minutes", "iot-minutes")
    messages = (
        "websocket-messages",
        "appsync-operations",
        "appsync-updates",
        "events-operations",
        "iot-messages",
    )
    assert round(some(way, Workload(fanout=100), *minutes, *messages)) == dollars


@pytest.mark.parametrize(("way", "dollars"), [("polling", 2), ("long-polling", 17)])
def test_waiting_only_while_a_job_is_in_flight(way: str, dollars: int) -> None:
    """Ten seconds, in which there are two polls."""
    assert round(total(way, Workload(job_seconds=10, poll=5), Waiting.IN_FLIGHT)) == dollars


def test_25_000_messages_a_day_for_less_than_a_dollar() -> None:
    """Messages and the functions' requests, with nothing for their time and the connections."""
    messages, calls = PRICES["websocket-messages"], PRICES["lambda-requests"]
    assert messages.cost(MONTH) + calls.cost(MONTH) == pytest.approx(0.90)
    time = PRICES["lambda-gb-seconds"].cost(MONTH * 0.1 * 128 / 1024)  # 100 ms at 128 MB
    assert round(time, 2) == 0.16
    assert round(messages.cost(MONTH) + calls.cost(MONTH) + time, 2) == 1.06


def test_at_the_price_printed_it_takes_the_free_tier() -> None:
    messages, calls = IRELAND["websocket-messages"], IRELAND["lambda-requests"]
    assert messages.cost(1e6) == pytest.approx(1.14)
    assert messages.cost(MONTH) + calls.cost(MONTH) == pytest.approx(1.005)
    assert messages.cost(MONTH) + calls.cost(MONTH, free_tier=True) < 1


def test_connection_minutes() -> None:
    """$0.29 against $0.08 a million; in us-east-1 $0.25."""
    assert IRELAND["websocket-minutes"].cost(1e6) == pytest.approx(0.29)
    assert IRELAND["appsync-minutes"].cost(1e6) == pytest.approx(0.08)
    assert PRICES["websocket-minutes"].cost(1e6) == pytest.approx(0.25)
    assert PRICES["appsync-updates"].cost(1e6) == pytest.approx(2)
