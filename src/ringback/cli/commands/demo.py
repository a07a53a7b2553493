"""``ringback demo``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ringback.cli import logs, options
from ringback.errors import ConfigurationError

if TYPE_CHECKING:
    from ringback.app import Ringback
    from ringback.serve import Started

EXAMPLE = "ringback.examples.ask_around_me"


UNBUILT = (
    "The page of Ask Around Me is not built in this checkout. Cure: let this machine reach "
    "registry.npmjs.org (behind a proxy, set HTTPS_PROXY; for a mirror, npm config set registry "
    "URL), then `make setup`. Without it there is `ringback demo files`."
)


class Show(StrEnum):
    """What there is to see."""

    ASK_AROUND_ME = "ask-around-me"
    FILES = "files"


class Shown(NamedTuple):
    """What is served, what is said of it, and what follows when it is served."""

    rb: Ringback
    app: Callable[..., Any]
    target: str
    title: str
    tries: Sequence[str]
    """What to try."""
    other: str
    """What else there is to see."""
    begin: Callable[[Started], object]


def demo(
    show: Annotated[
        Show,
        typer.Argument(
            help="ask-around-me: people nearby ask one another; files: photos and tables."
        ),
    ] = Show.ASK_AROUND_ME,
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

    It shows what goes over the wire beside it, and has a worker process of its own, which it can
    kill.
    """
    logs.set_up(log_level)
    from ringback.cli.banner import demo_started
    from ringback.serve import run_to_end, serve

    try:
        shown = _ask_around_me() if show is Show.ASK_AROUND_ME else _files()
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith(EXAMPLE):
            raise ConfigurationError(
                "This installation has no examples. Install it anew."
            ) from None
        raise ConfigurationError(
            f"The demo needs {missing}, which is not installed: pip install 'ringback[demo]'"
        ) from None

    def ready(started: Started) -> None:
        demo_started(
            *(shown.rb, started, shown.title, shown.tries, shown.other),
            kept=is_kept,
            json=json,
        )
        shown.begin(started)

    is_kept = data is not None

    with ExitStack() as stack:
        if data is None:
            import tempfile

            data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ringback-demo-")))
        shown.rb.configure(host="127.0.0.1", port=port, data=data, workers=1)
        run_to_end(
            serve(shown.rb, shown.app, target=shown.target, log_level=log_level, ready=ready)
        )


def _files() -> Shown:
    from ringback import demo as files

    return Shown(
        files.rb,
        files.app,
        "ringback.demo:rb",
        "Files: photos developed and tables read, in steps that you see",
        (
            "drop photos or a CSV on it, in slow motion",
            "kill the worker: another goes on where it was",
        ),
        "ringback demo: people nearby ask one another",
        lambda started: None,
    )


def _ask_around_me() -> Shown:
    from importlib import import_module

    # By name: where it is depends on whether this is a checkout.
    served = import_module(f"{EXAMPLE}.app")
    example = import_module(f"{EXAMPLE}.demo")
    if not example.is_built():
        raise ConfigurationError(UNBUILT)
    example.slow_down()
    return Shown(
        served.rb,
        served.app,
        f"{EXAMPLE}.tasks:rb",
        "Ask Around Me: people nearby ask one another, on a map",
        (
            "open it twice, side by side: what is asked in one is in the other in a moment",
            "press Wire: choose the transport, cut the network, kill the worker",
        ),
        "ringback demo files: photos and tables",
        lambda started: example.begin(served.app, started),
    )
