"""`compile(flow) -> Plan`: the passes, in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from routilux_dist.compiler.draft import Draft
from routilux_dist.compiler.facts import look
from routilux_dist.compiler.grouping import group
from routilux_dist.compiler.numbering import number, stage
from routilux_dist.compiler.order import components
from routilux_dist.errors import ConfigurationError
from routilux_dist.flow.model import FlowModel
from routilux_dist.plan.plan import Plan

Pass = Callable[[Draft], Draft]


def scan(draft: Draft) -> Draft:
    """The pass: look at every routine and at the shape of the graph."""
    facts = {routine_id: look(routine_id, routine) for routine_id, routine in draft.flow.routines.items()}
    successors: dict[str, dict[str, None]] = {routine_id: {} for routine_id in facts}
    for c in draft.flow.connections:
        successors[c.source][c.target] = None
    ordered = {routine_id: tuple(targets) for routine_id, targets in successors.items()}
    found = tuple(tuple(c) for c in components(ordered))
    return dataclasses.replace(draft, facts=facts, successors=ordered, components=found)


#: Order matters: each pass needs what the ones before it filled in.
PASSES: tuple[Pass, ...] = (scan, group, number, stage)


def compile_flow(flow: FlowModel, warnings: tuple[str, ...] = ()) -> Plan:
    """Compile a flow that has been validated.

    Linear in the number of routines and connections.
    """
    draft = Draft(flow=flow)
    for one in PASSES:
        draft = one(draft)
    return Plan(
        flow=flow.name,
        mode=str(flow.execution_mode),
        routines=draft.routines,
        ports=draft.ports,
        groups=draft.groups,
        outputs=draft.outputs,
        stages=draft.stages,
        limits=flow.limits,
        max_workers=flow.max_workers,
        connections=tuple((f"{c.source}.{c.event}", f"{c.target}.{c.slot}") for c in flow.connections),
        entry=_entry(flow, draft),
        warnings=warnings,
        splits=draft.splits,
    )


def _entry(flow: FlowModel, draft: Draft) -> int | None:
    try:
        routine_id, slot = flow.entry_slot()
    except ConfigurationError:
        return None  # fine as long as every message names its entry
    return draft.routines[routine_id].slots[slot]
