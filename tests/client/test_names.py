"""The public names of the Python client, and what it costs to import them."""

import re
import subprocess
import sys

from ringback import client
from tests.serving import ROOT

NAMES = {
    "AsyncClient",
    "AsyncOperation",
    "AsyncSubscription",
    "Client",
    "Gap",
    "Message",
    "Operation",
    "OperationEvent",
    "Part",
    "Presence",
    "Progress",
    "Published",
    "Refused",
    "Subscription",
    "Unreachable",
}
HEAVY = ("starlette", "uvicorn", "apsw", "pydantic", "obstore", "joserfc", "typer")
"""What serves, stores or verifies: no client needs it."""


def test_the_public_names_are_these() -> None:
    assert set(client.__all__) == NAMES
    assert all(getattr(client, name) is not None for name in NAMES)


def test_each_is_documented_and_nothing_else() -> None:
    page = (ROOT / "docs" / "reference" / "python-client.md").read_text("utf-8")
    assert set(re.findall(r"^## (\w+)$", page, re.MULTILINE)) == NAMES


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys\n"
        "from ringback.client import Client\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
        "print([name for name in sys.modules if name.startswith('ringback.')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    heavy, ours = done.stdout.splitlines()
    assert heavy == "[]"
    rooms = {name.split(".")[1] for name in re.findall(r"ringback\.[\w.]+", ours)}
    assert rooms == {"client", "core", "errors", "wire"}
