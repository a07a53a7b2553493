"""The file of prices, and what is said of a wrong one."""

from importlib import resources

import pytest

from ringback.awscost import PriceList
from ringback.errors import ConfigurationError

TEXT = resources.files("ringback.awscost").joinpath("prices.toml").read_text("utf-8")


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_each_price_says_how_it_is_known(region: str) -> None:
    for price in PriceList.packaged().region(region).by_name.values():
        assert price.mark in ("documented", "memory")
        assert price.source
        assert price.seen


def test_a_region_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match=r"only for us-east-1, eu-west-1\. .*--prices"):
        PriceList.packaged().region("mars-1")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('date = "2026-11-22"', 'date = "soon"', "of when it is"),
        ('currency = "USD"', 'currency = "EUR"', "another currency"),
        ("[regions.us-east-1]", "[regions.us-east-1", "is not TOML"),
        ("\nhttp-requests =", "\nhttp-request =", r"lacks http-requests in \[regions.us-east-1"),
        ("\nsqs-requests =", "\ngold = 1\nsqs-requests =", "has gold, unknown"),
        ("dollars = 3.50", 'dollars = "3.50"', "which is no amount"),
        ("dollars = 3.50", "dollars = -1", "which is no amount"),
        ("dollars = 3.50", "cents = 3.50", "has cents, unknown"),
        ("dollars = 3.50, ", "", "lacks dollars"),
        ("dollars = 3.50, per = 1e6", "dollars = 3.50, per = 0", "per = 0"),
        ('mark = "documented"', 'mark = "rumour"', "not documented or memory"),
        ('source = "dynamodb"', 'source = "a friend"', "names the source 'a friend'"),
    ],
)
def test_says_what_is_wrong_with_a_file(old: str, new: str, said: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigurationError, match=rf"mine\.toml.*{said}.*--show-prices"):
        PriceList.parse(TEXT.replace(old, new, 1), "mine.toml")


def test_another_file() -> None:
    text = TEXT.replace("dollars = 3.50", "dollars = 7.00", 1)
    found = PriceList.parse(text, "mine.toml").region("us-east-1")
    assert found["rest-requests"].cost(2e6) == pytest.approx(14)
    assert found["rest-requests"].cost(2e6, free_tier=True) == pytest.approx(7)
