"""The vectors of ``ringback.v1``: what every implementation of the protocol has to agree on."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "vectors" / "ringback-v1"


def vectors(name: str) -> list[dict[str, Any]]:
    """Those of one file."""
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))[
        "vectors"
    ]
    return found


def name_of(vector: dict[str, Any]) -> str:
    """For the test's own name."""
    return str(vector["name"])
