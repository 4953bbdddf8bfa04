"""What the passes hand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from routilux_dist.compiler.facts import Facts
from routilux_dist.flow.model import FlowModel
from routilux_dist.plan.plan import GroupPlan, PortPlan, RoutinePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A plan in the making. Each pass returns a new one with more filled in."""

    flow: FlowModel
    facts: Mapping[str, Facts] = field(default_factory=dict)
    #: Routine -> routines it is connected to, each once.
    successors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Cycles and single routines, in topological order.
    components: tuple[tuple[str, ...], ...] = ()
    #: Routine -> index of its component.
    home: Mapping[str, int] = field(default_factory=dict)
    groups: tuple[GroupPlan, ...] = ()
    #: Routine -> index of its group, and why it is there.
    placed: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    splits: tuple[tuple[str, str, str], ...] = ()
    ports: tuple[PortPlan, ...] = ()
    routines: Mapping[str, RoutinePlan] = field(default_factory=dict)
    outputs: tuple[int, ...] = ()
    stages: tuple[tuple[str, ...], ...] = ()
