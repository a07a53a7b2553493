"""Functions of a template."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ringback.awslocal.model import Function
from ringback.awslocal.template.archives import Archives, new_folder
from ringback.awslocal.template.context import Context
from ringback.awslocal.template.documents import code_of

RUNTIMES = ("python", "provided")
"""How those begin that can be run."""


def functions(context: Context) -> Iterator[Function]:
    asynchronous = dict(_asynchronous(context))
    archives = Archives()
    layers = dict(_layers(context, archives))
    for name, properties in context.of("AWS::Lambda::Function"):
        code = _code(properties.get("Code"), name, context)
        if code is None or properties.get("PackageType") == "Image":
            context.left_out.append((name, "a function without code on this machine"))
            continue
        try:
            code = archives.folder(code)
        except ValueError as error:
            context.left_out.append((name, str(error)))
        if not code.exists():
            # It is kept, and fails when it is called: what builds it may be still to be run.
            context.left_out.append((name, f"its code is to be in {code}, where nothing is yet"))
        runtime = str(properties.get("Runtime", ""))
        if not runtime.startswith(RUNTIMES):
            context.left_out.append((name, f"a function in {runtime}: only Python runs here"))
            continue
        yield Function(
            name=name,
            function_name=context.attributes.physical(name),
            arn=context.attributes.arn(name),
            handler=str(properties.get("Handler", "")),
            runtime=runtime,
            code=code,
            timeout=float(properties.get("Timeout", 3)),
            memory=int(properties.get("MemorySize", 128)),
            environment=_environment(properties),
            layers=tuple(
                folder
                for arn in properties.get("Layers", [])
                if (folder := layers.get(arn)) is not None
            ),
            reserved=_whole(properties.get("ReservedConcurrentExecutions")),
            dead_letters=properties.get("DeadLetterConfig", {}).get("TargetArn"),
            **asynchronous.get(name, {}),
        )


def _environment(properties: dict[str, Any]) -> dict[str, str]:
    variables = properties.get("Environment", {}).get("Variables", {})
    logging = properties.get("LoggingConfig", {})
    # How Lambda tells its runtime client of them.
    said = {
        "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat"),
        "AWS_LAMBDA_LOG_LEVEL": logging.get("ApplicationLogLevel"),
    }
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in {**said, **variables}.items()
        if value is not None
    }


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _code(code: Any, name: str, context: Context) -> Path | None:
    """The code's folder; code in the template itself is put into one."""
    if isinstance(code, dict) and "ZipFile" in code:
        folder = new_folder(name)
        (folder / "index.py").write_text(str(code["ZipFile"]), encoding="utf-8")
        return folder
    return code_of(code, context.folder)


def _layers(context: Context, archives: Archives) -> Iterator[tuple[str, Path | None]]:
    for name, properties in context.of("AWS::Lambda::LayerVersion"):
        code = code_of(properties.get("Content"), context.folder)
        try:
            folder = None if code is None else archives.folder(code)
        except ValueError as error:
            context.left_out.append((name, str(error)))
            folder = None
        yield context.attributes.ref(name), folder


def _asynchronous(context: Context) -> Iterator[tuple[str, dict[str, Any]]]:
    for _, properties in context.of("AWS::Lambda::EventInvokeConfig"):
        function = context.function(properties.get("FunctionName"))
        if function is None:
            continue
        destinations = properties.get("DestinationConfig", {})
        yield (
            function,
            {
                "retries": int(properties.get("MaximumRetryAttempts", 2)),
                "oldest": float(properties.get("MaximumEventAgeInSeconds", 6 * 3600)),
                "on_failure": destinations.get("OnFailure", {}).get("Destination"),
                "on_success": destinations.get("OnSuccess", {}).get("Destination"),
            },
        )
