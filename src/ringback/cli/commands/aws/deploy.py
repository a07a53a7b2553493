"""``ringback aws deploy``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ringback.cli import options
from ringback.cli.commands.aws.places import Profile, Region
from ringback.cli.commands.aws.template import PYTHON, Handler, Prefix, Python, With, read

if TYPE_CHECKING:
    from ringback.app import Ringback
    from ringback.sam import Plan
    from ringback.sam.build import Build
    from ringback.sam.tools import Deployment


def deploy(
    target: options.Target,
    stack: Annotated[
        str | None,
        typer.Option(help="The stack's name; else made of the application's.", metavar="NAME"),
    ] = None,
    region: Region = None,
    profile: Profile = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            "-p",
            help="A parameter of the template; as often as wanted.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(help="A bucket for the code; `sam` makes one by itself.", metavar="BUCKET"),
    ] = None,
    requirements: Annotated[
        Path | None,
        typer.Option(
            help="What the application needs; else requirements.txt, if it is here.",
            metavar="FILE",
        ),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where it is built.", metavar="DIR")] = Path(
        ".ringback-aws"
    ),
    handler: Handler = None,
    python: Python = PYTHON,
    prefix: Prefix = "",
    additions: With = None,
    build_only: Annotated[
        bool,
        typer.Option(
            "--build-only", help="Build the code and the template; another tool deploys them."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands, and run none.")
    ] = False,
) -> None:
    """Build an application and deploy it, by `sam` or `aws`.

    Its dependencies are installed for Lambda, whatever this machine is. The size is printed, and
    what is too large for Lambda is refused before anything is uploaded.
    """
    from ringback.cli.terminal import note
    from ringback.sam.build import REQUIREMENTS, Build
    from ringback.sam.parameters import parameters
    from ringback.sam.tools import Deployment, given, stack_name, stack_of

    rb, plan = read(target, handler, python, prefix, Build.ARCHIVE, additions)
    known = [*parameters(plan, rb.settings), *plan.additions.sections.get("Parameters", {})]
    wanted = given(parameter or (), known)
    listed = Path(REQUIREMENTS)
    build = Build(
        folder=folder,
        handler=plan.handler,
        architecture=wanted.get("Architecture", "arm64"),
        python=python,
        requirements=requirements or (listed if listed.exists() else None),
        uploads=plan.uploads,
    )
    deployment = Deployment(
        folder=folder,
        stack=stack_name(stack or stack_of(rb.name)),
        region=region,
        profile=profile,
        artifacts=artifacts,
        parameters=wanted,
    )
    # First: what is missing is said before minutes of building.
    commands = [] if build_only else deployment.commands()
    if dry_run:
        _show([build.install(), *commands])
        return
    _build(build, rb, plan, deployment)
    if build_only:
        note(f"{build.archive} and {deployment.template} are made.")
        return
    _run(commands)
    _tell(deployment)


def _show(commands: list[list[str]]) -> None:
    from ringback.cli.terminal import out
    from ringback.sam.tools import shown

    for command in commands:
        out(shown(command))


def _build(build: Build, rb: Ringback, plan: Plan, deployment: Deployment) -> None:
    from ringback.cli.terminal import note
    from ringback.sam import text
    from ringback.sam.build import megabytes

    build.prepare()
    _run([build.install()])
    build.copy()
    if not build.compile():
        note(
            f"The functions run Python {build.python} and this is another, so their modules are "
            "not compiled, and each cold start does it: twice the time. Run this with that version."
        )
    unzipped = build.size()
    zipped = build.zip()
    note(f"The code has {megabytes(unzipped)}, and {megabytes(zipped)} zipped.")
    deployment.template.write_text(text(rb, plan), "utf-8")


def _run(commands: list[list[str]]) -> None:
    from ringback.cli.terminal import note
    from ringback.sam.tools import run, shown

    for command in commands:
        note(f"$ {shown(command)}")
        run(command)


def _tell(deployment: Deployment) -> None:
    """Where it is now."""
    from ringback.cli.tables import print_rows
    from ringback.sam.stack import Stack

    outputs = Stack(deployment.stack, deployment.region, deployment.profile).outputs()
    print_rows(("OUTPUT", "VALUE"), list(outputs.items()))
