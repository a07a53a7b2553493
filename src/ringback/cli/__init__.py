"""The command line: ``ringback``.

What belongs here: arguments, and what people and scripts get to see. What an operation does is
decided below; a command talks to it over HTTP (``remote``) or in the store itself (``local``).
"""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and end the process with its status; see ``exits``."""
    from ringback.cli.application import run

    raise SystemExit(run(arguments))
