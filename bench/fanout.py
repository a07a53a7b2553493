"""Fan-out: one publisher and many subscribers, and many topics with one each; beside peers.

`python -m bench.fanout [--quick]` measures the parts that are here: `fanout`, `topics`, `durable`.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench import fanout_ringback
from bench.fanout_peers import PUBLISHER, Contender, contenders
from bench.kit import fanout, memory, replay
from bench.kit.fanout import Plan, Report
from bench.kit.processes import Children
from bench.kit.report import BLANK, SATURATED, Part
from bench.kit.rounds import Outcome, Scenario
from bench.kit.targets import Target

PARTS = ("fanout", "topics", "durable")
SECONDS, QUICK_SECONDS = 2.5, 0.8
WARMUP_S, QUICK_WARMUP_S = 0.5, 0.3
PHASES = ((1000, 1), (1000, 16), (5000, 1), (5000, 16))
TOPICS = 10_000
TOPIC_PHASES = ((TOPICS, 1), (TOPICS, 16))
DURABLE_PHASES = ((1, 1), (1, 16), (1, 64))
BEHIND = 10_000
"""Messages that the replaying client has missed."""
WARM_CONNECTIONS = 200
SLOW = {"socketio", "channels"}
"""They take minutes to open so many connections."""
SETTLE_S = 1.0  # what is freed late is freed before memory is read
ONE, JOINED = "one", "joined"
LIMIT_OF = {1: ONE, 16: JOINED}
"""Which of the limits is the one for so many messages in flight."""
SIDES = {"server": "server", "load": "load", "others": "others on the server's core"}
"""Who used how much of a core, and how it is called in the notes."""
GOOD_SHARE = 0.85  # of the C limit
IDLE_BYTES = 4096
"""Of the server's own for an idle connection: the bound Ringback is held to."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line decides."""

    quick: bool


def key(figure: str, phase: tuple[int, int]) -> str:
    """The name of a phase's figure in a run's record."""
    return f"{figure}_{phase[0]}_w{phase[1]}"


def _limit(row: str, in_flight: int) -> str:
    wire = "sse" if row.endswith("-sse") or "-sse-" in row else "ws"
    return f"limit-{wire}-{LIMIT_OF[in_flight]}"


def _render_fanout(outcomes: Sequence[Outcome]) -> list[list[str]]:
    by_name = {outcome.scenario.name: outcome for outcome in outcomes}
    rows = [["", "over"]]
    rows[0] += [f"{count:,}, W={w}: deliveries/s (x C)" for count, w in PHASES]
    rows[0] += ["per CPU second, x C", "first, last p50 ms (1,000, W=1)", "notes"]
    for outcome in outcomes:
        row = [outcome.scenario.title, outcome.scenario.durability]
        shares = []
        for phase in PHASES:
            reference = by_name.get(_limit(outcome.scenario.name, phase[1]))
            row.append(_with_ratio(outcome, reference, key("deliveries_per_s", phase)))
            shares.append(_ratio(outcome, reference, key("per_cpu_s", phase)))
        row.append(" / ".join(shares))
        first, last = (outcome.median(key(f"{end}_p50_ms", PHASES[0])) for end in ("first", "last"))
        row.append(BLANK if first is None or last is None else f"{first:.2f}, {last:.2f}")
        rows.append([*row, "; ".join(_notes(outcome, PHASES))])
    return rows


def _render_topics(outcomes: Sequence[Outcome]) -> list[list[str]]:
    by_name = {outcome.scenario.name: outcome for outcome in outcomes}
    one, sixteen = TOPIC_PHASES
    rows = [["", "over", "messages/s, W=16 (x C)", "p50, p99 ms (W=16)", "p50, p99 ms (W=1)",
             "connects/s", "idle, B each: PSS, RSS", "notes"]]  # fmt: skip
    for outcome in outcomes:
        reference = by_name.get(_limit(outcome.scenario.name, 1))
        row = [outcome.scenario.title, outcome.scenario.durability]
        row.append(_with_ratio(outcome, reference, key("deliveries_per_s", sixteen)))
        for phase in (sixteen, one):
            row.append(_pair(outcome, key("last_p50_ms", phase), key("last_p99_ms", phase), 2))
        row.append(_pair(outcome, "connects_per_s", "", 0))
        row.append(_pair(outcome, "pss_each", "rss_each", 0))
        rows.append([*row, "; ".join(_notes(outcome, TOPIC_PHASES))])
    return rows


