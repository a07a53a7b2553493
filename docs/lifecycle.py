"""Draws the lifecycle's diagram into `docs/lifecycle.md`, from the table in the core.

Run it after a change of `ringback.core.lifecycle.TRANSITIONS`; a test says when it is due.
"""

from collections import defaultdict
from pathlib import Path

from ringback.core.commands import Verb
from ringback.core.lifecycle import TRANSITIONS
from ringback.core.model import TERMINAL, Status

PAGE = Path(__file__).with_suffix(".md")
BEGIN = "<!-- drawn by docs/lifecycle.py -->"
END = "<!-- end of the drawing -->"


def diagram() -> str:
    """The table as a Mermaid state diagram: an arrow for each pair of states, with its verbs."""
    verbs: dict[tuple[Status, Status], list[Verb]] = defaultdict(list)
    for (status, verb), targets in TRANSITIONS.items():
        for target in targets:
            if target is not status or status not in TERMINAL:
                verbs[status, target].append(verb)
    lines = ["stateDiagram-v2", f"    [*] --> {Status.QUEUED}"]
    for source in Status:
        for target in Status:
            if (source, target) in verbs:
                label = ", ".join(verb for verb in Verb if verb in verbs[source, target])
                lines.append(f"    {source} --> {target}: {label}")
    lines += [f"    {status} --> [*]" for status in Status if status in TERMINAL]
    return "\n".join(["```mermaid", *lines, "```"])


def drawn(page: str) -> str:
    """The page with today's diagram in it."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{diagram()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text("utf-8")), "utf-8")
