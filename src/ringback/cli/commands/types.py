"""``ringback types``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ringback.cli import options
from ringback.errors import ConfigurationError


def types(
    app: Annotated[
        str | None,
        typer.Argument(
            metavar="MODULE[:ATTRIBUTE]", help="The application; app:rb, say. Else a server's."
        ),
    ] = None,
    url: options.Url = None,
) -> None:
    """Print the application's tasks as TypeScript.

    For `connect<Api>()`, from the application itself, or from what a server says of itself at
    /openapi.json.
    """
    from ringback.cli.api_types import api_types
    from ringback.cli.texts import write_text

    if app is not None and url is not None:
        raise ConfigurationError("Give the application or --url, and not both.")
    document = _served(url) if app is None else _own(app)
    write_text(api_types(document))


def _own(app: str) -> dict[str, Any]:
    from ringback.cli.load import load
    from ringback.edges.http.openapi import document

    rb, _ = load(app)
    return document(rb.name, rb.registry, "", development=False)


def _served(url: str | None) -> dict[str, Any]:
    import asyncio
    import os

    from ringback.cli.target import DEFAULT_URL, TOKEN_VARIABLE, URL_VARIABLE
    from ringback.cli.terminal import note
    from ringback.client.connection import Connection

    async def main() -> dict[str, Any]:
        async with Connection(
            url or os.environ.get(URL_VARIABLE) or DEFAULT_URL,
            token=os.environ.get(TOKEN_VARIABLE),
            notice=note,
        ) as connection:
            return await connection.object("GET", "/openapi.json", "paths")

    return asyncio.run(main())
