"""``ringback aws local``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ringback.cli import logs, options

if TYPE_CHECKING:
    from ringback.awslocal.home import Options

Pairs = list[str] | None
DRAIN = 5.0
"""Seconds that calls which are under way have at the end."""


def local(
    template: Annotated[
        Path, typer.Argument(help="A SAM or CloudFormation template.", metavar="TEMPLATE")
    ] = Path("template.yaml"),
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            help="Port of the first API; the others follow. 0: free ones.",
            metavar="PORT",
        ),
    ] = 3000,
    parameter: Annotated[
        Pairs, typer.Option(help="A parameter of the template.", metavar="NAME=VALUE")
    ] = None,
    env: Annotated[
        Pairs,
        typer.Option(help="An environment variable for every function.", metavar="NAME=VALUE"),
    ] = None,
    time_scale: Annotated[
        float,
        typer.Option(
            min=0.0001,
            max=1000,
            help="By what AWS's times are multiplied: limits of connections, batching windows, "
            "schedules, pauses between attempts. 0.1: ten times as fast.",
            metavar="FACTOR",
        ),
    ] = 1.0,
    concurrency: Annotated[
        int, typer.Option(min=1, max=1000, help="Environments that may run at once.", metavar="N")
    ] = 100,
    origin: Annotated[
        Pairs,
        typer.Option(help="From where pages may ask, beside this machine.", metavar="ORIGIN"),
    ] = None,
    reload: Annotated[
        bool, typer.Option(help="Take over code when it changes.", show_default=True)
    ] = True,
    freeze: Annotated[
        bool,
        typer.Option(help="Let functions stand still between calls, as on AWS.", show_default=True),
    ] = True,
    aws_port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, help="Port of what stands for AWS. 0: a free one.", metavar="PORT"
        ),
    ] = 0,
    region: Annotated[
        str, typer.Option(help="The region it pretends to be.", metavar="REGION")
    ] = "us-east-1",
    log_level: options.LogLevel = logs.DEFAULT_LEVEL,
    json: options.Json = False,
) -> None:
    """Run a serverless application on this machine: any SAM template.

    HTTP and WebSocket APIs, functions, queues, streams, buses, topics, buckets and schedules.
    Nothing is asked of AWS, and what is stored is gone at the end.
    """
    logs.set_up(log_level)
    from ringback.awslocal.home import Options
    from ringback.awslocal.model import Place
    from ringback.serve import run_to_end

    run_to_end(
        _run(
            template,
            Options(
                parameters=_pairs(parameter),
                port=port,
                moto_port=aws_port,
                place=Place(region=region),
                scale=time_scale,
                concurrency=concurrency,
                watch=reload,
                freeze=freeze,
                origins=tuple(origin or ()),
                extra=_pairs(env),
            ),
            json=json,
        )
    )


def _pairs(given: Pairs) -> dict[str, str]:
    from ringback.errors import ConfigurationError

    made = {}
    for pair in given or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigurationError(f"{pair!r} is not NAME=VALUE.")
        made[name] = value
    return made


async def _run(template: Path, options: Options, *, json: bool) -> None:
    from ringback.awslocal.home import Home
    from ringback.awslocal.summary import summary
    from ringback.cli import aws_home
    from ringback.serve.stopping import Stop

    stop = Stop()
    with stop.listening():
        async with Home(template, options) as home:
            aws_home.widen(list(home.stack.functions))
            aws_home.started(home, json=json)
            await stop.asked.wait()
            await home.functions.drain(DRAIN)
            figures = await summary(home)
    aws_home.stopped(figures, json=json)
