"""``ringback aws redrive``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ringback.cli.commands.aws.places import Profile, Region, StackName

if TYPE_CHECKING:
    from ringback.sam.stack import Stack


def redrive(
    stack: StackName,
    operations: Annotated[
        bool,
        typer.Option(
            "--operations",
            help="Operations that are dead letters too: each is done again, as a new one.",
        ),
    ] = False,
    region: Region = None,
    profile: Profile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what there is, and change nothing.")
    ] = False,
) -> None:
    """Give a stack's dead letters back to where they came from.

    First mend what made them. A message names an operation that the table has, so one that comes
    twice, or late, does no harm.
    """
    from ringback.cli.terminal import note, out
    from ringback.sam.stack import Stack

    found = Stack(stack, region, profile)
    for letters in found.letters():
        if not letters.count:
            continue
        many = f"{letters.count} letter{'s' if letters.count > 1 else ''}"
        if not letters.returns:
            out(f"{letters.name}: {many}")
            note(
                f"SQS cannot give back what no queue sent. See them, and send them again by hand: "
                f"aws sqs receive-message --queue-url {letters.url}"
            )
        elif dry_run:
            out(f"{letters.name}: {many}")
        else:
            found.redrive(letters)
            out(f"{letters.name}: {many}, on the way back")
    if operations:
        _operations(found, dry_run=dry_run)


def _operations(stack: Stack, *, dry_run: bool) -> None:
    import asyncio
    import os

    from ringback.cli.target import Search, Where, open_target
    from ringback.cli.terminal import clean, out
    from ringback.errors import ConfigurationError

    outputs = stack.outputs()
    if "Engine" not in outputs:
        raise ConfigurationError(f"{stack.name} has no output Engine: it is none of Ringback's.")
    os.environ["AWS_REGION"] = stack.region
    # As the functions have them; what is set here already is meant.
    os.environ.setdefault("RINGBACK_AWS_BUCKET", outputs.get("Bucket", ""))
    os.environ.setdefault("RINGBACK_AWS_QUEUES", outputs.get("Queues", "{}"))
    where = Where.of(engine=outputs["Engine"], patience=None)

    async def main() -> None:
        async with open_target(where) as target:
            after: str | None = None
            while True:
                page = await target.find(Search(dead=True, limit=100, after=after))
                for each in page["operations"]:
                    line = f"{each['id']} {clean(str(each['task']))}"
                    again = None if dry_run else await target.redrive(str(each["id"]))
                    out(line if again is None else f"{line}: again as {again['id']}")
                after = page.get("next")
                if not after:
                    return

    asyncio.run(main())
