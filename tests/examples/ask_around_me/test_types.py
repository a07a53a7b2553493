"""The page's types are the server's: the file in the repository is what `ringback types` writes."""

from pathlib import Path

from examples.ask_around_me.tasks import rb
from ringback.cli.api_types import api_types
from ringback.edges.http.openapi import document

FILE = Path(__file__).resolve().parents[3] / "examples/ask_around_me/web/src/tasks.ts"


def test_the_file_is_what_the_command_writes() -> None:
    assert FILE.read_text("utf-8") == api_types(
        document(rb.name, rb.registry, "", development=False)
    ), "run: ringback types examples.ask_around_me.app:rb > examples/ask_around_me/web/src/tasks.ts"
