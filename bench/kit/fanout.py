"""The fan-out load generator: what it is told to say and to do, and its report."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.kit.compiling import compiled
from bench.kit.errors import NotRun
from bench.kit.processes import LOAD_CORE, SERVER_CORE, Child, Children

PAYLOAD_BYTES = 100
MARK = "{mark}"
MARK_BYTES = 9  # what stands for it, in load/fanout.h
PHASE_GRACE_S = 60.0  # a slow server has sixteen messages to 5,000 subscribers in flight at the end
OPEN_GRACE_S = 130.0  # more than the generator gives itself
POLL_S = 0.05
SPARE_FILES = 200
WHY_CHARACTERS = 200  # of an answer that was not expected: it stands in a table


def payload() -> str:
    """The JSON that is published: 100 bytes with the generator's mark filled in."""
    empty = json.dumps({"text": "", "m": MARK}, separators=(",", ":"))
    padding = "x" * (PAYLOAD_BYTES - len(empty) + len(MARK) - MARK_BYTES)
    return empty.replace('"text":""', f'"text":"{padding}"')


@dataclass(frozen=True, kw_only=True)
class Side:
    """What the subscribers do, or the publisher: the wire, where, and the frames to begin with.

    Each step is what to send and what its answer contains; either may be empty.
    """

    wire: str
    path: str = "/"
    steps: tuple[tuple[str, str], ...] = ()
    port: int = 0


@dataclass(frozen=True, kw_only=True)
class Client:
    """How to talk to a server. `{n}` is the topic's number, `{line}` one of `lines`."""

    subscribers: Side
    publisher: Side
    message: str
    topic: str = "{n}"
    headers: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    refusal: str = ""
    """What an answer contains that means no."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to drive: one phase after another over connections that stay."""

    phases: tuple[tuple[int, int], ...]
    """Subscribers and messages in flight."""
    seconds: float
    warmup_s: float
    own_topics: bool = False
    """Whether each subscriber has a topic of its own."""


@dataclass(kw_only=True)
class Report:
    """What the generator printed, by phase, and why it stopped early if it did."""

    opened: list[dict[str, float]]
    phases: dict[tuple[int, int], dict[str, float]]
    stopped: str = ""


def run(children: Children, client: Client, plan: Plan, server: Sequence[int], port: int) -> Report:
    """Drive a whole plan."""
    with started(children, client, plan, server, port) as child:
        return finished(child, plan)


@contextmanager
def started(
    children: Children,
    client: Client,
    plan: Plan,
    server: Sequence[int],
    port: int,
    *,
    hold: bool = False,
) -> Iterator[Child]:
    """The generator at work; with `hold` it waits for `go` once its connections are open."""
    most = max(count for count, _ in plan.phases)
    if (limit := resource.getrlimit(resource.RLIMIT_NOFILE)[1]) < most + SPARE_FILES:
        raise NotRun(f"{most} connections need `ulimit -Hn` above {limit}")
    argv: list[str | Path] = [
        compiled("fanout"), "-p", str(port), "-P", str(client.publisher.port or port),
        "-s", client.subscribers.wire, "-q", client.publisher.wire,
        "-u", client.subscribers.path, "-U", client.publisher.path,
        "-T", client.topic, "-m", client.message, "-e", client.refusal,
        "-d", str(plan.seconds), "-w", str(plan.warmup_s),
        "-t", str(most if plan.own_topics else 0),
    ]  # fmt: skip
    for (send, expect), side in [
        *((step, "ax") for step in client.subscribers.steps),
        *((step, "AX") for step in client.publisher.steps),
    ]:
        argv += [f"-{side[0]}", send, f"-{side[1]}", expect]
    for header in client.headers:
        argv += ["-H", header]
    for pid in server:
        argv += ["-k", str(pid)]
    argv += ["-c", str(SERVER_CORE)]
    for count, in_flight in plan.phases:
        argv += ["-r", f"{count}:{in_flight}"]
    if client.lines:
        path = children.folder / "lines"
        path.write_text("\n".join(client.lines))
        argv += ["-L", path]
    if hold:
        argv.append("-i")
    child = children.start(argv, name="load", on_core=LOAD_CORE)
    try:
        yield child
    finally:
        children.stop(child)


def go(child: Child) -> None:
    """Tell a generator that was held to go on."""
    child.process.send_signal(signal.SIGUSR1)


def wait_until_open(child: Child) -> None:
    """Return when the connections of the first phase are open."""
    deadline = time.monotonic() + OPEN_GRACE_S
    while '"opened"' not in child.log.read_text():
        if child.process.poll() is not None or time.monotonic() > deadline:
            raise NotRun(child.log_tail()[:WHY_CHARACTERS])
        time.sleep(POLL_S)


def finished(child: Child, plan: Plan) -> Report:
    """Wait for the end; what was measured up to it."""
    each = plan.seconds + plan.warmup_s + PHASE_GRACE_S
    try:
        child.process.wait(OPEN_GRACE_S + each * len(plan.phases))
    except subprocess.TimeoutExpired:
        raise NotRun("the load generator did not end in time") from None
    report = Report(opened=[], phases={})
    for line in child.log.read_text(errors="replace").splitlines():
        if not line.startswith("{"):
            report.stopped = line[:WHY_CHARACTERS]
            continue
        found = json.loads(line)
        if found.pop("step") == "opened":
            report.opened.append(found)
        else:
            report.phases[int(found["connections"]), int(found["in_flight"])] = found
    if child.process.returncode and not report.phases:
        raise NotRun(child.log_tail()[:WHY_CHARACTERS])
    return report
