"""``ringback submit``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ringback.cli import exits, options
from ringback.cli.terminal import clean, out, out_json, styled

if TYPE_CHECKING:
    from ringback.client.answers import Fields


def submit(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task's name.")],
    input: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="One JSON value; or @file, - for standard input, or key=value pairs, whose "
            "values are JSON where they read as JSON, else text.",
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Follow it to its end and print the result.")
    ] = False,
    key: Annotated[
        str | None,
        typer.Option(
            help="The idempotency key: the same key and input are accepted once. Made if not "
            "given.",
            metavar="KEY",
        ),
    ] = None,
    url: options.Url = None,
    token: options.CallerToken = None,
    data: options.DataInstead = None,
    engine: options.EngineInstead = None,
    app: options.AppInstead = None,
    patience: options.Patience = None,
    json: options.Json = False,
) -> None:
    """Submit an operation; with --wait, see it through.

    The exit status with --wait tells how it ended: 0 succeeded, 1 failed, 3 cancelled.
    """
    import uuid

    from ringback.cli.inputs import read_input
    from ringback.cli.target import Where, identity, open_target
    from ringback.cli.watching import interruptible, watch

    body = read_input(input or [])
    where = Where.of(url=url, token=token, data=data, engine=engine, app=app, patience=patience)

    async def main(watched: Callable[[str, str], None]) -> int:
        async with open_target(where) as target:
            accepted = await target.submit(task, body, key or str(uuid.uuid4()))
            operation = identity(accepted)
            if not wait:
                if json:
                    out_json(accepted)
                else:
                    tell(accepted, target.options(operation))
                return exits.SUCCEEDED
            watched(operation, target.options(operation))
            return await watch(target, operation, from_the_start=True, document=json)

    raise typer.Exit(interruptible(main))


def tell(accepted: Fields, further: str) -> None:
    """The acknowledgement: what to keep, and how to go on."""
    operation = clean(str(accepted["id"]))
    out(f"{styled('id', 'dim')}      {operation}")
    out(f"{styled('token', 'dim')}   {clean(str(accepted.get('token', '')))}")
    out(f"{styled('watch', 'dim')}   ringback ops watch {operation}{further}")
