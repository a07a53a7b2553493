"""``ringback ops``: looking at operations, and changing them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ringback.cli import options
from ringback.cli.terminal import clean, note, out, out_json, styled

if TYPE_CHECKING:
    from ringback.cli.target import Target
    from ringback.client.answers import Fields

STATUSES = ("queued", "running", "succeeded", "failed", "cancelled")
LISTED = 20
"""Operations on one page: about a screen."""

application = typer.Typer(
    help="Look at operations, and change them.", no_args_is_help=True, rich_markup_mode=None
)


@application.command("list")
def list_(
    status: Annotated[
        str | None, typer.Option(help=f"Only those: {', '.join(STATUSES)}.", metavar="STATUS")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Only those of this task.", metavar="TASK")
    ] = None,
    dead: Annotated[
        bool, typer.Option("--dead-letter", "--dead", help="Only dead letters.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=500, help="How many at most.", metavar="N")
    ] = LISTED,
    after: Annotated[
        str | None,
        typer.Option(help="Go on after this id, the last of the page before.", metavar="ID"),
    ] = None,
    url: options.Url = None,
    token: options.CallerToken = None,
    data: options.DataInstead = None,
    engine: options.EngineInstead = None,
    json: options.Json = False,
) -> None:
    """List operations, newest first.

    Over a URL your own, in a data folder all.
    """
    if status is not None and status not in STATUSES:
        raise typer.BadParameter(f"--status is one of {', '.join(STATUSES)}.")
    from ringback.cli.target import Search, Where, open_target

    where = Where.of(url=url, token=token, data=data, engine=engine, patience=None)
    search = Search(status=status, task=task, dead=dead, after=after, limit=limit)

    async def main() -> None:
        async with open_target(where) as target:
            found = await target.find(search)
        if json:
            out_json(found)
            return
        _list(found)

    _run(main())


@application.command()
def show(
    operation: options.Id,
    url: options.Url = None,
    token: options.Token = None,
    data: options.DataInstead = None,
    engine: options.EngineInstead = None,
    json: options.Json = False,
) -> None:
    """Show one operation.

    From a data folder with its input, and what went wrong.
    """

    async def main(target: Target) -> None:
        shown = await target.show(operation)
        if json:
            out_json(shown)
            return
        from time import time

        from ringback.cli.tables import page

        page(shown, time(), target.options(operation))

    _on(main, operation, url=url, token=token, data=data, engine=engine)


@application.command()
def watch(
    operation: options.Id,
    from_start: Annotated[
        bool,
        typer.Option("--from-start", help="From its first event, not from how it stands now."),
    ] = False,
    url: options.Url = None,
    token: options.Token = None,
    data: options.DataInstead = None,
    engine: options.EngineInstead = None,
    patience: options.Patience = None,
    json: options.Json = False,
) -> None:
    """Follow an operation to its end, and print the result.

    The exit status tells how it ended. With --json every event is a line of its own. A server
    that restarts meanwhile is waited for, and nothing is missed.
    """
    from ringback.cli import watching
    from ringback.cli.target import Where, open_target

    where = Where.of(url=url, token=token, data=data, engine=engine, patience=patience)

    async def main(watched: Callable[[str, str], None]) -> int:
        async with open_target(where, operation) as target:
            watched(operation, target.options(operation))
            return await watching.watch(
                target, operation, from_the_start=from_start, json_lines=json
            )

    raise typer.Exit(watching.interruptible(main))


@application.command()
def cancel(
    operation: options.Id,
    url: options.Url = None,
    token: options.Token = None,
    data: options.DataInstead = None,
    engine: options.EngineInstead = None,
    json: options.Json = False,
) -> None:
    """Ask an operation to stop; it may still succeed."""

    async def main(target: Target) -> None:
        shown = await target.cancel(operation)
        if json:
            out_json(shown)
        elif shown.get("finished_at"):
            out(f"{operation} has ended: {clean(str(shown.get('status')))}")
        else:
            out(f"{operation} is asked to stop")
            note(f"See whether it does: ringback ops watch {operation}{target.options(operation)}")

    _on(main, operation, url=url, token=token, data=data, engine=engine)


@application.command()
def redrive(
    operation: options.Id,
    url: options.Url = None,
    token: options.Token = None,
    data: options.DataInstead = None,
    engine: options.EngineInstead = None,
    json: options.Json = False,
) -> None:
    """Do the work of a dead letter again, as a new operation."""

    async def main(target: Target) -> None:
        again = await target.redrive(operation)
        if json:
            out_json(again)
            return
        from ringback.cli.commands.submit import tell

        tell(again, target.options(str(again["id"])))

    _on(main, operation, url=url, token=token, data=data, engine=engine)


@application.command()
def forget(
    operation: options.Id,
    url: options.Url = None,
    token: options.Token = None,
    data: options.DataInstead = None,
    engine: options.EngineInstead = None,
    json: options.Json = False,
) -> None:
    """Delete an operation that has ended, with its result and its log."""

    async def main(target: Target) -> None:
        await target.forget(operation)
        if json:
            out_json({"id": operation, "forgotten": True})
        else:
            out(f"{operation} is forgotten")

    _on(main, operation, url=url, token=token, data=data, engine=engine)


def _on(main: Callable[[Target], Coroutine[Any, Any, None]], operation: str, **given: Any) -> None:
    """Run a command on one operation, wherever it is."""
    from ringback.cli.target import Where, open_target

    where = Where.of(patience=None, **given)

    async def opened() -> None:
        async with open_target(where, operation) as target:
            await main(target)

    _run(opened())


def _run(main: Coroutine[Any, Any, None]) -> None:
    import asyncio

    asyncio.run(main)


def _list(found: Fields) -> None:
    from time import time

    from ringback.cli.tables import listing

    operations = found["operations"]
    if not operations:
        note("There are none.")
        return
    listing(operations, time())
    if found.get("next"):
        note(styled(f"More: add --after {clean(str(found['next']))}", "dim"))
