"""`prepare(flow) -> Plan`: check, then the passes, in order."""

from __future__ import annotations

from collections.abc import Callable

from routilux_dist.compiler.check import check_draft
from routilux_dist.compiler.draft import Draft
from routilux_dist.compiler.grouping import group
from routilux_dist.compiler.numbering import number, stage
from routilux_dist.compiler.scan import scan
from routilux_dist.errors import ConfigurationError
from routilux_dist.flow.model import FlowModel
from routilux_dist.plan.plan import Plan

Pass = Callable[[Draft], Draft]


#: Order matters: each pass needs what the ones before it filled in.
PASSES: tuple[Pass, ...] = (scan, group, number, stage)


def prepare(flow: FlowModel, *, ship: bool = True, need_entry: bool = True) -> Plan:
    """Check a flow and compile it. Linear in the number of routines and connections.

    Args:
        flow: The flow.
        ship: Whether its routines have to travel to other processes.
        need_entry: Whether messages enter at its entry; else they may be posted to any routine that nobody feeds.

    Raises:
        ConfigurationError: It has faults; `problems` lists them all.
    """
    draft = scan(Draft(flow=flow))
    report = check_draft(draft, ship=ship, need_entry=need_entry)
    if report.faults:
        count = "a fault" if len(report.faults) == 1 else f"{len(report.faults)} faults"
        listed = "\n".join(f"  {number}. {fault}" for number, fault in enumerate(report.faults, 1))
        raise ConfigurationError(f"flow {flow.name!r} has {count}:\n{listed}", problems=report.faults)
    return _plan(_run(PASSES[1:], draft), report.warnings)


def compile_flow(flow: FlowModel, warnings: tuple[str, ...] = ()) -> Plan:
    """Compile a flow that has been checked."""
    return _plan(_run(PASSES, Draft(flow=flow)), warnings)


def _run(passes: tuple[Pass, ...], draft: Draft) -> Draft:
    for one in passes:
        draft = one(draft)
    return draft


def _plan(draft: Draft, warnings: tuple[str, ...]) -> Plan:
    flow = draft.flow
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
        guarded=bool(flow.guards),
    )


def _entry(flow: FlowModel, draft: Draft) -> int | None:
    try:
        routine_id, slot = flow.entry_slot()
    except ConfigurationError:
        return None  # fine as long as every message names its entry
    return draft.routines[routine_id].slots[slot]
