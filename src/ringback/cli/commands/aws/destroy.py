"""``ringback aws destroy``."""

from __future__ import annotations

from typing import Annotated

import typer

from ringback.cli.commands.aws.places import Profile, Region, StackName


def destroy(
    stack: StackName,
    region: Region = None,
    profile: Profile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what there is, and delete nothing.")
    ] = False,
) -> None:
    """Delete a stack with all that it keeps.

    That is its tables, and every file in its buckets, those that you added too: it names them,
    and asks. Its logs go with it; backups of the table stay for 35 days, as AWS has it.
    """
    from ringback.cli.terminal import note, out
    from ringback.sam.stack import Stack

    found = Stack(stack, region, profile)
    tables = found.resources("AWS::DynamoDB::Table").values()
    buckets = found.resources("AWS::S3::Bucket").values()
    kept = [*(f"the table {name}" for name in tables), *(f"the bucket {name}" for name in buckets)]
    out(f"{stack} in {found.region} keeps: {', '.join(kept) or 'nothing'}.")
    if dry_run:
        return
    if not yes:
        typed = typer.prompt("Its name again, to delete all of it", default="", show_default=False)
        if typed != stack:
            note("Nothing is deleted.")
            raise typer.Exit(2)
    found.unprotect()
    for bucket, count in found.empty().items():
        note(f"{bucket}: {count} objects are deleted.")
    note("The stack is being deleted; that takes a few minutes.")
    found.delete()
    out(f"{stack} is gone")
