"""Policies, merges, and routines that wait for a sign in the file system."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import routilux_dist as rd

PATIENCE = 30.0
"""Seconds that a routine waits for a sign before it gives up and fails."""


class Either(rd.Routine):
    """Runs for a message in any of its slots."""

    def setup(self) -> None:
        self.add_slot("a")
        self.add_slot("b")
        self.add_event("output")
        self.set_activation_policy(rd.immediate())

    def logic(self, a: Any, b: Any) -> None:
        self.emit("output", (a, b))


class Batches(rd.Routine):
    """Lists of n messages."""

    def __init__(self, n: int, timeout: float | None = None) -> None:
        super().__init__()
        self.n = n
        self.timeout = timeout

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.set_activation_policy(rd.batch(self.n, timeout=self.timeout))

    def logic(self, xs: list[Any]) -> None:
        self.emit("output", list(xs))


class PairBatches(rd.Routine):
    """Lists of two messages from each of two slots."""

    def setup(self) -> None:
        self.add_slot("left")
        self.add_slot("right")
        self.add_event("output")
        self.set_activation_policy(rd.batch(2))

    def logic(self, left: list[Any], right: list[Any]) -> None:
        self.emit("output", (list(left), list(right)))


class BatchesByKey(Batches):
    """Lists of n messages with the same key."""

    def setup(self) -> None:
        super().setup()
        self.add_state(batches=0, key="key")


class BatchesThenTotal(Batches):
    """Counts its batches; the rest has to come before ``finish``."""

    def setup(self) -> None:
        super().setup()
        self.add_state(sizes=[])

    def logic(self, xs: list[Any]) -> None:
        self.state["sizes"].append(len(xs))

    def finish(self) -> None:
        self.emit("output", list(self.state["sizes"]))


class Every(rd.Routine):
    """All that waits, every so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.set_activation_policy(rd.every(self.seconds))

    def logic(self, xs: list[Any]) -> None:
        self.emit("output", list(xs))


def all_of_three(slots: Mapping[str, Any]) -> bool:
    return len(slots["input"]) >= 3


def two_and_one(slots: Mapping[str, Any]) -> dict[str, int] | bool:
    ready = len(slots["left"]) >= 2 and len(slots["right"]) >= 1
    return {"left": 2, "right": 1} if ready else False


class Threes(rd.Routine):
    """A policy of the user's own that takes everything."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.set_activation_policy(all_of_three)

    def logic(self, xs: list[Any]) -> None:
        self.emit("output", list(xs))


class TwoToOne(rd.Routine):
    """A policy of the user's own that takes so many of each."""

    def setup(self) -> None:
        self.add_slot("left")
        self.add_slot("right")
        self.add_event("output")
        self.set_activation_policy(two_and_one)

    def logic(self, left: list[Any], right: list[Any]) -> None:
        self.emit("output", (list(left), list(right)))


def product(so_far: int, new: int) -> int:
    return so_far * new


MERGES: dict[str, Any] = {"append": "append", "override": "override", "product": product}


class MergingHandler(rd.Routine):
    """Emits the merged value so far for each message."""

    def __init__(self, merge: str) -> None:
        super().__init__()
        self.merge = merge

    def setup(self) -> None:
        self.add_slot("input", handler=self.on_input, merge=MERGES[self.merge])
        self.add_event("output")

    def on_input(self, merged: Any) -> None:
        self.emit("output", list(merged) if isinstance(merged, list) else merged)


class MergingLogic(rd.Routine):
    """Keeps the newest merged value; tells it at the end."""

    def __init__(self, merge: str) -> None:
        super().__init__()
        self.merge = merge

    def setup(self) -> None:
        self.add_slot("input", merge=MERGES[self.merge])
        self.add_event("output")
        self.add_state(latest=None, runs=0)

    def logic(self, merged: Any) -> None:
        self.state["latest"] = list(merged) if isinstance(merged, list) else merged
        self.state["runs"] += 1

    def finish(self) -> None:
        self.emit("output", latest=self.state["latest"], runs=self.state["runs"])


def _await(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no sign of {path.name}")
        time.sleep(0.005)


class Gate(rd.Routine):
    """Says that it started, then waits for the sign ``open``; payload {folder, name}."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: dict[str, str]) -> None:
        folder = Path(x["folder"])
        (folder / f"started-{x['name']}").touch()
        _await(folder / "open")
        self.emit("output", x["name"])


class Meet(rd.Routine):
    """Two messages that can only end together; payload {folder, name, other}."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: dict[str, str]) -> None:
        folder = Path(x["folder"])
        (folder / x["name"]).touch()
        _await(folder / x["other"])
        self.emit("output", x["name"])


@rd.routine(max_concurrency=8)
async def async_meet(x):
    """As Meet, waiting as a coroutine; payload {folder, name, other}."""
    folder = Path(x["folder"])
    (folder / x["name"]).touch()
    deadline = time.monotonic() + PATIENCE
    while not (folder / x["other"]).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no sign of {x['other']}")
        await asyncio.sleep(0.005)
    return x["name"]


class UntilCancelled(rd.Routine):
    """Works until its job is cancelled, then leaves a mark; payload {folder}."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: dict[str, str]) -> None:
        folder = Path(x["folder"])
        (folder / "started").touch()
        deadline = time.monotonic() + PATIENCE
        while not rd.current_job().cancelled:
            if time.monotonic() > deadline:
                raise TimeoutError("nobody cancelled")
            time.sleep(0.005)
        (folder / "noticed").touch()
        self.emit("output", "too late to count")


@rd.routine
def mark(x):
    """Leaves a file; payload {folder, name}."""
    (Path(x["folder"]) / x["name"]).touch()
    return x["name"]


@rd.routine(max_concurrency=4)
async def async_gate(x):
    """Waits for the sign ``open-<name>`` if there is a folder; leaves ``<name>-cancelled`` if it is cancelled meanwhile."""
    if "folder" not in x:
        return x["name"]
    folder, name = Path(x["folder"]), x["name"]
    (folder / f"{name}-started").touch()
    deadline = time.monotonic() + PATIENCE
    try:
        while not (folder / f"open-{name}").exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"no sign of open-{name}")
            await asyncio.sleep(0.005)
    except asyncio.CancelledError:
        (folder / f"{name}-cancelled").touch()
        raise
    return name
