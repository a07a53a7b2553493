"""Autobahn|Testsuite's fuzzing client, run against the WebSocket edge behind a test-only echo.

`scripts/autobahn` installs it and starts this. Every case that did not go as it should is named,
and then the exit code is 1.
"""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TypedDict

from tests.edges.websocket.echo import serving

AGENT = "ringback"
START = """
import site, sys
site.addsitedir(sys.argv.pop(1))
from autobahntestsuite.wstest import run
run()
"""
"""Run by Python 2.7: its packages are in a folder of their own, beside no environment."""

GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}
"""NON-STRICT is within the RFC, but not what the suite would like best."""

DECLINED = ("13.3.", "13.5.")
"""They offer compression with a window of 512 bytes and nothing else, which we decline, as RFC
7692 allows (7.1): one frame, with a larger window, is to serve every connection."""


class Outcome(TypedDict):
    """What the suite says of one case, as far as we read it."""

    behavior: str
    behaviorClose: str


def is_good(case: str, outcome: Outcome) -> bool:
    if outcome["behaviorClose"] not in GOOD:
        return False
    if outcome["behavior"] == "UNIMPLEMENTED":
        return case.startswith(DECLINED)
    return outcome["behavior"] in GOOD


async def run(python2: str, home: Path, cases: list[str]) -> list[str]:
    """What is wrong, a line each."""
    wrong: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: wrong.append(f"the echo server failed: {context}")
    )
    reports, spec = home / "reports", home / "spec.json"
    for old in reports.glob("*.*"):
        old.unlink()
    async with serving() as address:
        wanted = {
            "outdir": str(reports),
            "servers": [{"agent": AGENT, "url": address}],
            "cases": cases,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        spec.write_text(json.dumps(wanted))
        client = await asyncio.create_subprocess_exec(
            *(python2, "-c", START, str(home / "site")),
            *("--mode", "fuzzingclient", "--spec", str(spec)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        started = await follow(client, home / "wstest.log")
        code = await client.wait()
    index = reports / "index.json"
    if code or not index.exists():
        return [*wrong, f"the fuzzing client ended with {code}; see {home / 'wstest.log'}"]
    outcomes: dict[str, Outcome] = json.loads(index.read_text())[AGENT]
    if not started or set(outcomes) != started:
        wrong.append(f"{len(started)} cases were started, and {len(outcomes)} reported")
    counts = Counter(each["behavior"] for each in outcomes.values())
    say(f"{len(outcomes)} cases: " + ", ".join(f"{n} {what}" for what, n in counts.most_common()))
    for case, outcome in outcomes.items():
        if not is_good(case, outcome):
            wrong.append(f"{case}: {outcome['behavior']}, closing: {outcome['behaviorClose']}")
        elif outcome["behavior"] == "NON-STRICT":
            say(f"{case}: NON-STRICT, which is within the RFC")
    say(f"the report: {index.with_suffix('.html')}")
    return wrong


async def follow(client: asyncio.subprocess.Process, log: Path) -> set[str]:
    """The names of the cases as they start; each section is said once."""
    assert client.stdout is not None
    started: set[str] = set()
    section = ""
    with log.open("wb") as kept:
        async for line in client.stdout:
            kept.write(line)
            _, _, rest = line.decode(errors="replace").partition("Running test case ID ")
            if not rest:
                continue
            case = rest.split()[0]
            started.add(case)
            if case.rpartition(".")[0] != section:
                section = case.rpartition(".")[0]
                say(f"cases {section}.*")
    return started


def say(line: str) -> None:
    print(f"autobahn: {line}", flush=True)  # noqa: T201 - a program of its own


def main() -> int:
    python2, home, *cases = sys.argv[1:]
    wrong = asyncio.run(run(python2, Path(home).resolve(), cases or ["*"]))
    for line in wrong:
        say(f"FAILED {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
