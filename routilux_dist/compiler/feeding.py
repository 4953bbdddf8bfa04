"""Rules about messages: that they get to where they are waited for.

Each rule is as in `routilux_dist.compiler.check`.
"""

from __future__ import annotations

from collections.abc import Iterator

from routilux_dist.compiler.facts import Facts
from routilux_dist.compiler.view import View, cycle_through, listed
from routilux_dist.flow import activation

_FEED_IT = "connect an event to it, or declare it with required=False if messages are posted to it"


# ---- faults --------------------------------------------------------------------------------------------------------


def joins_are_fed(view: View) -> Iterator[str]:
    """Of the slots that logic waits for together, all are connected or none: else messages would pile up."""
    for path, partner in _unfed(view, joined=True):
        yield f"slot {path} is connected to nothing, while {partner} is fed, and logic waits for both; {_FEED_IT}"


def slots_are_fed(view: View) -> Iterator[str]:
    """Of a routine that is part of the flow, every required slot is connected."""
    for path, partner in _unfed(view, joined=False):
        yield f"slot {path} is connected to nothing, while {partner} is fed; {_FEED_IT}"


def _waits_for_all(facts: Facts) -> bool:
    return isinstance(facts.policy, (activation.AllReady, activation.Batch))


def _unfed(view: View, *, joined: bool) -> Iterator[tuple[str, str]]:
    """Yield (slot, fed slot of the same routine) for required slots that nobody feeds; both joined by logic, or not."""
    sources = view.reach.sources
    for facts in view.facts:
        fed = [slot for slot in facts.routine._declared.slots if (facts.id, slot) in sources]
        if not fed or facts.id in view.reach.doors.routines:
            continue
        partners = [slot for slot in fed if slot in facts.logic_slots] if _waits_for_all(facts) else []
        for slot in facts.routine._declared.slots.values():
            if slot.required and slot.name not in fed:
                is_joined = bool(partners) and slot.name in facts.logic_slots
                if is_joined == joined:
                    yield f"'{facts.id}.{slot.name}'", f"'{facts.id}.{(partners if joined else fed)[0]}'"


def joins_get_ready(view: View) -> Iterator[str]:
    """Where logic waits for several slots, all of them get messages. Names causes, not what follows from them."""
    for facts in view.facts:
        if len(facts.logic_slots) < 2 or not _waits_for_all(facts):
            continue
        arrived = view.reach.arrived.get(facts.id, frozenset())
        if facts.id not in view.reach.reached:
            continue
        for slot in facts.logic_slots:
            reason = "" if slot in arrived else _why_never(view, facts.id, slot)
            if reason:
                yield f"routine {facts.id!r}: logic never gets ready: {facts.policy} waits for every slot, and {reason}"


def _why_never(view: View, routine_id: str, slot: str) -> str:
    """Say why no message gets to a slot, "" if the cause is reported elsewhere."""
    sources = view.reach.sources.get((routine_id, slot), ())
    path = f"'{routine_id}.{slot}'"
    if not sources:
        if routine_id not in view.reach.doors.routines:
            return ""  # joins_are_fed reports it
        return f"{path} is connected to nothing; connect an event to it, or use rd.immediate()"
    outside = [s for s in sources if view.home[s] != view.home[routine_id]]
    if not outside:
        cycle = " → ".join(cycle_through(view, routine_id))
        return (
            f"{path} gets messages only from its own cycle ({cycle}), which cannot begin; "
            f"feed it from outside too, use rd.immediate(), or give it a handler"
        )
    if any(s in view.reach.reached for s in outside):
        return ""  # the fault lies further up
    return (
        f"{path} gets messages only from {', '.join(map(repr, outside))}, which no message reaches; connect that first"
    )


# ---- advice --------------------------------------------------------------------------------------------------------


def everything_is_reached(view: View) -> Iterator[str]:
    """A message can get to every routine."""
    reached = view.reach.reached
    lost = [f.id for f in view.facts if f.id not in reached and f.routine._declared.slots]
    if lost:
        doors = ", ".join(sorted(view.reach.doors.routines)) or "nowhere"
        yield (
            f"no message gets to {listed(lost)}: messages enter at {doors}, and no way leads on from there; "
            f"connect what is needed, remove the rest"
        )


def nobody_waits_in_vain(view: View) -> Iterator[str]:
    """A slot that need not be connected does not hold up logic."""
    for facts in view.facts:
        slots = facts.routine._declared.slots
        if len(facts.logic_slots) < 2 or not isinstance(facts.policy, activation.AllReady):
            continue
        for name in facts.logic_slots:
            if not slots[name].required and (facts.id, name) not in view.reach.sources:
                yield (
                    f"slot '{facts.id}.{name}' may stay unconnected, but {facts.policy} makes logic wait for it: "
                    f"logic runs only if messages are posted to it; use rd.immediate(), or give it a handler"
                )
