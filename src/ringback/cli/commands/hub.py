"""``ringback hub``."""

from __future__ import annotations

from typing import Annotated

import typer

from ringback.cli import logs, options
from ringback.errors import ConfigurationError

TARGET = "ringback hub"
"""Stands for a module: there is none."""


def hub(
    host: options.Host = None,
    port: options.Port = None,
    data: options.Data = None,
    engine: options.Engine = None,
    open: Annotated[
        bool,
        typer.Option(
            "--open", help="Let everybody follow every topic; publishing takes a token as before."
        ),
    ] = False,
    grace: options.Grace = None,
    log_level: options.LogLevel = logs.DEFAULT_LEVEL,
    json: options.Json = False,
) -> None:
    """Serve topics alone: a hub for back ends in any language.

    Every topic is there. Who may publish and follow, the claim `topics` of their tokens says; in
    development mode, without keys, everybody on this machine may.
    """
    logs.set_up(log_level)
    from ringback.app import Ringback
    from ringback.cli.banner import server_started
    from ringback.serve import Started, run_to_end, serve

    rb = Ringback("hub", open_topics=True)
    if open:
        rb.topic("#", subscribe="anyone")
    rb.configure(host=host, port=port, data=data, engine=engine, grace=grace)
    if rb.settings.workers is not None:
        raise ConfigurationError(
            "A hub has no tasks, and so nothing for worker processes; what has to be cleared away "
            f"it clears itself. Leave out workers ({rb.settings.origin('workers')})."
        )

    def ready(started: Started) -> None:
        server_started(rb, started, json=json)

    run_to_end(serve(rb, target=TARGET, log_level=log_level, ready=ready))
