"""Scenarios and their outcomes: interleaved rounds, each in fresh processes and folders."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.kit.errors import NotRun
from bench.kit.processes import Children

# A run's folder must be traversable by the account PostgreSQL runs under.
FOLDER_MODE = 0o711


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One row of a table."""

    name: str
    title: str
    # What is true of the data when the client gets its acknowledgement.
    durability: str
    environment: str
    measure: Callable[[Children], dict[str, object]]


@dataclass(kw_only=True)
class Outcome:
    """What came of a scenario over all rounds."""

    scenario: Scenario
    runs: list[dict[str, object]] = field(default_factory=list)
    not_run: str = ""

    def values(self, key: str) -> list[float]:
        """One figure of every run that has it."""
        found = [run.get(key) for run in self.runs]
        return [float(value) for value in found if isinstance(value, int | float)]

    def median(self, key: str) -> float | None:
        """The median of a figure; None when no run has it."""
        values = self.values(key)
        return statistics.median(values) if values else None


def measure_all(
    scenarios: Sequence[Scenario], runs: int, work: Path, store_core: int
) -> list[Outcome]:
    """Every scenario once, then all again: a noisy minute falls on all of them alike."""
    outcomes = [Outcome(scenario=scenario) for scenario in scenarios]
    for number in range(1, runs + 1):
        for outcome in outcomes:
            if outcome.not_run:
                continue
            name = outcome.scenario.name
            print(f"  run {number}/{runs} {name}", file=sys.stderr, flush=True)
            try:
                outcome.runs.append(_measure_once(outcome.scenario, work, store_core))
            except NotRun as error:
                outcome.not_run = str(error)
            except (OSError, subprocess.SubprocessError, ValueError) as error:
                outcome.not_run = f"{type(error).__name__}: {error}"
            if outcome.not_run:
                print(f"    not run: {outcome.not_run}", file=sys.stderr, flush=True)
    return outcomes


def _measure_once(scenario: Scenario, work: Path, store_core: int) -> dict[str, object]:
    folder = Path(tempfile.mkdtemp(prefix=f"{scenario.name}-", dir=work))
    folder.chmod(FOLDER_MODE)
    try:
        with Children(folder, store_core) as children:
            return scenario.measure(children)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
