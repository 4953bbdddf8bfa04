"""Whether a flow can run: every fault at once, each with its likely fix.

One small function per rule. All are linear in the number of routines and connections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from routilux_dist.compiler import feeding, shipping, signatures
from routilux_dist.compiler.draft import Draft
from routilux_dist.compiler.grouping import needs_of
from routilux_dist.compiler.order import has_cycle
from routilux_dist.compiler.reach import reach
from routilux_dist.compiler.scan import scan
from routilux_dist.compiler.view import View, cycle_through
from routilux_dist.flow import activation
from routilux_dist.flow.calls import logic_of
from routilux_dist.flow.model import ExecutionMode, FlowModel

#: The smallest amount of a resource that Ray can tell from nothing.
SMALLEST_AMOUNT = 0.0001


@dataclass(frozen=True, slots=True)
class Report:
    """What was found: `faults` keep the flow from running, `warnings` do not. One sentence each."""

    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


Rule = Callable[[View], Iterator[str]]


def check(flow: FlowModel, *, ship: bool = True, need_entry: bool = True) -> Report:
    """Look for faults of a flow.

    Args:
        flow: The flow.
        ship: Whether its routines have to travel to other processes.
        need_entry: Whether messages enter at its entry; else they may be posted to any routine that nobody feeds.
    """
    return check_draft(scan(Draft(flow=flow)), ship=ship, need_entry=need_entry)


def check_draft(draft: Draft, *, ship: bool, need_entry: bool) -> Report:
    """Look for faults of a flow that was scanned; see `check`."""
    view = View(draft, reach(draft, need_entry=need_entry))
    faults = [text for rule in RULES for text in rule(view)]
    warnings = [text for rule in ADVICE for text in rule(view)]
    if ship:
        cannot_travel, large = shipping.inspect_shipping(draft.flow)
        faults += cannot_travel
        warnings += large
    return Report(tuple(dict.fromkeys(faults)), tuple(dict.fromkeys(warnings)))


# ---- rules ---------------------------------------------------------------------------------------------------------


def not_empty(view: View) -> Iterator[str]:
    """A flow has routines."""
    if not view.draft.facts:
        yield view.flow.entry_fault([])


def one_entry(view: View) -> Iterator[str]:
    """A message that comes without an address has one place to go."""
    if view.reach.doors.fault:
        yield view.reach.doors.fault


def required_events(view: View) -> Iterator[str]:
    """A required event is connected."""
    connected = {(c.source, c.event) for c in view.flow.connections}
    for facts in view.facts:
        for event in facts.routine._declared.events.values():
            if event.required and (facts.id, event.name) not in connected:
                yield (
                    f"event '{facts.id}.{event.name}' is required and connected to nothing; "
                    f"connect it to a slot, or declare it without required=True"
                )


def has_slots(view: View) -> Iterator[str]:
    """A routine has something that makes it run."""
    for facts in view.facts:
        if not facts.routine._declared.slots and not facts.has_finish:
            yield (
                f"routine {facts.id!r} has no slots, so that it never runs; "
                f"declare one in setup(): self.add_slot('input')"
            )


def somebody_listens(view: View) -> Iterator[str]:
    """A slot without a handler goes to logic."""
    for facts in view.facts:
        if facts.logic_slots and logic_of(facts.routine) is None:
            names = ", ".join(f"'{facts.id}.{slot}'" for slot in facts.logic_slots)
            yield (
                f"slot {names} has no handler, and routine {facts.id!r} has no logic; "
                f"write def logic(self, {', '.join(facts.logic_slots)}), or give handler= to add_slot"
            )


def functions_fit(view: View) -> Iterator[str]:
    """Logic, handlers and the rest can be called with what they will be given."""
    answers: signatures.Answers = {}
    for facts in view.facts:
        for text in signatures.misfits(facts, answers):
            yield f"routine {facts.id!r}: {text}"


def resources_exist(view: View) -> Iterator[str]:
    """Resources are amounts that a machine can give."""
    for facts in view.facts:
        gpus = facts.options.num_gpus
        if gpus > 1 and gpus != int(gpus):
            yield (
                f"routine {facts.id!r}: num_gpus={gpus:g}: more than one GPU has to be a whole number; "
                f"use {int(gpus)} or {int(gpus) + 1}, or a fraction below 1 to share one"
            )
        for name, amount in needs_of(facts).amounts().items():
            if amount < SMALLEST_AMOUNT:
                yield (
                    f"routine {facts.id!r}: {name}={amount:g}: the smallest amount of a resource is "
                    f"{SMALLEST_AMOUNT:g}; use that, or 0"
                )


def limits_can_be_kept(view: View) -> Iterator[str]:
    """Messages that a routine with a rate limit gets pass the coordinator, which counts them."""
    for facts in view.facts:
        if facts.options.rate_limit is None:
            continue
        what = f"routine {facts.id!r}: rate_limit={facts.options.rate_limit:g}"
        if view.flow.execution_mode is ExecutionMode.SEQUENTIAL:
            yield f"{what}: flow {view.flow.name!r} is sequential, where nothing keeps a pace; use 'distributed'"
        if any(c.source == facts.id == c.target for c in view.flow.connections):
            yield f"{what}: it is connected to itself, which needs no coordinator; put a routine in between"


def combining_changes_nothing(view: View) -> Iterator[str]:
    """Messages are made fewer only where nobody counts them, and where it is known which belong together."""
    for facts in view.facts:
        for slot in facts.routine._declared.slots.values():
            if slot.combine is None:
                continue
            what = f"combine= of slot '{facts.id}.{slot.name}'"
            if facts.routine._declared.state is None:
                yield f"{what}: routine {facts.id!r} declares no state, so no messages belong together; use add_state(…, key=…)"
            elif slot.handler is None and not activation.is_direct(facts.policy, len(facts.logic_slots)):
                yield (
                    f"{what}: logic waits for several messages ({facts.policy}), and would wait for other ones if there were "
                    f"fewer; give the slot a handler=, or drop combine="
                )


# ---- advice --------------------------------------------------------------------------------------------------------


def cycles_are_bounded(view: View) -> Iterator[str]:
    """Something ends a cycle that does not end itself."""
    limits = view.flow.limits
    if any(bound is not None for bound in (limits.max_messages, limits.max_hops, limits.execution_timeout)):
        return
    for members in view.draft.components:
        if has_cycle(members, view.draft.successors):
            yield (
                f"cycle {' → '.join(cycle_through(view, members[0]))} has no bound: the job runs for ever if "
                f"messages go round and round; set max_hops= or max_messages= on the flow"
            )


def one_place_suits_all(view: View) -> Iterator[str]:
    """What routines ask for can be had in one place, where there is only one."""
    sequential = view.flow.execution_mode is ExecutionMode.SEQUENTIAL
    asked: dict[str, dict[str, str]] = {}
    for facts in view.facts:
        if sequential:
            for name, value in needs_of(facts).extra:
                asked.setdefault(name, {}).setdefault(f"{value!r:.60}", facts.id)
        if facts.options.actors is not None and (sequential or facts.stateful):
            reason = "the flow is sequential" if sequential else "it is stateful: " + "; ".join(facts.stateful)
            yield f"routine {facts.id!r}: actors={facts.options.actors} says nothing here, because {reason}"
    for name, values in asked.items():
        if len(values) > 1:
            wishes = ", ".join(f"{value} ({routine_id})" for value, routine_id in values.items())
            yield (
                f"flow {view.flow.name!r} is sequential, so all of it runs in one place, but its routines ask for "
                f"different {name}: {wishes}; the last one counts"
            )


RULES: tuple[Rule, ...] = (
    *(not_empty, one_entry, has_slots, somebody_listens, functions_fit),
    *(required_events, feeding.joins_are_fed, feeding.joins_get_ready, resources_exist, limits_can_be_kept),
    combining_changes_nothing,
)
ADVICE: tuple[Rule, ...] = (
    *(feeding.everything_is_reached, feeding.slots_are_fed, feeding.nobody_waits_in_vain),
    *(cycles_are_bounded, one_place_suits_all),
)
