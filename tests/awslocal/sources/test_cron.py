"""When a schedule is due."""

import datetime

import pytest

from ringback.awslocal.sources.cron import Schedule
from ringback.errors import ConfigurationError

# A Sunday.
NOW = datetime.datetime(2026, 11, 22, 8, 30, 15, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("rate(1 minute)", "2026-11-22T08:31:15"),
        ("rate(2 hours)", "2026-11-22T10:30:15"),
        ("cron(0/15 * * * ? *)", "2026-11-22T08:45:00"),
        ("cron(0 10 * * ? *)", "2026-11-22T10:00:00"),
        ("cron(0 8 * * ? *)", "2026-11-23T08:00:00"),
        ("cron(0 18 ? * MON-FRI *)", "2026-11-23T18:00:00"),
        ("cron(5,35 8 22 NOV ? 2026)", "2026-11-22T08:35:00"),
        ("cron(0 0 L * ? *)", "2026-11-30T00:00:00"),
        ("cron(0 0 1W AUG ? 2027)", "2027-08-02T00:00:00"),
        ("cron(0 0 ? * 6#3 *)", "2026-12-18T00:00:00"),
        ("cron(0 0 ? * FRIL *)", "2026-11-27T00:00:00"),
        ("cron(0 0 29 2 ? *)", "2028-02-29T00:00:00"),
        ("cron(0 0 ? * SAT-MON *)", "2026-11-23T00:00:00"),
        ("at(2026-12-01T09:00:00)", "2026-12-01T09:00:00"),
    ],
)
def test_next(expression: str, due: str) -> None:
    found = Schedule(expression).next(NOW)
    assert found is not None
    assert found.astimezone(datetime.UTC).replace(tzinfo=None).isoformat() == due


def test_zones() -> None:
    found = Schedule("cron(0 12 * * ? *)", "Europe/Berlin").next(NOW)
    assert found is not None
    assert found.astimezone(datetime.UTC).hour == 11


@pytest.mark.parametrize("expression", ["at(2020-01-01T00:00:00)", "cron(0 0 1 1 ? 2020)"])
def test_never_again(expression: str) -> None:
    assert Schedule(expression).next(NOW) is None


@pytest.mark.parametrize(
    "expression",
    [
        "rate(1)",
        "cron(* * * * *)",
        "cron(* * * * * *)",
        "cron(61 * * * ? *)",
        "at(soon)",
        "cron(a * * * ? *)",
    ],
)
def test_what_is_no_schedule_is_refused(expression: str) -> None:
    with pytest.raises(ConfigurationError):
        Schedule(expression)
