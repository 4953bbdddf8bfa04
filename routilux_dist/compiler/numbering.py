"""Ports get numbers: what a message can be addressed to."""

from __future__ import annotations

import dataclasses

from routilux_dist.compiler.draft import Draft
from routilux_dist.compiler.order import has_cycle
from routilux_dist.flow import handling
from routilux_dist.flow.ports import ERROR_EVENT
from routilux_dist.flow.routine import Routine
from routilux_dist.plan.plan import PortKind, PortPlan, RoutinePlan


def number(draft: Draft) -> Draft:
    """The pass: number ports, wire events to the ports that receive them."""
    ports: list[PortPlan] = []

    def add(kind: PortKind, routine: str, name: str, group: int) -> int:
        ports.append(PortPlan(len(ports), kind, routine, name, group))
        return len(ports) - 1

    slots: dict[str, dict[str, int]] = {}
    controls: dict[str, tuple[int, int, int]] = {}
    for routine_id, facts in draft.facts.items():
        group = draft.placed[routine_id]
        slots[routine_id] = {s: add(PortKind.SLOT, routine_id, s, group) for s in facts.routine._declared.slots}
        controls[routine_id] = (
            add(PortKind.LOGIC, routine_id, "(logic)", group),
            add(PortKind.FINISH, routine_id, "(finish)", group),
            add(PortKind.WAKE, routine_id, "(wake)", group),
        )
    receivers: dict[tuple[str, str], list[int]] = {}
    for c in draft.flow.connections:
        receivers.setdefault((c.source, c.event), []).append(slots[c.target][c.slot])
    routines: dict[str, RoutinePlan] = {}
    outputs: list[int] = []
    for index, (routine_id, facts) in enumerate(draft.facts.items()):
        events: dict[str, tuple[int, ...]] = {}
        for event in dict.fromkeys((*facts.routine._declared.events, ERROR_EVENT)):
            targets = receivers.get((routine_id, event))
            if targets is None and event == ERROR_EVENT:
                events[event] = ()  # never an output: errors are in job.errors
            elif targets is None:
                outputs.append(add(PortKind.OUTPUT, routine_id, event, -1))
                events[event] = (outputs[-1],)
            else:
                events[event] = tuple(targets)
        logic, finish, wake = controls[routine_id]
        routines[routine_id] = RoutinePlan(
            index=index,
            id=routine_id,
            group=draft.placed[routine_id],
            label=facts.label,
            stateful=bool(facts.stateful),
            keyed=facts.keyed,
            scope=facts.scope,
            has_finish=facts.has_finish,
            flushes=facts.flushes,
            is_async=facts.is_async,
            policy=str(facts.policy),
            slots=slots[routine_id],
            events=events,
            logic_port=logic,
            finish_port=finish,
            wake_port=wake,
            last_resort=_last_resort(draft, facts.routine),
            reasons=draft.reasons.get(routine_id, ()),
        )
    return dataclasses.replace(draft, ports=tuple(ports), routines=routines, outputs=tuple(outputs))


def _last_resort(draft: Draft, routine: Routine) -> str:
    declared = routine._declared
    handler = handling.effective(declared.handler, declared.options.retries, draft.flow.error_handler)
    return str(handler.last_resort)


def stage(draft: Draft) -> Draft:
    """The pass: order the routines that have something to do at the end of a job; a cycle is one stage."""
    stages = []
    for component in draft.components:
        ending = [r for r in component if draft.facts[r].has_finish or draft.facts[r].flushes]
        if not ending:
            continue
        if has_cycle(component, draft.successors):
            stages.append(tuple(ending))
        else:
            stages.extend((r,) for r in ending)
    return dataclasses.replace(draft, stages=tuple(stages))
