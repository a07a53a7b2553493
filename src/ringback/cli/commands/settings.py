"""``ringback settings``: what is set, and where."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ringback.cli import options
from ringback.cli.terminal import out, out_json

MASK = "••••••"


def settings(
    app: Annotated[
        str | None,
        typer.Option(
            help="The application, whose code may set some.", metavar="MODULE[:ATTRIBUTE]"
        ),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the reference, as a Markdown table.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Print the settings and where each comes from.

    Secrets are masked.
    """
    from ringback.settings import PREFIX, Settings, reference

    if markdown:
        out(reference().rstrip())
        return
    if app is not None:
        from ringback.cli.load import load

        found = load(app)[0].settings
    else:
        found = Settings.load()
    rows = []
    for name, field in Settings.model_fields.items():
        origin = found.origin(name)
        rows.append(
            {
                "name": name,
                "value": _shown(getattr(found, name)),
                "origin": "code" if origin == f"{name}=" else origin,
                "variable": PREFIX + name.upper(),
                "description": field.description,
            }
        )
    if json:
        out_json({"settings": rows})
        return
    from ringback.cli.tables import print_rows

    cells = [(str(row["name"]), _text(row["value"]), str(row["origin"])) for row in rows]
    print_rows(("SETTING", "VALUE", "FROM"), cells)


def _shown(value: Any) -> object:
    """A value as JSON; never a secret."""
    from pathlib import Path

    from pydantic import SecretStr

    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str) and "://" in value:
        return _without_password(value)
    return value


def _without_password(url: str) -> str:
    """A URL with its password masked: stores and issuers may be given one."""
    head, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if not at or ":" not in user:
        return url
    return f"{head}{separator}{user.partition(':')[0]}:{MASK}@{host}{slash}{path}"


def _text(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
