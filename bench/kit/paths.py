"""Where things are. Nothing else belongs here."""

from __future__ import annotations

from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
PEERS = BENCH / "peers"
VENVS = BENCH / ".venvs"
BUILD = BENCH / ".build"
RESULTS_JSON = BENCH / "results" / "latest.json"
RESULTS_MD = BENCH / "RESULTS.md"
