"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ringback.cli.logs import LEVELS

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Target = Annotated[
    str,
    typer.Argument(metavar="MODULE[:ATTRIBUTE]", help="Where the Ringback object is; app:rb, say."),
]
Url = Annotated[
    str | None,
    typer.Option(
        help="The server's address; else RINGBACK_URL, else http://127.0.0.1:8000.",
        metavar="URL",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        help="A JWT, or the operation's own token; else the one that was remembered when it was "
        "submitted from here, else RINGBACK_TOKEN.",
        metavar="TOKEN",
    ),
]
CallerToken = Annotated[
    str | None,
    typer.Option(
        "--token", help="A JWT that says who you are; else RINGBACK_TOKEN.", metavar="TOKEN"
    ),
]
DataInstead = Annotated[
    Path | None,
    typer.Option("--data", help="The store itself, in this folder, instead.", metavar="DIR"),
]
EngineInstead = Annotated[
    str | None,
    typer.Option("--engine", help="The store itself, at this URL, instead.", metavar="URL"),
]
AppInstead = Annotated[
    str | None,
    typer.Option(
        "--app",
        help="With --data: the application, whose tasks check the input.",
        metavar="MODULE[:ATTRIBUTE]",
    ),
]
Host = Annotated[
    str | None,
    typer.Option(help="The address to listen on; 127.0.0.1. [RINGBACK_HOST]", metavar="ADDRESS"),
]
Port = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="The port; 8000. 0: any free one. [RINGBACK_PORT]",
        metavar="PORT",
    ),
]
Data = Annotated[
    Path | None, typer.Option(help="The folder of the store. [RINGBACK_DATA]", metavar="DIR")
]
Engine = Annotated[
    str | None, typer.Option(help="The URL of another store. [RINGBACK_ENGINE]", metavar="URL")
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=10_000,
        help="Async operations a worker runs at once. [RINGBACK_CONCURRENCY]",
        metavar="N",
    ),
]
Grace = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=3600,
        help="Seconds a stopping worker lets its operations run on. [RINGBACK_GRACE]",
        metavar="SECONDS",
    ),
]
LogLevel = Annotated[str, typer.Option(help=f"One of {', '.join(LEVELS)}.", metavar="LEVEL")]
Patience = Annotated[
    float | None,
    typer.Option(
        min=0, help="Seconds to wait for a server that went away; 300.", metavar="SECONDS"
    ),
]
Id = Annotated[str, typer.Argument(metavar="ID", help="The operation's tracking id.")]
