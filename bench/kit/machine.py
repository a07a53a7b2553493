"""The machine under the figures: cores, disk, and how much of it others took meanwhile."""

from __future__ import annotations

import os
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

SYNC_SAMPLES = 100
SYNC_BYTES = 4096
# Columns of /proc/stat after the name (proc(5)): user nice system idle iowait irq softirq steal
IDLE, IOWAIT, STEAL, COLUMNS = 3, 4, 7, 8
# Fields of /proc/PID/stat after the name: 4 ppid, 14 utime, 15 stime, 39 processor
STAT_PARENT, STAT_USER, STAT_SYSTEM, STAT_CORE = 1, 11, 12, 36
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class CoreTimes:
    """The counters of one core since boot, and of our processes on it, in clock ticks."""

    total: int
    idle: int
    steal: int
    ours: int

    @classmethod
    def read(cls, core: int) -> CoreTimes:
        """The counters now."""
        for line in Path("/proc/stat").read_text().splitlines():
            name, *fields = line.split()
            if name == f"cpu{core}":
                ticks = [int(field) for field in fields[:COLUMNS]]
                return cls(
                    total=sum(ticks),
                    idle=ticks[IDLE] + ticks[IOWAIT],
                    steal=ticks[STEAL],
                    ours=_ticks_of_children(core),
                )
        return cls(total=0, idle=0, steal=0, ours=0)

    def used_s(self, before: CoreTimes) -> float:
        """Seconds of the core that our processes used between two readings."""
        return (self.ours - before.ours) / TICKS_PER_S

    def since(self, before: CoreTimes) -> dict[str, float]:
        """Shares of the core between two readings: busy, stolen by the hypervisor, not ours."""
        total = max(1, self.total - before.total)
        steal = self.steal - before.steal
        others = total - (self.idle - before.idle) - steal - (self.ours - before.ours)
        return {
            "server_core_others": round(max(0, others) / total, 3),
            "server_core_busy": round(1 - (self.idle - before.idle) / total, 3),
            "server_core_steal": round(steal / total, 3),
        }


def _ticks_of_children(core: int) -> int:
    """Ticks used so far by our descendants that run on this core (to which they are pinned)."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name may hold blanks and brackets; what follows its last bracket is regular.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(entry.name)
        parents[pid] = int(fields[STAT_PARENT])
        if int(fields[STAT_CORE]) == core:
            ticks[pid] = int(fields[STAT_USER]) + int(fields[STAT_SYSTEM])
    return sum(
        used for pid, used in ticks.items() if pid != os.getpid() and _descends(pid, parents)
    )


def _descends(pid: int, parents: dict[int, int]) -> bool:
    while pid and pid != os.getpid():
        pid = parents.get(pid, 0)
    return bool(pid)


def sync_ms(folder: Path) -> float:
    """The median cost of one `fdatasync`: near zero means a disk that does not really sync."""
    path = folder / "sync-probe"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(SYNC_SAMPLES):
            file.write(bytes(SYNC_BYTES))
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - begin) * 1000)
    path.unlink()
    return round(statistics.median(times), 3)


def describe(folder: Path) -> dict[str, object]:
    """What a reader needs to judge the absolute figures."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "fdatasync_ms": sync_ms(folder),
        "filesystem": filesystem_of(folder),
    }


def filesystem_of(folder: Path) -> str:
    """The type of the file system the stores write to (a tmpfs makes every sync free)."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, this_kind, *_ = line.split()
        if (folder.is_relative_to(mount)) and len(mount) >= len(best):
            best, kind = mount, this_kind
    return kind
