"""The ordinary tools take the template: cfn-lint, and SAM's own translator."""

from __future__ import annotations

from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from ringback import Ringback
from ringback.sam import plan, text

REGION = "us-east-1"


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    """The translator asks boto3 where it is, and nothing else of it."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


@pytest.fixture(params=["shop", "empty"])
def each(request: pytest.FixtureRequest, written: str) -> str:
    """Templates of an application with everything, and of one with nothing."""
    if request.param == "shop":
        return written
    app = Ringback("empty", authenticate=lambda headers: None)
    return text(app, plan(app, "app:rb"))


def test_cfn_lint_has_nothing_to_say(each: str) -> None:
    # Here, as below: each worker of a run imports all that stands above, and these take a second.
    from cfnlint.api import ManualArgs, lint  # type: ignore[import-untyped]

    found = lint(each, config=ManualArgs(regions=[REGION]))
    assert not found, "\n".join(
        f"{match.linenumber}: {match.rule.id} {match.message}" for match in found
    )


class _NoPolicies:
    """The roles are ours: no managed policy is looked up by name."""

    def load(self) -> dict[str, str]:
        return {}


def translated(written: str) -> dict[str, Any]:
    """The resources that SAM makes of a template."""
    from samtranslator.translator.transform import transform  # type: ignore[import-untyped]

    template = yaml_parse(written)
    # What `sam package` puts in the place of a folder.
    for found in template["Resources"].values():
        if "CodeUri" in found.get("Properties", {}):
            found["Properties"]["CodeUri"] = "s3://bucket/code.zip"
    resources: dict[str, Any] = transform(template, {}, _NoPolicies())["Resources"]
    return resources


def test_sam_translates_it(each: str) -> None:
    listed = yaml_parse(each)["Resources"].items()
    resources = translated(each)
    ours = {name for name, found in listed if found["Type"].endswith("Role")}
    roles = {name for name, found in resources.items() if found["Type"] == "AWS::IAM::Role"}
    assert roles == ours, "SAM made roles, which may more than ours"
    assert "SocketApiConnectRoute" in resources
