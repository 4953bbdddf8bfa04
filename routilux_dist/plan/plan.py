"""The records of a plan.

A plan numbers everything a message can be addressed to (*ports*) and says where routines run (*groups*).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class PortKind(str, enum.Enum):
    """What a message at this port means."""

    SLOT = "slot"  #: a message for a slot
    LOGIC = "logic"  #: the arguments of a whole `logic` call, tried again
    FINISH = "finish"  #: control: flush what waits, then run `finish()`
    WAKE = "wake"  #: control: a time-driven policy is due
    OUTPUT = "output"  #: an event that leaves the flow


class GroupKind(str, enum.Enum):
    """How a group is run."""

    TASKS = "tasks"  #: stateless; any worker, as Ray tasks
    ACTORS = "actors"  #: stateless; a set of long-lived processes
    SHARDS = "shards"  #: stateful; each partition has one home
    SOLO = "solo"  #: the whole flow in one place, first in, first out


@dataclass(frozen=True, slots=True)
class PortPlan:
    """One address: `index` is its place in `Plan.ports`."""

    index: int
    kind: PortKind
    routine: str
    name: str
    #: Index of the group that serves it, -1 for outputs.
    group: int

    @property
    def path(self) -> str:
        """Routine and name, as users write it: "routine.name"."""
        return f"{self.routine}.{self.name}"


@dataclass(frozen=True, slots=True)
class RoutinePlan:
    """One routine, as the workers and the coordinator need to know it."""

    index: int
    id: str
    group: int
    #: What is added: class or function name, for pictures.
    label: str
    stateful: bool
    keyed: bool
    #: "job" or "worker".
    scope: str
    has_finish: bool
    #: Whether waiting messages are flushed at the end of the job.
    flushes: bool
    is_async: bool
    policy: str
    slots: Mapping[str, int]
    #: Event name -> ports that receive it (slots, or the output port when it is not connected).
    events: Mapping[str, tuple[int, ...]]
    logic_port: int
    finish_port: int
    wake_port: int
    #: What an error comes to that cannot be tried again: an `ErrorStrategy`'s value.
    last_resort: str = "stop"
    #: Why the routine is placed where it is.
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Needs:
    """What one running slice of a group takes from the cluster."""

    num_cpus: float = 1.0
    num_gpus: float = 0.0
    memory: float = 0.0
    resources: tuple[tuple[str, float], ...] = ()
    #: Whether `num_cpus` was asked for, or is the default that may be shared out.
    explicit_cpus: bool = False
    #: Further options for Ray, handed on as they are: (name, value) sorted by name.
    extra: tuple[tuple[str, Any], ...] = ()

    def amounts(self) -> dict[str, float]:
        """Return amounts by Ray's resource names, without zeros."""
        named = {"CPU": self.num_cpus, "GPU": self.num_gpus, "memory": self.memory, **dict(self.resources)}
        return {name: amount for name, amount in named.items() if amount}

    def __str__(self) -> str:
        """In words, such as "2 CPU, 1 GPU"; a CPU that nobody asked for is "1 CPU by default"."""
        by_default = {} if self.explicit_cpus else {"CPU": " by default"}
        words = [f"{_amount(name, amount)}{by_default.get(name, '')}" for name, amount in self.amounts().items()]
        words += [f"{name}={value!r:.40}" for name, value in self.extra]
        return ", ".join(words) or "nothing"


def _amount(name: str, amount: float) -> str:
    return f"{amount / 2**20:g} MiB memory" if name == "memory" else f"{amount:g} {name}"


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """Routines that run together: what one emits to another is run at once, in the same process."""

    index: int
    name: str
    kind: GroupKind
    routines: tuple[str, ...]
    needs: Needs
    #: Homes of a stateful group; 0 = as many as there are workers. 1 for all others.
    partitions: int = 1
    #: Processes of an ACTORS group; 0 = as many as there are workers.
    size: int = 0
    max_concurrency: int = 1
    is_async: bool = False
    #: Slices that may run at once, 0 for no bound but the workers.
    at_once: int = 0
    #: Messages per second that may begin, 0 for no bound.
    rate_limit: float = 0.0

    def homes(self, workers: int) -> int:
        """Return the number of homes of a stateful group: each runs one slice at a time."""
        return self.partitions or min(workers, self.at_once or workers)


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled flow."""

    flow: str
    mode: str
    routines: Mapping[str, RoutinePlan]
    ports: tuple[PortPlan, ...]
    groups: tuple[GroupPlan, ...]
    #: Output ports, in plan order.
    outputs: tuple[int, ...]
    #: Routines to finish or flush, stage by stage; a stage is one routine or one cycle.
    stages: tuple[tuple[str, ...], ...]
    limits: Any
    max_workers: int | None
    #: (source path, target path) of every connection, for pictures.
    connections: tuple[tuple[str, str], ...] = ()
    entry: int | None = None
    warnings: tuple[str, ...] = ()
    #: Verdicts about pairs that do not share a process: (source routine, target routine, reason).
    splits: tuple[tuple[str, str, str], ...] = field(default=())
    #: Whether state is looked at before it is committed.
    guarded: bool = False

    def slot(self, routine: str, slot: str) -> PortPlan:
        """Return the port of a slot."""
        return self.ports[self.routines[routine].slots[slot]]

    def names(self) -> tuple[str, ...]:
        """Return the output events as users see them, in plan order."""
        return tuple(self.ports[p].path for p in self.outputs)
