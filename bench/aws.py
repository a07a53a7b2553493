"""Functions: an operation and its news on AWS, as the home on one machine runs it.

Ringback by its generated template, and the classic pattern by hand (`servers/aws_classic`): how
long it takes, what AWS is made to do for it, and what that would cost. And what a cold start has
to load.
"""

from __future__ import annotations

import functools
import json
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import aws_package
from bench.fanout_ringback import HS256_KEY
from bench.kit.environments import python_of, script
from bench.kit.errors import NotRun
from bench.kit.machine import CoreTimes
from bench.kit.paths import BENCH
from bench.kit.processes import (
    LOAD_CORE,
    SERVER_CORE,
    Children,
    environment,
    free_port,
    wait_for_port,
)
from bench.kit.report import BLANK, Column, Part
from bench.kit.rounds import Outcome, Scenario
from bench.kit.targets import Target

JOBS, QUICK_JOBS = 40, 5
COUNTED, QUICK_COUNTED = 5, 2
START_S, CLIENT_S, TEMPLATE_S = 60.0, 180.0, 60.0
ENVIRONMENT = "ringback"

WAYS = {
    "ws0": "nobody follows",
    "ws1": "WebSocket, 1 follower of a topic",
    "ws10": "WebSocket, 10 followers of a topic",
    "more": "each follower more",
    "follow": "WebSocket, submitted and followed there",
    "long-poll": "long polling",
    "poll": "polling every second",
}
"""By their names in the client, `more` apart, in the table's order."""
HEADING = [
    "", "told by", "submit → 202 p50, p99 ms", "submit → told p50, p99 ms", "calls of functions",
    "table requests", "read units", "write units (of indexes)", "SQS requests",
    "API requests, messages", "$ a million: requests", "functions' time here", "notes",
]  # fmt: skip
MORE_FROM, MORE_TO, MORE = "ws1", "ws10", 9
UNTIMED = ("ws0", "more")
OTHERS = 0.1  # a share of the core taken by others that spoils a run


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line decides."""

    quick: bool


def scenarios(options: Options) -> list[Scenario]:
    """Ringback and the classic pattern: each in all its ways."""
    return [
        Scenario(
            name=name,
            title=title,
            durability="put into the table",
            environment=ENVIRONMENT,
            measure=functools.partial(_measure, name, options),
        )
        for name, title in (("ringback", "Ringback"), ("classic", "the classic pattern, by hand"))
    ]


def package_scenarios(options: Options) -> list[Scenario]:
    """What is loaded at a cold start."""
    return [
        Scenario(
            name="code",
            title="Ringback and an application of two tasks",
            durability=BLANK,
            environment=ENVIRONMENT,
            measure=functools.partial(aws_package.measure, quick=options.quick),
        )
    ]


def _measure(kind: str, options: Options, children: Children) -> dict[str, object]:
    python = python_of(ENVIRONMENT)
    port = free_port()
    home = children.start(
        [python, "-m", "bench.servers.ringback_aws_home", _template(kind, children.folder),
         str(port), HS256_KEY if kind == "ringback" else ""],
        name="home",
        on_core=SERVER_CORE,
        stop_signal=signal.SIGINT,  # so that it ends its functions
    )  # fmt: skip
    wait_for_port(home, port, START_S)
    jobs, counted = (QUICK_JOBS, QUICK_COUNTED) if options.quick else (JOBS, COUNTED)
    before = CoreTimes.read(SERVER_CORE)
    client = children.start(
        [python, "-m", "bench.aws_client", kind, str(port), str(jobs), str(counted)],
        name="client",
        on_core=LOAD_CORE,
    )
    try:
        client.process.wait(CLIENT_S)
    except subprocess.TimeoutExpired:
        raise NotRun(f"the client did not end in time: {client.log_tail()}") from None
    if client.process.returncode:
        raise NotRun(client.log_tail())
    ways: dict[str, dict[str, float]] = json.loads(client.log_tail())
    return {
        **{f"{way} {name}": each for way, found in ways.items() for name, each in found.items()},
        **CoreTimes.read(SERVER_CORE).since(before),
    }


def _template(kind: str, folder: Path) -> Path:
    """The application in a folder of its own, and its template beside it."""
    if kind == "classic":
        shutil.copytree(BENCH / "servers" / "aws_classic", folder / "code")
        return folder / "code" / "template.yaml"
    shutil.copytree(BENCH / "servers" / "ringback_aws", folder / "code")
    made = subprocess.run(
        [script(ENVIRONMENT, "ringback"), "aws", "template", "app:rb", "-o", "template.yaml"],
        cwd=folder / "code",
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TEMPLATE_S,
        check=False,
    )
    if made.returncode:
        raise NotRun(made.stderr.strip()[-200:])
    return folder / "code" / "template.yaml"


def table(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """A row for each way."""
    rows = [HEADING]
    for outcome in outcomes:
        if not outcome.runs:
            blanks = [BLANK] * (len(HEADING) - 2)
            rows.append([outcome.scenario.title, *blanks, f"**not run: {outcome.not_run}**"])
            continue
        for way, text in WAYS.items():
            if way == "more" or outcome.values(f"{way} calls"):
                notes = _notes(outcome, way)
                rows.append([outcome.scenario.title, text, *_cells(outcome, way), notes])
    return rows


def _cells(outcome: Outcome, way: str) -> list[str]:
    return [
        _times(outcome, way, "accept"),
        _times(outcome, way, "told"),
        _figure(outcome, way, "calls"),
        _figure(outcome, way, "requests"),
        _figure(outcome, way, "read_units"),
        f"{_figure(outcome, way, 'write_units')} ({_figure(outcome, way, 'index_units')})",
        _figure(outcome, way, "sqs"),
        f"{_figure(outcome, way, 'http')}, {_figure(outcome, way, 'websocket')}",
        _figure(outcome, way, "requests_dollars", 2),
        _figure(outcome, way, "time_dollars", 2),
    ]


def _median(outcome: Outcome, way: str, key: str) -> float | None:
    if way != "more":
        return outcome.median(f"{way} {key}")
    few, many = (outcome.median(f"{each} {key}") for each in (MORE_FROM, MORE_TO))
    return None if few is None or many is None else (many - few) / MORE


def _figure(outcome: Outcome, way: str, key: str, digits: int = 1) -> str:
    found = _median(outcome, way, key)
    return BLANK if found is None else f"{round(found, digits) + 0.0:,.{digits}f}"  # no -0.0


def _times(outcome: Outcome, way: str, key: str) -> str:
    if way in UNTIMED:
        return BLANK
    p50, p99 = (outcome.median(f"{way} {key}_{each}_ms") for each in ("p50", "p99"))
    return BLANK if p50 is None or p99 is None else f"{p50:,.0f}, {p99:,.0f}"


def _notes(outcome: Outcome, way: str) -> str:
    notes = []
    if outcome.not_run:
        notes.append(f"**stopped after {len(outcome.runs)} runs: {outcome.not_run}**")
    if failed := sum(outcome.values(f"{way} errors")):
        notes.append(f"**{failed:.0f} calls failed**")
    others = outcome.median("server_core_others")
    if others is not None and others >= OTHERS and way == next(iter(WAYS)):
        notes.append(f"{others:.0%} of the core used by other programs")
    return "; ".join(notes)


PART = Part(
    name="aws",
    title="Functions: an operation and its news, on the home of AWS on one machine",
    columns=(),
    ratio_key="",
    references=(),
    render=table,
)
PACKAGE = Part(
    name="aws-start",
    title="Functions: what a cold start loads",
    columns=(
        Column(
            key="import_compiled_cpu_ms",
            heading="import as deployed, CPU ms",
            digits=0,
            spread=True,
        ),
        Column(key="import_compiled_ms", heading="passed, ms", digits=0),
        Column(
            key="import_source_cpu_ms", heading="import from source, CPU ms", digits=0, spread=True
        ),
        Column(key="import_source_ms", heading="passed, ms", digits=0),
        Column(key="plain_zip_mb", heading="archive, MB", digits=1),
        Column(key="plain_mb", heading="unzipped", digits=1),
        Column(key="uploads_zip_mb", heading="with uploads, MB", digits=1),
        Column(key="uploads_mb", heading="unzipped", digits=1),
    ),
    ratio_key="",
    references=(),
    waits=True,
    targets=tuple(
        Target(text=text, row="code", reference="code", key=key, bound=1.0, at_most=True,
               reference_key=most)
        for text, key, most in (
            (f"import as deployed / {aws_package.MOST_MS} ms", "import_compiled_cpu_ms", "most_ms"),
            (f"code without uploads / {aws_package.MOST_MB} MB", "plain_mb", "most_mb"),
            (f"archive without uploads / {aws_package.MOST_MB} MB", "plain_zip_mb", "most_mb"),
        )
    ),
)  # fmt: skip
