"""`python bench/run.py`: measure Ringback beside its peers, print and store the tables.

Options: `--only accept,drain`, `--rows a,b`, `--quick`, `--runs N`, `--list`. See README.md.
It ends with status 1 if a row of Ringback could not be measured.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from types import FrameType
from typing import Any

if __package__ in (None, ""):
    # Run as a file: the folder above makes `bench` importable.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench import accept, aws, drain, fanout, growth, progress
from bench.kit import machine, report, stores, targets
from bench.kit.compiling import compiled
from bench.kit.paths import RESULTS_JSON, RESULTS_MD
from bench.kit.processes import LOAD_CORE, SERVER_CORE, core
from bench.kit.rounds import Outcome, Scenario, measure_all

RUNS, QUICK_RUNS = 3, 1
FOLDER_MODE = 0o711
HEADER = """# Results

Written by `make bench`; do not edit. How to read it: [README.md](README.md).
"""
Rows = Callable[[bool], list[Scenario]]
PARTS: dict[str, tuple[report.Part, Rows]] = {
    "accept": (accept.PART, lambda quick: accept.scenarios(accept.Options(quick=quick))),
    "drain": (drain.PART, lambda quick: drain.scenarios(drain.Options(quick=quick))),
    "progress": (progress.PART, lambda quick: progress.scenarios(progress.Options(quick=quick))),
    "growth": (growth.PART, lambda quick: growth.scenarios(growth.Options(quick=quick))),
    "fanout": (fanout.FANOUT, lambda q: fanout.fanout_scenarios(fanout.Options(quick=q))),
    "topics": (fanout.MANY, lambda q: fanout.topic_scenarios(fanout.Options(quick=q))),
    "durable": (fanout.DURABLE, lambda q: fanout.durable_scenarios(fanout.Options(quick=q))),
    "aws": (aws.PART, lambda quick: aws.scenarios(aws.Options(quick=quick))),
    "aws-start": (aws.PACKAGE, lambda q: aws.package_scenarios(aws.Options(quick=q))),
}
OURS = "ringback"
"""The environment of the rows without which the benchmark has failed."""


def arguments(parts: Collection[str]) -> argparse.Namespace:
    """The command line; `parts` are what is measured unless it says otherwise."""
    parser = argparse.ArgumentParser(description="Measure Ringback beside its peers.")
    parser.add_argument("--only", default=",".join(parts), help=f"parts: {','.join(PARTS)}")
    parser.add_argument("--rows", default="", help="rows by name, as --list shows them")
    parser.add_argument(
        "--quick", action="store_true", help="one short run, fewer rows, nothing written"
    )
    parser.add_argument("--runs", type=int, default=0, help=f"default {RUNS}, quick {QUICK_RUNS}")
    parser.add_argument(
        "--store-core", type=int, default=SERVER_CORE, choices=(SERVER_CORE, LOAD_CORE),
        help="where the peers' stores run; 1 gives them the core the load leaves mostly idle",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="list the rows and end")
    found = parser.parse_args()
    unknown = set(found.only.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"unknown parts {sorted(unknown)}; there are {', '.join(PARTS)}")
    if found.runs < 0:
        parser.error("--runs must be positive")
    found.runs = found.runs or (QUICK_RUNS if found.quick else RUNS)
    return found


def chosen(name: str, options: argparse.Namespace) -> list[Scenario]:
    """The rows of a part that were asked for."""
    rows = PARTS[name][1](options.quick)
    wanted = set(filter(None, options.rows.split(",")))
    return [row for row in rows if not wanted or row.name in wanted]


def end_on_signal(number: int, _frame: FrameType | None) -> None:
    """Turn a signal into an exception, so that every block ends its children."""
    raise SystemExit(128 + number)


def main(parts: Collection[str] = PARTS) -> None:
    """Measure, print, write."""
    options = arguments(parts)
    names = [name for name in PARTS if name in options.only.split(",")]
    if options.list:
        for name in names:
            print(name)
            for row in chosen(name, options):
                print(f"  {row.name:20} {row.title}")
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_on_signal)
    compiled()
    for missing in stores.missing():
        print(f"MISSING: {missing}; its rows will not be measured", file=sys.stderr)
    os.sched_setaffinity(0, core(LOAD_CORE))  # whatever this process does, not on the server's
    work = Path(tempfile.mkdtemp(prefix="ringback-bench-"))
    work.chmod(FOLDER_MODE)
    try:
        under = machine.describe(work)
        measured = {
            name: measure_all(chosen(name, options), options.runs, work, options.store_core)
            for name in names
        }
    finally:
        shutil.rmtree(work, ignore_errors=True)
    publish(measured, under, options)
    complain(measured)


def complain(measured: dict[str, list[Outcome]]) -> None:
    """Name what was not measured; end with 1 if that is something of Ringback."""
    ours = False
    for name, outcomes in measured.items():
        for outcome in outcomes:
            if outcome.not_run:
                ours = ours or outcome.scenario.environment == OURS
                print(
                    f"NOT RUN: {name} {outcome.scenario.name}: {outcome.not_run}", file=sys.stderr
                )
    if ours:
        raise SystemExit(1)


def publish(
    measured: dict[str, list[Outcome]], under: dict[str, object], options: argparse.Namespace
) -> None:
    """Print the tables; replace the parts that were measured in both files."""
    parts = previous_parts()
    for name, outcomes in measured.items():
        part = PARTS[name][0]
        rows = report.table(part, outcomes)
        held_to = targets.lines(part.targets, outcomes)
        print("\n".join(["", part.title, report.text(rows), *held_to]))
        parts[name] = {
            "measured_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "runs": options.runs,
            "store_core": options.store_core,
            "machine": under,
            "versions": report.installed(outcomes),
            "table": rows,
            "targets": held_to,
            "rows": report.record(outcomes),
        }
    if options.rows or options.quick:
        print("\nnot written: --rows and --quick measure less than a table", file=sys.stderr)
        return
    RESULTS_JSON.parent.mkdir(exist_ok=True)
    RESULTS_JSON.write_text(json.dumps(parts, indent=1, ensure_ascii=False) + "\n")
    sections = [HEADER] + [section(name, parts[name]) for name in PARTS if name in parts]
    RESULTS_MD.write_text("\n".join(sections))
    print(f"\nwritten: {RESULTS_MD} and {RESULTS_JSON}", file=sys.stderr)


def previous_parts() -> dict[str, dict[str, Any]]:
    """What earlier runs of other parts left, so that `--only` does not lose them."""
    try:
        found = json.loads(RESULTS_JSON.read_text())
    except (OSError, ValueError):
        return {}
    return {name: found[name] for name in PARTS if name in found}


def section(name: str, part: dict[str, Any]) -> str:
    """One part of RESULTS.md."""
    machine_line = ", ".join(
        f"{key.replace('_', ' ')} {value}" for key, value in part["machine"].items()
    )
    return "\n".join(
        [
            f"## {PARTS[name][0].title}",
            "",
            f"Measured {part['measured_at']}.",
            f"Medians of {part['runs']} interleaved runs (lowest to highest); server on core",
            f"{SERVER_CORE}, stores on core {part['store_core']}, load on core {LOAD_CORE}.",
            f"Machine: {machine_line}.",
            "",
            report.markdown(part["table"]),
            "",
            *[f"- {line}" for line in part.get("targets", ())],
            "",
        ]
    )


if __name__ == "__main__":
    main()
