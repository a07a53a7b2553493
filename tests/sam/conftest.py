"""The template of the sample application, made once; and a stack at moto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from ringback.errors import ConfigurationError
from ringback.sam import document, plan, text
from ringback.sam.stack import Stack
from tests.sam.shop import rb

TARGET = "tests.sam.shop:rb"


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """As data, with functions in their long form."""
    return document(rb, plan(rb, TARGET))


@pytest.fixture(scope="session")
def written() -> str:
    """As it is written."""
    return text(rb, plan(rb, TARGET))


NAME = "shop"
TEMPLATE = {
    "Resources": {
        "Work30DeadLetters": {"Type": "AWS::SQS::Queue", "Properties": {}},
        "EventsDeadLetters": {"Type": "AWS::SQS::Queue", "Properties": {}},
        "Work30Queue": {"Type": "AWS::SQS::Queue", "Properties": {}},
        "HttpFunctionLogs": {"Type": "AWS::Logs::LogGroup", "Properties": {}},
        "PushFunctionLogs": {"Type": "AWS::Logs::LogGroup", "Properties": {}},
        "Files": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "shop-files"}},
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "DeletionProtectionEnabled": True,
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            },
        },
    },
    "Outputs": {"Engine": {"Value": {"Fn::Sub": "dynamodb:${Table}"}}},
}


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer  # only these tests wait for it

    served = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    served.start()
    host, port = served.get_host_and_port()
    yield f"http://{host}:{port}"
    served.stop()


@pytest.fixture
def aws(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The stack, made anew."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    factory: Any = boto3.client
    factory("cloudformation").create_stack(StackName=NAME, TemplateBody=json.dumps(TEMPLATE))
    stack = Stack(NAME)
    yield stack
    try:
        found = stack.outputs()
    except ConfigurationError:
        return  # a test has deleted it
    assert found
    stack.unprotect()
    stack.empty()
    stack.delete()