def _render_durable(outcomes: Sequence[Outcome]) -> list[list[str]]:
    rows = [["", "over"]]
    rows[0] += [f"W={w}: publishes/s" for _, w in DURABLE_PHASES]
    rows[0] += [f"p50, p99 ms (W={DURABLE_PHASES[0][1]})", "replayed/s", "notes"]
    for outcome in outcomes:
        row = [outcome.scenario.title, outcome.scenario.durability]
        row += [_pair(outcome, key("deliveries_per_s", p), "", 0) for p in DURABLE_PHASES]
        first = DURABLE_PHASES[0]
        row.append(_pair(outcome, key("last_p50_ms", first), key("last_p99_ms", first), 2))
        row.append(_pair(outcome, "replayed_per_s", "", 0))
        rows.append([*row, "; ".join(_notes(outcome, DURABLE_PHASES))])
    return rows


def _ratio(outcome: Outcome, reference: Outcome | None, name: str) -> str:
    mine, theirs = outcome.median(name), reference.median(name) if reference else None
    return BLANK if mine is None or not theirs else f"{mine / theirs:.2f}"


def _with_ratio(outcome: Outcome, reference: Outcome | None, name: str) -> str:
    mine = outcome.median(name)
    return BLANK if mine is None else f"{mine:,.0f} ({_ratio(outcome, reference, name)})"


def _pair(outcome: Outcome, first: str, second: str, digits: int) -> str:
    values = [outcome.median(name) for name in (first, second) if name]
    return ", ".join(BLANK if value is None else f"{value:,.{digits}f}" for value in values)


def _notes(outcome: Outcome, phases: Sequence[tuple[int, int]]) -> list[str]:
    """What a reader must know: which side was busy, and what went wrong."""
    notes = []
    if outcome.not_run:
        notes.append(f"**not run: {outcome.not_run}**")
    sides = {
        side: [outcome.median(key(f"{side}_share", phase)) for phase in phases] for side in SIDES
    }
    for side, shares in sides.items():
        if known := [f"{share:.0%}" for share in shares if share is not None]:
            notes.append(f"{SIDES[side]} {'/'.join(known)}")
    for phase, server, load in zip(phases, sides["server"], sides["load"], strict=True):
        if load is not None and load >= SATURATED and load > (server or 0):
            notes.append(f"**the load generator saturated at {phase[0]:,}, W={phase[1]}**")
    for wrong in ("missed", "duplicates", "misordered", "misrouted"):
        if count := sum(sum(outcome.values(key(wrong, phase))) for phase in phases):
            notes.append(f"**{count:,.0f} {wrong}**")
    if stopped := {str(run["stopped"]) for run in outcome.runs if run.get("stopped")}:
        notes.append(f"**stopped: {' | '.join(sorted(stopped))}**")
    return notes


def _targets(prefix: str, phases: Sequence[tuple[int, int]]) -> tuple[Target, ...]:
    return tuple(
        Target(
            text=f"{prefix}, {wire.upper()}, {phase[0]:,}, W={phase[1]}: Ringback / {limit}",
            row=f"ringback-{wire}", reference=limit, bound=GOOD_SHARE,
            key=key("deliveries_per_s", phase),
        )
        for wire in ("ws", "sse")
        for phase in phases
        for limit in (f"limit-{wire}-{LIMIT_OF[phase[1]]}",)
    )  # fmt: skip


FANOUT: Part = Part(
    name="fanout",
    title="Fan-out: one publisher, one topic, 1,000 and 5,000 subscribers",
    columns=(), ratio_key="", references=(), render=_render_fanout,
    targets=_targets("fan-out", PHASES),
)  # fmt: skip
MANY: Part = Part(
    name="topics",
    title=f"Many topics: {TOPICS:,} connections, each on its own; idle memory",
    columns=(), ratio_key="", references=(), render=_render_topics,
    targets=tuple(
        Target(
            text=f"idle {wire.upper()} connection, of {IDLE_BYTES:,} B of the server's own",
            row=f"ringback-{wire}", reference=f"ringback-{wire}", key="pss_each",
            reference_key="idle_bound", bound=1.0, at_most=True,
        )
        for wire in ("ws", "sse")
    ),
)  # fmt: skip
DURABLE: Part = Part(
    name="durable",
    title=f"Durable topics: publishes until they are delivered; replay of {BEHIND:,} messages",
    columns=(), ratio_key="", references=(), render=_render_durable,
)  # fmt: skip


