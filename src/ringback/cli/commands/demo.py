"""``ringback demo``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from ringback.cli import logs, options
from ringback.errors import ConfigurationError

TARGET = "ringback.demo:rb"


def demo(
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="The port; 8000. 0: any free one.", metavar="PORT"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Keep its store in this folder; else it is deleted at the end.", metavar="DIR"
        ),
    ] = None,
    log_level: options.LogLevel = logs.DEFAULT_LEVEL,
    json: options.Json = False,
) -> None:
    """Serve a page that shows what Ringback does.

    It has a worker process of its own, which the page can kill.
    """
    logs.set_up(log_level)
    from ringback.cli.banner import server_started
    from ringback.serve import Started, run_to_end, serve

    try:
        from ringback import demo as demonstration
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The demo needs {error.name}, which is not installed: pip install 'ringback[demo]'"
        ) from None
    rb = demonstration.rb

    def ready(started: Started) -> None:
        server_started(rb, started, json=json)

    with ExitStack() as stack:
        if data is None:
            import tempfile

            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ringback-demo-")))
        rb.configure(host="127.0.0.1", port=port, data=data, workers=1)
        run_to_end(serve(rb, demonstration.app, target=TARGET, log_level=log_level, ready=ready))
