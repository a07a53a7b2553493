"""What an application brings of its own is joined to the template, and its code may use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from ringback.errors import ConfigurationError
from ringback.sam import document, plan, text
from ringback.sam.additions import read
from tests.sam.conftest import TARGET
from tests.sam.shop import rb
from tests.sam.test_policies import APP, EXPECTED, statements

OWN = """
Parameters:
  Currency: {Type: String, Default: EUR}
Globals:
  Function:
    Environment:
      Variables:
        PARCELS: !Ref Parcels
Metadata:
  RingbackPolicy:
    - Sid: Parcels
      Effect: Allow
      Action: [dynamodb:GetItem]
      Resource: !GetAtt Parcels.Arn
Resources:
  Parcels:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      Tags: [{Key: since, Value: 2026-11-22}, {Key: !Sub "of-${Currency}", Value: "on"}]
Outputs:
  Parcels: {Value: !Ref Parcels}
"""


def joined(tmp_path: Path, own: str) -> dict[str, Any]:
    file = tmp_path / "own.yaml"
    file.write_text(own, "utf-8")
    made = plan(rb, TARGET, additions=read(file))
    found: dict[str, Any] = yaml_parse(text(rb, made))
    assert found == document(rb, made)
    return found


def test_stands_behind_ours(tmp_path: Path, template: dict[str, Any]) -> None:
    found = joined(tmp_path, OWN)
    parcels = found["Resources"].pop("Parcels")
    assert parcels["Properties"]["Tags"] == [
        {"Key": "since", "Value": "2026-11-22"},
        {"Key": {"Fn::Sub": "of-${Currency}"}, "Value": "on"},
    ]
    assert list(found["Resources"]) == list(template["Resources"])
    assert found["Parameters"]["Currency"] == {"Type": "String", "Default": "EUR"}
    assert found["Outputs"]["Parcels"] == {"Value": {"Ref": "Parcels"}}
    variables = found["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["PARCELS"] == {"Ref": "Parcels"}
    assert "RINGBACK_ENGINE" in variables


def test_only_functions_that_run_its_code_may_use_it(tmp_path: Path) -> None:
    found = joined(tmp_path, OWN)
    may = {name for name in EXPECTED if "Parcels" in statements(found, name)}
    assert may == APP


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("Resources: {Table: {Type: AWS::S3::Bucket}}", "Resources has Table.*another name"),
        ("Rules: {}", "Rules cannot be added"),
        ("Globals: {Function: {Timeout: 3}}", r"only Function\.Environment\.Variables"),
        ("Metadata: {RingbackPolicy: {}}", "list of statements"),
        ("- a", "no sections"),
        ("a: [", "no YAML"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, own: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        joined(tmp_path, own)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read(tmp_path / "nothing.yaml")
