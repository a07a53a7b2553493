"""`ringback aws cost` as users run it."""

import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

from ringback.awscost import PriceList, Workload
from ringback.cli.aws_home import stopped
from ringback.cli.costs import Report
from tests.cli.program import Shell

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "images" / "aws-cost.svg"


def test_tells_what_each_way_costs(shell: Shell) -> None:
    done = shell.run("aws", "cost")
    assert done.status == 0
    assert done.err == ""
    for told in ("236.16", "1,906", "5.60", "Long polling", "IoT Core", "from memory"):
        assert told in done.out
    assert "Polling up to 6, then AppSync Events or IoT Core" in " ".join(done.out.split())


def test_as_json(shell: Shell) -> None:
    found = shell.run("aws", "cost", "--users", 10, "--messages", 1000, "--json").json
    assert [each["way"] for each in found["ways"]][:2] == ["polling", "long-polling"]
    polling = found["ways"][0]["idle"]
    assert polling["total"] == pytest.approx(sum(item["dollars"] for item in polling["items"]))
    assert found["workload"]["users"] == 10
    assert found["prices"]["region"] == "us-east-1"
    assert found["cheapest"]["idle"]
    assert found["changes"]["in-flight"]["job_seconds"]


def test_the_items_of_one_way(shell: Shell) -> None:
    done = shell.run("aws", "cost", "--way", "websocket")
    assert "14,400,000     3.6000" in done.out
    assert "Lambda, requests *" in done.out
    wrong = shell.run("aws", "cost", "--way", "web-socket")
    assert wrong.status == 2
    assert "Did you mean websocket?" in wrong.err


def test_prices_of_ones_own(shell: Shell, tmp_path: Path) -> None:
    shown = shell.run("aws", "cost", "--show-prices").out
    mine = tmp_path / "mine.toml"
    mine.write_text(shown.replace("[regions.us-east-1]", "[regions.home]", 1), encoding="utf-8")
    done = shell.run("aws", "cost", "--prices", mine, "--region", "home", "--json")
    assert done.json["prices"]["region"] == "home"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--users", "0"], "--users 0 is out of range"),
        (["--fanout", "5000"], "raise --users"),
        (["--region", "mars-1"], "only for us-east-1"),
        (["--prices", "nowhere.toml"], "--show-prices > prices.toml"),
        (["--svg", "nowhere/chart.svg"], "in a folder that is there"),
    ],
)
def test_says_the_cure(shell: Shell, arguments: list[str], said: str) -> None:
    done = shell.run("aws", "cost", *arguments)
    assert done.status == 2
    assert said in done.err
    assert done.out == ""


def test_the_picture_in_the_documents_is_of_today(shell: Shell, tmp_path: Path) -> None:
    """Draw it anew with `ringback aws cost --svg docs/images/aws-cost.svg`."""
    drawn = tmp_path / "chart.svg"
    done = shell.run("aws", "cost", "--svg", drawn)
    assert "is written" in done.err
    assert drawn.read_text("utf-8") == PICTURE.read_text("utf-8")
    assert ET.fromstring(drawn.read_text("utf-8")).tag.endswith("svg")  # noqa: S314


@pytest.mark.parametrize("columns", [80, 120])
def test_fits_the_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ringback.cli.costs.width", lambda: columns)
    prices = PriceList.packaged().region("us-east-1")
    Report(workload=Workload(users=90_000, fanout=50), prices=prices, free_tier=True).show()
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert any("DynamoDB" in line or "Lambda calls" in line for line in lines)


def test_a_local_home_ends_with_what_it_cost(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {
        "seconds": 3.0,
        "functions": {},
        "apis": {},
        "requests": {"sqs": {"SendMessage": 5}, "iot": {"Publish": 1}},
    }
    stopped(figures, json=False)
    told = capsys.readouterr().out
    assert "$0.000002 on AWS" in told
    assert "without a price: iot Publish 1" in told
    stopped(figures, json=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert msgspec.json.decode(line)["cost"]["total"] == pytest.approx(2e-6)
