"""Any SAM or CloudFormation template comes to records with nothing left to resolve."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ringback.awslocal.model import JwtAuthorizer, LambdaAuthorizer, Stack
from ringback.awslocal.template import archives, read
from ringback.errors import ConfigurationError

HERE = Path(__file__).parent
WIDE = HERE / "templates" / "wide.yaml"


@pytest.fixture(scope="module")
def wide() -> Stack:
    return read(WIDE, {"Mode": "big"}, endpoint="http://moto")


def stack_of(tmp_path: Path, resources: dict[str, Any], **rest: Any) -> Stack:
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"Resources": resources, **rest}), encoding="utf-8")
    return read(path, endpoint="http://moto")


def test_functions(wide: Stack) -> None:
    function = wide.functions["Work"]
    assert function.code == (HERE / "templates" / "src").resolve()
    assert (function.handler, function.timeout, function.memory) == ("app.work", 5, 512)
    assert function.reserved == 2
    assert function.environment == {
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "BUCKET": "local-buck-123456789012",
        "JOINED": "a-local",
        "MAPPED": "mapped",
        "MODE": "big",
        "QUEUE": "http://moto/123456789012/local-Jobs",
        "TABLE": "conns",
        "TOPIC": "arn:aws:sns:us-east-1:123456789012:local-Top",
        "URL": wide.outputs["Url"],
    }
    assert (function.retries, function.on_failure) == (
        1,
        "arn:aws:sqs:us-east-1:123456789012:local-WorkEventInvokeConfigOnFailureQueue",
    )
    assert "Absent" not in wide.functions


def test_code_in_the_template_is_put_into_a_folder(tmp_path: Path) -> None:
    code = {"ZipFile": "def handler(event, context): ..."}
    properties = {"Handler": "index.handler", "Runtime": "python3.13", "Code": code}
    stack = stack_of(tmp_path, {"F": {"Type": "AWS::Lambda::Function", "Properties": properties}})
    assert (stack.functions["F"].code / "index.py").read_text() == code["ZipFile"]


def test_http_apis_of_sam_become_routes(wide: Stack) -> None:
    (api,) = (each for each in wide.http_apis if each.name == "Http")
    routes = {route.key: route for route in api.routes}
    assert set(routes) == {"GET /x", "ANY /x/{id}", "$default"}
    assert routes["GET /x"].integration is not None
    assert routes["GET /x"].integration.function == "Work"
    assert routes["GET /x"].integration.payload_format == "2.0"
    assert (routes["GET /x"].authorization, routes["GET /x"].authorizer) == ("JWT", "Tokens")
    assert routes["ANY /x/{id}"].authorization == "CUSTOM"
    assert routes["$default"].authorization == "NONE"
    assert api.authorizers["Tokens"] == JwtAuthorizer(
        name="Tokens", issuer="https://issuer.example/", audience=("all",)
    )
    lambdas = api.authorizers["Asked"]
    assert isinstance(lambdas, LambdaAuthorizer)
    assert (lambdas.function, lambdas.simple, lambdas.ttl) == ("Other", True, 300)
    assert api.cors is not None
    assert api.cors.allow_origins == ("https://a.example",)
    assert [stage.name for stage in api.stages] == ["$default"]


def test_socket_apis_of_sam_and_of_resources(wide: Stack) -> None:
    raw, sam = sorted(wide.socket_apis, key=lambda api: api.name)
    assert (sam.name, sam.selection) == ("Ws", "$request.body.action")
    routes = {route.key: route for route in sam.routes}
    assert set(routes) == {"$connect", "send"}
    assert routes["$connect"].authorization == "CUSTOM"
    assert routes["$connect"].authorizer is not None
    assert sam.authorizers[routes["$connect"].authorizer].function == "Other"
    assert routes["send"].integration is not None
    assert routes["send"].integration.timeout == 5
    (echo,) = raw.routes
    assert (raw.name, echo.key, echo.responds) == ("Raw", "$default", True)
    assert echo.integration is not None
    assert echo.integration.function == "Other"
    assert raw.stages[0].name == "prod"
    assert raw.stages[0].variables == {"colour": "red"}


def test_event_sources(wide: Stack) -> None:
    sources = {each.source: each for each in wide.mappings}
    queue, stream = sources["Jobs"], sources["Table"]
    assert (queue.function, queue.batch, queue.window, queue.partial) == ("Work", 5, 1, True)
    assert queue.most == 3
    assert queue.filters == ({"body": {"kind": ["a"]}},)
    assert (stream.kind, stream.batch, stream.bisect, stream.retries) == ("dynamodb", 7, True, 2)
    assert (stream.latest, stream.parallel) == (False, 4)
    assert stream.on_failure == "arn:aws:sqs:us-east-1:123456789012:local-Dead"


def test_rules_schedules_topics_and_buckets(wide: Stack) -> None:
    rules = {each.pattern is None: each for each in wide.rules if each.schedule != "rate(2 hours)"}
    assert rules[False].pattern == {"source": ["x"]}
    assert rules[True].schedule == "rate(1 minute)"
    assert rules[True].targets[0].input == '{"a":1}'
    (scheduled,) = (each for each in wide.rules if each.schedule == "rate(2 hours)")
    assert scheduled.targets[0].arn == wide.functions["Work"].arn
    assert [each.function for each in wide.subscriptions] == ["Work"]
    (notification,) = wide.notifications
    assert (notification.function, notification.prefix) == ("Work", "in/")


def test_what_nothing_stands_for_is_told(wide: Stack) -> None:
    assert ("Users", "AWS::Cognito::UserPool") in wide.left_out
    assert not [kind for _, kind in wide.left_out if kind == "AWS::IAM::Role"]


def test_a_function_that_cannot_run_here_is_told(tmp_path: Path) -> None:
    def function(**said: Any) -> dict[str, Any]:
        return {"Type": "AWS::Lambda::Function", "Properties": {"Handler": "a.b", **said}}

    stack = stack_of(
        tmp_path,
        {
            "Node": function(Runtime="nodejs22.x", Code={"ZipFile": ""}),
            "Image": function(PackageType="Image", Code={"ImageUri": "x"}),
            "Far": function(Runtime="python3.13", Code={"S3Bucket": "b", "S3Key": "k"}),
        },
    )
    assert not stack.functions
    assert {name for name, _ in stack.left_out} == {"Node", "Image", "Far"}


def test_a_folder_of_code_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    properties = {"Handler": "a.b", "Runtime": "python3.13", "CodeUri": "nowhere/"}
    stack = stack_of(
        tmp_path,
        {"F": {"Type": "AWS::Serverless::Function", "Properties": properties}},
        Transform="AWS::Serverless-2016-10-31",
    )
    ((name, why),) = stack.left_out
    assert (name, "nowhere" in why) == ("F", True)
    assert "F" in stack.functions


def zipped(path: Path, files: dict[str, str], mode: int = 0o644) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, text)


def test_code_in_an_archive_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zipped(tmp_path / "code.zip", {"app.py": "handler = 1", "../out.py": "", "/etc/x": ""})
    zipped(tmp_path / "layer.zip", {"python/lib.py": "", "bootstrap": "#!/bin/sh\n"}, 0o755)
    (tmp_path / "bad.zip").write_text("no archive")
    zipped(tmp_path / "large.zip", {"large": "x" * 2000})
    monkeypatch.setattr(archives, "MOST", 1000)

    def function(code: str, **said: Any) -> dict[str, Any]:
        properties = {"Handler": "app.handler", "Runtime": "python3.13", "CodeUri": code, **said}
        return {"Type": "AWS::Serverless::Function", "Properties": properties}

    def layer(code: str) -> dict[str, Any]:
        return {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": code}}

    stack = stack_of(
        tmp_path,
        {
            "A": function("code.zip", Layers=[{"Ref": "L"}, {"Ref": "M"}]),
            "B": function("code.zip"),
            "Bad": function("bad.zip"),
            "Large": function("large.zip"),
            "L": layer("layer.zip"),
            "M": layer("bad.zip"),
        },
        Transform="AWS::Serverless-2016-10-31",
    )
    code = stack.functions["A"].code
    assert stack.functions["B"].code == code
    assert (code / "app.py").read_text() == "handler = 1"
    assert {"app.py", "out.py", "etc"} == {each.name for each in code.iterdir()}, "all within it"
    (of_layer,) = stack.functions["A"].layers
    assert os.access(of_layer / "bootstrap", os.X_OK)
    told = dict(stack.left_out)
    assert "no folder" not in str(told)
    assert "bad.zip cannot be unpacked" in told["Bad"]
    assert "large.zip has 2000 bytes unzipped" in told["Large"]
    assert sum("bad.zip" in why for why in told.values()) == 2


def refuse(tmp_path: Path, value: Any, **rest: Any) -> str:
    properties = {
        "Handler": "a.b",
        "Runtime": "python3.13",
        "Code": {"ZipFile": ""},
        "Environment": {"Variables": {"V": value}},
    }
    with pytest.raises(ConfigurationError) as refused:
        stack_of(
            tmp_path, {"F": {"Type": "AWS::Lambda::Function", "Properties": properties}}, **rest
        )
    return str(refused.value)


def test_what_cannot_be_resolved_is_refused_with_its_name(tmp_path: Path) -> None:
    assert "another stack" in refuse(tmp_path, {"Fn::ImportValue": "x"})
    assert "{{resolve:ssm:/x}}" in refuse(tmp_path, "{{resolve:ssm:/x}}")
    assert "no resource or parameter Nobody" in refuse(tmp_path, {"Ref": "Nobody"})
    assert "Fn::Cidr" in refuse(tmp_path, {"Fn::Cidr": []})
    assert "transform" in refuse(tmp_path, "", Transform="Mine")
    assert "Transform: AWS::Serverless" in refuse(
        tmp_path, "", Resources={"S": {"Type": "AWS::Serverless::HttpApi"}}
    )
    assert "--parameter P" in refuse(tmp_path, "", Parameters={"P": {"Type": "String"}})
    assert "may be one of" in refuse(
        tmp_path,
        "",
        Parameters={"P": {"Type": "String", "Default": "c", "AllowedValues": ["a", "b"]}},
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Resources: {A: hello}", "Resources.A has"),
        ("Resources: {A: }", "Resources.A has"),
        ("Resources: {A: {Properties: {}}}", "Resources.A has no Type"),
        ("Resources: {A: {Type: X, Properties: [1]}}", "A.Properties"),
        ("Globals: hi\nResources: {}", "Globals has"),
        ("Parameters: {P: hi}\nResources: {}", "Parameters.P has"),
        ("Outputs: {O: hi}\nResources: {}", "Outputs.O has"),
        (
            "Resources: {F: {Type: AWS::Lambda::Function, Properties: "
            "{Runtime: python3.13, Code: {ZipFile: ''}, Timeout: soon}}}",
            "soon",
        ),
        (
            "Resources: {T: {Type: AWS::DynamoDB::Table, Properties: "
            "{AttributeDefinitions: [{AttributeName: a, AttributeType: S}]}}}",
            "table T in .* has no KeySchema",
        ),
        ("Resources: [", "is not YAML"),
        ("Resources: {A: \xff}", "is not UTF-8"),
    ],
)
def test_what_has_not_the_form_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match=said):
        read(path)


def test_empty_sections_are_none(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_text("Globals: {Function: }\nParameters:\nOutputs:\nResources: {}")
    assert not read(path).functions


def test_values_of_the_language(tmp_path: Path) -> None:
    values = {
        "Base": {"Fn::Base64": "hi"},
        "Join": {"Fn::Join": ["-", ["a", {"Ref": "AWS::Region"}]]},
        "Select": {"Fn::Select": [1, {"Fn::Split": [",", "a,b,c"]}]},
        "List": {"Fn::Select": ["1", {"Ref": "Many"}]},
        "Sub": {"Fn::Sub": ["${A}/${!Kept}/${AWS::StackName}", {"A": {"Ref": "One"}}]},
        "If": {"Fn::If": ["Large", "large", {"Ref": "AWS::NoValue"}]},
        "Json": {"Fn::ToJsonString": {"a": [1, {"Ref": "One"}]}},
    }
    properties = {
        "Handler": "a.b",
        "Runtime": "provided.al2023",
        "Code": {"ZipFile": ""},
        "Environment": {"Variables": values},
    }
    stack = stack_of(
        tmp_path,
        {"F": {"Type": "AWS::Lambda::Function", "Properties": properties}},
        Parameters={
            "One": {"Type": "Number", "Default": 1},
            "Many": {"Type": "CommaDelimitedList", "Default": "x, y"},
        },
        Conditions={
            "Large": {"Fn::And": [{"Fn::Not": [{"Condition": "One"}]}, {"Condition": "Always"}]},
            "One": {"Fn::Equals": [{"Ref": "One"}, "1"]},
            "Always": {"Fn::Or": [{"Fn::Equals": ["a", "b"]}, {"Fn::Equals": ["a", "a"]}]},
        },
    )
    assert stack.functions["F"].environment == {
        "Base": "aGk=",
        "Join": "a-us-east-1",
        "Select": "b",
        "List": "y",
        "Sub": "1/${Kept}/local",
        "Json": '{"a":[1,"1"]}',
    }


def test_a_parameter_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no parameter Mood"):
        read(WIDE, {"Mode": "big", "Mood": "x"})
