"""``ringback aws logs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ringback.cli.commands.aws.places import Profile, Region, StackName

if TYPE_CHECKING:
    from ringback.sam.stack import Line


def logs(
    stack: StackName,
    function: Annotated[
        str | None, typer.Option(help="Only this function's; Http, Work30, …", metavar="NAME")
    ] = None,
    since: Annotated[
        float, typer.Option(min=0, help="Minutes to look back.", metavar="MINUTES")
    ] = 10,
    filter: Annotated[
        str, typer.Option(help="Only lines that fit CloudWatch's pattern.", metavar="PATTERN")
    ] = "",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")
    ] = False,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Print what the functions of a stack wrote, in order."""
    import time

    from ringback.sam.stack import Stack

    found = Stack(stack, region, profile)
    groups = found.logs(function)
    begin = time.time() - 60 * since
    width = max(map(len, groups), default=0)
    if not follow:
        for line in found.lines(groups, begin, filter):
            _print(line, width)
        return
    for line in found.tail(groups, begin, filter):
        _print(line, width)


def _print(line: Line, width: int) -> None:
    import time

    from ringback.cli.terminal import clean, out, styled

    at = time.strftime("%H:%M:%S", time.localtime(line.at))
    out(f"{styled(at, 'dim')} {styled(line.function.ljust(width), 'bold')} {clean(line.text)}")
