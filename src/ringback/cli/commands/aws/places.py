"""Arguments that several commands have: which stack, and where."""

from __future__ import annotations

from typing import Annotated

import typer

StackName = Annotated[str, typer.Argument(metavar="STACK", help="The name of the stack.")]
Region = Annotated[
    str | None, typer.Option(help="AWS's region; else AWS_REGION.", metavar="REGION")
]
Profile = Annotated[
    str | None, typer.Option(help="Of AWS's configuration; else AWS_PROFILE.", metavar="NAME")
]
