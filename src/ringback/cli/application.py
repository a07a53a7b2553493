"""The commands together, and what becomes of their errors.

Nothing heavy is imported here or at the top of a command's module: `--help` must be quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from ringback import __version__
from ringback.cli import exits
from ringback.cli.commands import aws, demo, hub, ops, settings, submit, token, topics, types
from ringback.cli.commands import run as run_command
from ringback.cli.terminal import NobodyReads, note, styled
from ringback.errors import ConfigurationError, RingbackError

ORDER = (
    "run",
    "worker",
    "hub",
    "submit",
    "ops",
    "pub",
    "sub",
    "token",
    "types",
    "settings",
    "aws",
    "demo",
)


class _Commands(TyperGroup):
    """The commands in the order in which one comes to need them."""

    def list_commands(self, ctx: Any) -> list[str]:
        order = list(ORDER)
        return sorted(super().list_commands(ctx), key=order.index)


application = typer.Typer(
    cls=_Commands,
    name="ringback",
    help="Answer now, call back when it is done.",
    epilog="Exit status: 0 succeeded, 1 failed, 2 usage, 3 cancelled, 4 unavailable, "
    "130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: formatting it with rich takes longer than all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ringback {__version__}")
        raise typer.Exit


@application.callback()
def _all(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


application.command()(run_command.run)
application.command()(run_command.worker)
application.command()(hub.hub)
application.command()(submit.submit)
application.add_typer(ops.application, name="ops")
application.command()(topics.pub)
application.command()(topics.sub)
application.command()(token.token)
application.command()(types.types)
application.command()(settings.settings)
application.add_typer(aws.application, name="aws")
application.command()(demo.demo)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = application(given, prog_name="ringback", standalone_mode=False)
    except TyperException as error:
        return _failed(_usage(error), given, error.exit_code)
    except RingbackError as error:
        return _failed(error, given, exits.status_of(error))
    except (KeyboardInterrupt, typer.Abort):
        note("Interrupted.")
        return exits.INTERRUPTED
    except NobodyReads:
        # What Python would still flush at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.BROKEN_PIPE
    return status if isinstance(status, int) else exits.SUCCEEDED


def _usage(error: TyperException) -> ConfigurationError:
    """A wrong command line, with the way to the help of the command it was for."""
    text = error.format_message()
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "ringback"
    ending = "" if text.endswith((".", "?")) else "."
    return ConfigurationError(f"{text}{ending} See `{path} --help`.")


def _failed(error: RingbackError, arguments: Sequence[str], status: int) -> int:
    if "--json" in arguments:
        import msgspec

        note(msgspec.json.encode(error.problem(), enc_hook=str).decode())
    else:
        note(f"{styled('Error:', 'red bold', sys.stderr)} {exits.explain(error)}")
    return status
