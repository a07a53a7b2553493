"""``ringback aws template``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ringback.cli import options

if TYPE_CHECKING:
    from ringback.app import Ringback
    from ringback.sam import Plan

Handler = Annotated[
    str | None,
    typer.Option(
        help="The function's handler, `handler = rb.lambda_handler()`; else MODULE.handler.",
        metavar="MODULE.NAME",
    ),
]
Python = Annotated[
    str, typer.Option("--python", help="The version of Python in Lambda.", metavar="VERSION")
]
Prefix = Annotated[
    str,
    typer.Option(help="The path that the application is mounted under.", metavar="PATH"),
]
With = Annotated[
    Path | None,
    typer.Option(
        "--with",
        help="A template of what the application uses of its own, to be joined to this.",
        metavar="FILE",
    ),
]
PYTHON = "3.13"


def template(
    target: options.Target,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; else printed.", metavar="FILE"),
    ] = None,
    handler: Handler = None,
    python: Python = PYTHON,
    prefix: Prefix = "",
    additions: With = None,
    code: Annotated[
        str, typer.Option(help="The folder of the code, from the template's.", metavar="DIR")
    ] = ".",
) -> None:
    """Write the SAM template of what an application registers.

    It has its parameters with it; `ringback aws deploy` and `ringback aws local` take it.
    """
    from ringback.cli.terminal import note
    from ringback.cli.texts import write_text
    from ringback.sam import text

    rb, plan = read(target, handler, python, prefix, code, additions)
    written = text(rb, plan)
    if output is None:
        write_text(written)
        return
    output.write_text(written, "utf-8")
    note(f"{output} is written.")


def read(
    target: str,
    handler: str | None,
    python: str,
    prefix: str,
    code: str,
    additions: Path | None,
) -> tuple[Ringback, Plan]:
    """The application, and what it comes to on AWS. Raises ``ConfigurationError``."""
    from ringback.cli.load import load
    from ringback.sam import plan
    from ringback.sam.additions import read as read_additions

    rb, name = load(target)
    made = plan(
        rb,
        name,
        handler=handler or "",
        runtime=f"python{python}",
        prefix=prefix,
        code=code,
        additions=None if additions is None else read_additions(additions),
    )
    _check_handler(made.handler)
    return rb, made


def _check_handler(handler: str) -> None:
    """Whether Lambda will find it: a mistake is seen here, and not in the first request."""
    import importlib

    from ringback.errors import ConfigurationError

    module, _, name = handler.rpartition(".")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(f"The handler {handler}: {error}.") from error
    if not callable(getattr(found, name, None)):
        raise ConfigurationError(
            f"{module} has no {name!r} for Lambda to call. Add to it `{name} = "
            "rb.lambda_handler()`, with your ASGI application in the brackets where there is one; "
            "or say where it is: --handler MODULE.NAME."
        )
