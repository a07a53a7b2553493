"""What a server's processes hold in memory: resident, and their share of what is shared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KIB = 1024


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes: `rss` counts shared pages in full, `pss` by how many processes share them."""

    rss: int
    pss: int


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:  # it ended meanwhile
                continue
    return found


def held_by(pids: list[int]) -> Memory:
    """The sums over these processes (proc(5), smaps_rollup)."""
    sums = {"Rss": 0, "Pss": 0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name in sums:
                sums[name] += int(rest.split()[0]) * KIB
    return Memory(rss=sums["Rss"], pss=sums["Pss"])
