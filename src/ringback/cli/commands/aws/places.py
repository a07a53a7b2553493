"""Arguments that several commands have: which stack, and where."""

from __future__ import annotations

from typing import Annotated

import typer

StackName = Annotated[str, typer.Argument(metavar="STACK", help="The name of the stack.")]
# Told to the tools: boto3, SAM and AWS's command line 1 read another variable.
Region = Annotated[
    str | None,
    typer.Option(
        help="AWS's region; else AWS_REGION.",
        metavar="REGION",
        envvar="AWS_REGION",
        show_envvar=False,
    ),
]
Profile = Annotated[
    str | None, typer.Option(help="Of AWS's configuration; else AWS_PROFILE.", metavar="NAME")
]
