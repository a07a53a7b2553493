"""``ringback run`` and ``ringback worker``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ringback.cli import logs, options

if TYPE_CHECKING:
    from ringback.app import Ringback
    from ringback.serve import Started


def run(
    target: options.Target,
    host: options.Host = None,
    port: options.Port = None,
    data: options.Data = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=64,
            help="Worker processes beside the server; unset: the server works itself; 0: none "
            "here. [RINGBACK_WORKERS]",
            metavar="N",
        ),
    ] = None,
    engine: options.Engine = None,
    concurrency: options.Concurrency = None,
    grace: options.Grace = None,
    log_level: options.LogLevel = logs.DEFAULT_LEVEL,
    json: options.Json = False,
) -> None:
    """Serve an application, and do its work."""
    logs.set_up(log_level)
    from ringback.cli.banner import server_started
    from ringback.cli.load import load
    from ringback.serve import run_to_end, serve

    rb, name = load(target)
    rb.configure(
        host=host,
        port=port,
        data=data,
        workers=workers,
        engine=engine,
        concurrency=concurrency,
        grace=grace,
    )

    def ready(started: Started) -> None:
        server_started(rb, started, json=json)

    run_to_end(serve(rb, target=name, log_level=log_level, ready=ready))


def worker(
    target: options.Target,
    data: options.Data = None,
    engine: options.Engine = None,
    concurrency: options.Concurrency = None,
    grace: options.Grace = None,
    log_level: options.LogLevel = logs.DEFAULT_LEVEL,
    json: options.Json = False,
    supervised: Annotated[bool, typer.Option("--supervised", hidden=True)] = False,
) -> None:
    """Only do the work of an application.

    For servers on the same store that were started with --workers 0, or to have more hands.
    """
    logs.set_up(log_level)
    from ringback.cli.load import load
    from ringback.serve import run_to_end, work

    rb, _ = load(target)
    rb.configure(data=data, engine=engine, concurrency=concurrency, grace=grace)
    run_to_end(
        work(rb, supervised=supervised, ready=lambda _: _worker_started(rb, supervised, json))
    )


def _worker_started(rb: Ringback, supervised: bool, json: bool) -> None:
    if not supervised:
        from ringback.cli.banner import worker_started

        worker_started(rb, json=json)
