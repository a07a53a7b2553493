"""``ringback pub`` and ``ringback sub``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ringback.cli import exits, options
from ringback.cli.terminal import clean, note, one_line, out, out_json, out_json_line, styled
from ringback.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from ringback.client.connection import Connection
    from ringback.wire.sse_client import ReceivedEvent


def pub(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="The topic's name.")],
    message: Annotated[
        list[str],
        typer.Argument(
            metavar="MESSAGE",
            help="One JSON value; or @file, - for standard input, or key=value pairs, as for "
            "`submit`.",
        ),
    ],
    url: options.Url = None,
    token: options.CallerToken = None,
    data: options.DataInstead = None,
    json: options.Json = False,
) -> None:
    """Publish a message to a topic."""
    import asyncio

    from ringback.cli.inputs import read_input

    body = read_input(message)

    async def main() -> None:
        async with _client(url, token, data, None) as client:
            published = await client.publish(topic, body)
        if json:
            out_json(published)
            return
        position = published.get("position")
        if position is not None:
            out(f"{styled('position', 'dim')}   {clean(str(position))}")
        out(f"{styled('listeners', 'dim')}  {published['listeners']}")

    asyncio.run(main())


def sub(
    filters: Annotated[
        list[str],
        typer.Argument(
            metavar="FILTER",
            help="Topics: by name, or with wildcards, `+` for a segment and `#` for the rest.",
        ),
    ],
    after: Annotated[
        str | None,
        typer.Option(
            help="Begin after this position, or with the `earliest` that is kept; else now.",
            metavar="POSITION",
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="End after so many messages.", metavar="N")
    ] = None,
    url: options.Url = None,
    token: options.CallerToken = None,
    data: options.DataInstead = None,
    patience: options.Patience = None,
    json: options.Json = False,
) -> None:
    """Print the messages of topics as they come.

    A lost connection is made again, and nothing is missed; what is no longer kept is told as a
    gap. It goes on until Ctrl-C, or as far as --count says.
    """
    import asyncio
    from contextlib import aclosing

    shown = _show_json if json else _show

    async def main() -> None:
        left = count
        async with (
            _client(url, token, data, patience) as client,
            aclosing(client.subscribe(filters, after=after)) as events,
        ):
            async for event in events:
                shown(event)
                if left is not None and event.kind == "message":
                    left -= 1
                    if not left:
                        return

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        raise typer.Exit(exits.INTERRUPTED) from None


def _client(
    url: str | None, token: str | None, data: Path | None, patience: float | None
) -> Connection:
    import os

    from ringback.cli.target import DEFAULT_URL, TOKEN_VARIABLE, URL_VARIABLE
    from ringback.client.connection import PATIENCE, Connection

    if data is not None:
        raise ConfigurationError(
            "Who may publish and follow, and what is kept, the application says: topics are "
            "reached through its server. Start it (`ringback run`, `ringback hub`), and give its "
            "address with --url."
        )
    return Connection(
        url or os.environ.get(URL_VARIABLE) or DEFAULT_URL,
        token=token or os.environ.get(TOKEN_VARIABLE),
        patience=PATIENCE if patience is None else patience,
        notice=note,
    )


def _show(event: ReceivedEvent) -> None:
    """A message on one line: its topic, and what it carries."""
    import msgspec

    fields = msgspec.json.decode(event.data, type=dict[str, msgspec.Raw])
    if event.kind == "gap":
        topics = msgspec.json.decode(fields.get("topics", b"[]"), type=list[str])
        where = f" of {one_line(', '.join(topics))}" if topics else ""
        note(styled(f"gap: messages{where} are no longer kept", "yellow"))
        return
    topic = one_line(msgspec.json.decode(fields["topic"], type=str))
    out(f"{styled(topic, 'cyan')} {clean(bytes(fields['data']).decode())}")


def _show_json(event: ReceivedEvent) -> None:
    """Every event as one JSON object on a line of its own."""
    import msgspec

    out_json_line(
        {"event": event.kind, "position": event.position, "data": msgspec.Raw(event.data)}
    )