def fanout_scenarios(options: Options) -> list[Scenario]:
    """Every contender through the same phases."""
    return [_scenario(row, functools.partial(_fan_out, row, options)) for row in contenders()]


def topic_scenarios(options: Options) -> list[Scenario]:
    """Every contender with a topic for each connection."""
    return [
        _scenario(row, functools.partial(_many, row, options))
        for row in contenders()
        if not (options.quick and row.name in SLOW)
    ]


def durable_scenarios(options: Options) -> list[Scenario]:
    """Ringback alone: no peer here keeps what it sent."""
    return [
        Scenario(
            name="ringback-durable", title="Ringback, durable topic", durability="WebSocket",
            environment="ringback", measure=functools.partial(_durable, options),
        )
    ]  # fmt: skip


def _scenario(row: Contender, measure: functools.partial[dict[str, object]]) -> Scenario:
    return Scenario(
        name=row.name, title=row.title, durability=row.what, environment=row.environment,
        measure=measure,
    )  # fmt: skip


def _plan(options: Options, phases: tuple[tuple[int, int], ...], *, own_topics: bool) -> Plan:
    return Plan(
        phases=phases,
        seconds=QUICK_SECONDS if options.quick else SECONDS,
        warmup_s=QUICK_WARMUP_S if options.quick else WARMUP_S,
        own_topics=own_topics,
    )


def _record(report: Report) -> dict[str, object]:
    """The figures of all phases, flat."""
    record: dict[str, object] = {"stopped": report.stopped}
    for phase, found in report.phases.items():
        record |= {key(name, phase): value for name, value in found.items()}
        if used := found["server_share"] * found["seconds"]:
            record[key("per_cpu_s", phase)] = round(found["deliveries"] / used, 1)
    return record


def _fan_out(row: Contender, options: Options, children: Children) -> dict[str, object]:
    server = row.start(children)
    plan = _plan(options, PHASES, own_topics=False)
    return _record(fanout.run(children, row.client(server), plan, server.pids, server.port))


def _many(row: Contender, options: Options, children: Children) -> dict[str, object]:
    server = row.start(children)
    client = row.client(server)
    if client.publisher.wire == "post":  # with one delivery each, it would be what is measured
        client = replace(client, publisher=PUBLISHER)
    warm = Plan(
        phases=((WARM_CONNECTIONS, 1),), seconds=QUICK_WARMUP_S, warmup_s=0, own_topics=True
    )
    fanout.run(children, client, warm, server.pids, server.port)
    time.sleep(SETTLE_S)
    before = memory.held_by(server.pids)
    plan = _plan(options, TOPIC_PHASES, own_topics=True)
    with fanout.started(children, client, plan, server.pids, server.port, hold=True) as child:
        fanout.wait_until_open(child)
        time.sleep(SETTLE_S)
        after = memory.held_by(server.pids)
        fanout.go(child)
        report = fanout.finished(child, plan)
    return {
        **_record(report),
        "connects_per_s": report.opened[0]["connects_per_s"],
        "pss_each": round((after.pss - before.pss) / TOPICS),
        "rss_each": round((after.rss - before.rss) / TOPICS),
        "idle_bound": IDLE_BYTES,
    }


def _durable(options: Options, children: Children) -> dict[str, object]:
    port, pid = fanout_ringback.serve(children)
    client = fanout_ringback.ws_client(fanout_ringback.KEPT)
    plan = _plan(options, DURABLE_PHASES, own_topics=False)
    server = memory.family(pid)
    report = fanout.run(children, client, plan, server, port)
    sent = sum(found["messages"] for found in report.phases.values())
    more = Plan(phases=DURABLE_PHASES[-1:], seconds=plan.seconds, warmup_s=0)
    while sent < BEHIND and not report.stopped:
        found = fanout.run(children, client, more, server, port).phases
        sent += sum(phase["messages"] for phase in found.values())
    seconds = replay.seconds(
        port=port,
        path=client.subscribers.path,
        headers=[header.replace("{line}", client.lines[0]) for header in client.headers],
        request=fanout_ringback.replay_request(f"{fanout_ringback.KEPT}/0"),
        messages=BEHIND,
    )
    return {**_record(report), "replayed_per_s": round(BEHIND / seconds, 1)}


if __name__ == "__main__":
    from bench import run

    run.main(PARTS)
