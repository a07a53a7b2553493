"""Which functions' code has changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

SHORTEST = 0.5
"""Seconds between two looks."""
SHARE = 20
"""How many times as long as a look takes nobody looks."""
AVOIDED = {".aws-sam", ".git", ".venv", "__pycache__", "node_modules", "site-packages"}
"""Folders that hold no code of the function's, or too much of others'."""
CODE = {
    *(".cfg", ".graphql", ".html", ".ini", ".j2", ".json", ".py", ".so", ".sql", ".toml"),
    *(".yaml", ".yml"),
}
"""What functions are made of. Whatever else changes in their folders may be a log."""
BOOTSTRAP = "bootstrap"
MOST = 20_000
"""Files of one folder that are looked at."""

State = dict[str, float]


class Changes:
    """Looks at the folders of functions."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders: dict[Path, list[str]] = {}
        for name, folder in folders.items():
            self._folders.setdefault(folder, []).append(name)
        self.pause = SHORTEST
        self._states = {folder: state(folder) for folder in self._folders}

    def look(self) -> Iterable[str]:
        """The functions whose code is not what it was at the last look."""
        begun = time.perf_counter()
        changed: list[str] = []
        for folder, names in self._folders.items():
            now = state(folder)
            if now != self._states[folder]:
                self._states[folder] = now
                changed += names
        self.pause = max(SHORTEST, SHARE * (time.perf_counter() - begun))
        return changed


def state(folder: Path) -> State:
    """When each file below `folder` was changed last."""
    found: State = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in AVOIDED]
        for name in files:
            path = Path(place, name)
            if path.suffix not in CODE and name != BOOTSTRAP:
                continue
            try:
                found[str(path)] = path.stat().st_mtime_ns
            except OSError:
                continue
            if len(found) >= MOST:
                return found
    return found
