"""What processes hold, sampled while they work, and whether it grows."""

from __future__ import annotations

import os
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import processes

#: Role -> how titles of its processes begin. Ray titles an actor by its class, and then by what its `repr` says.
ROLES: Mapping[str, tuple[str, ...]] = {
    "coordinator": ("ray::SavedHub", "ray::Coordinator"),
    "crew": ("ray::CrewMember",),
    "homes": ("ray::HostActor", "ray::Host("),
}
#: Seconds after which a process has imported what it needs.
GROWN = 20.0


def held(pid: int) -> float:
    """Return the MiB of memory that a process has to itself; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024


def files_of(pid: int) -> int:
    """Return how many files a process has open."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def size_of(folder: Path) -> tuple[float, int]:
    """Return the MiB and the number of the files below a folder."""
    sizes = []
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(os.stat(os.path.join(place, name)).st_size)
            except OSError:  # it was collected meanwhile
                continue
    return sum(sizes) / (1 << 20), len(sizes)


@dataclass(slots=True)
class Series:
    """One figure over time."""

    points: list[tuple[float, float]] = field(default_factory=list)

    def add(self, at: float, value: float) -> None:
        """Add a sample."""
        self.points.append((at, value))

    def after(self, at: float) -> Series:
        """Return what was sampled after a moment."""
        return Series([point for point in self.points if point[0] >= at])

    def rise(self) -> float:
        """Return by how much the line through all samples rises from the first to the last of them."""
        if len(self.points) < 3:
            return 0.0
        times, values = zip(*self.points)
        return statistics.linear_regression(times, values).slope * (times[-1] - times[0])

    def middle(self) -> float:
        """Return the median."""
        return statistics.median(value for _, value in self.points) if self.points else 0.0

    def told(self) -> dict[str, float]:
        """Return it in a few figures."""
        values = [value for _, value in self.points] or [0.0]
        return {
            "median": round(self.middle(), 1),
            "max": round(max(values), 1),
            "rise": round(self.rise(), 2),
            "samples": len(self.points),
        }


def growth(lives: Iterable[Series]) -> float:
    """Return the MiB by which processes grow in an hour of their lives, all lives taken together.

    Each life counts around its own middle, so that it does not matter at which size a process began.
    """
    up = down = 0.0
    for life in lives:
        if len(life.points) < 3:
            continue
        t0 = statistics.fmean(at for at, _ in life.points)
        v0 = statistics.fmean(value for _, value in life.points)
        up += sum((at - t0) * (value - v0) for at, value in life.points)
        down += sum((at - t0) ** 2 for at, _ in life.points)
    return 3600 * up / down if down else 0.0


class Samples:
    """Memory and files of all processes of a run, by role."""

    def __init__(self) -> None:
        self.memory: dict[str, Series] = defaultdict(Series)
        self.files: dict[str, Series] = defaultdict(Series)
        self.sizes: dict[str, Series] = defaultdict(Series)
        #: (role, process) -> its memory by time.
        self.lives: dict[tuple[str, int], Series] = defaultdict(Series)

    def take(self, at: float, head: int, driver: int, folders: Mapping[str, Path]) -> None:
        """Take a sample.

        Args:
            at: When.
            head: The process whose descendants are looked at.
            driver: The driver's process.
            folders: Name -> folder whose files are measured.
        """
        found: dict[str, list[int]] = {"driver": [driver]}
        for pid in processes.tree(head):
            title = processes.title(pid)
            for role, begins in ROLES.items():
                if title.startswith(begins):
                    found.setdefault(role, []).append(pid)
            if "raylet/raylet" in title or "gcs_server" in title:
                found.setdefault("gcs" if "gcs_server" in title else "raylet", []).append(pid)
        for role, pids in found.items():
            for pid in pids:
                self.lives[role, pid].add(at, held(pid))
            grown = [pid for pid in pids if self.lives[role, pid].points[0][0] <= at - GROWN]
            if grown:
                self.memory[role].add(at, max(self.lives[role, pid].points[-1][1] for pid in grown))
                self.files[role].add(at, max(files_of(pid) for pid in grown))
        for name, folder in folders.items():
            size, count = size_of(folder)
            self.sizes[f"{name} MiB"].add(at, size)
            self.sizes[f"{name} files"].add(at, count)

    def growths(self) -> dict[str, float]:
        """Return by role the MiB by which its processes grow in an hour, once they have begun."""
        lives: dict[str, list[Series]] = defaultdict(list)
        for (role, _), life in self.lives.items():
            lives[role].append(life.after(life.points[0][0] + GROWN))
        return {role: round(growth(ones), 1) for role, ones in lives.items()}
