"""What a target gets of an event."""

import json
from typing import Any

import pytest

from ringback.awslocal.model import Rule, Target
from ringback.awslocal.sources.transforming import transformed

EVENT = {"time": "T", "detail": {"name": 'a "b"', "items": [{"n": 1}], "text": "x y"}}
RULE = Rule(name="R", arn="arn:r")
PATHS = {
    "name": "$.detail.name",
    "first": "$.detail.items[0].n",
    "text": "$['detail']['text']",
    "none": "$.detail.none",
    "detail": "$.detail",
}


def test_input_stands_for_the_event() -> None:
    target = Target(id="t", arn="a", input='{"a": 1}')
    assert transformed(target, RULE, EVENT) == '{"a": 1}'


@pytest.mark.parametrize(
    ("path", "made"), [("$.detail.items", [{"n": 1}]), ("$.time", "T"), ("$.none", None)]
)
def test_a_path_takes_a_part(path: str, made: Any) -> None:
    target = Target(id="t", arn="a", input_path=path)
    assert json.loads(transformed(target, RULE, EVENT)) == made


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ('{"n": <first>, "name": <name>}', {"n": 1, "name": 'a "b"'}),
        ('{"n": "<first>", "name": "it is <name>"}', {"n": "1", "name": 'it is a "b"'}),
        ('{"none": <none>, "in": "<none>!"}', {"none": "", "in": "!"}),
        ('"<text>"', "x y"),
        ('{"rule": "<aws.events.rule-arn>"}', {"rule": "arn:r"}),
        ('{"all": <aws.events.event.json>}', {"all": EVENT}),
        ('{"detail": <detail>}', {"detail": EVENT["detail"]}),
    ],
)
def test_a_template_is_filled(template: str, made: Any) -> None:
    target = Target(
        id="t", arn="a", transformer={"InputPathsMap": PATHS, "InputTemplate": template}
    )
    assert json.loads(transformed(target, RULE, EVENT)) == made
