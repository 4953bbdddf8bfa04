"""Where messages can get: from the doors of a flow along its connections, through routines that can run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from routilux_dist.compiler.draft import Draft
from routilux_dist.compiler.facts import Facts
from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import activation

#: (routine, slot)
Inlet = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where messages enter.

    Attributes:
        inlets: Slots that get messages from outside.
        routines: Routines at which a job may begin.
        fault: Why the entry that was asked for is none, or "".
    """

    inlets: tuple[Inlet, ...]
    routines: AbstractSet[str]
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where messages get.

    Attributes:
        doors: Where they enter.
        sources: Slot -> routines that are connected to it. Slots that nobody is connected to are missing.
        reached: Routines to which a message could get if every routine ran.
        arrived: Routine -> its slots that do get messages.
    """

    doors: Doors
    sources: Mapping[Inlet, tuple[str, ...]]
    reached: AbstractSet[str]
    arrived: Mapping[str, AbstractSet[str]]


def reach(draft: Draft, *, need_entry: bool) -> Reach:
    """Follow messages through the flow, as far as routines can run.

    Args:
        draft: A draft that was scanned.
        need_entry: Whether all messages enter at the flow's entry. Otherwise they may be posted to any routine that
            nobody else feeds.
    """
    sources: dict[Inlet, dict[str, None]] = {}
    outlets: dict[str, list[Inlet]] = {}
    for c in draft.flow.connections:
        inlet = (c.target, c.slot)
        sources.setdefault(inlet, {})[c.source] = None
        outlets.setdefault(c.source, []).append(inlet)
    doors = find_doors(draft, sources, need_entry=need_entry)
    return Reach(
        doors=doors,
        sources={inlet: tuple(routines) for inlet, routines in sources.items()},
        reached=_spread(draft.facts, outlets, doors, lazy=False).keys(),
        arrived=_spread(draft.facts, outlets, doors, lazy=True),
    )


def find_doors(draft: Draft, fed: Iterable[Inlet], *, need_entry: bool) -> Doors:
    """Find where messages enter.

    A slot with `required=False` that nobody feeds is an inlet too: it waits for what is posted to it.
    """
    fed = set(fed)
    entry, fault = None, ""
    if draft.facts and (need_entry or draft.flow.entry is not None):
        try:
            entry = draft.flow.entry_slot()
        except ConfigurationError as exc:
            fault = exc.message
            if "entry" not in fault:
                fault = f"the entry of flow {draft.flow.name!r}: {fault}, as rd.Flow(…, entry=…)"
    first = [entry] if entry is not None else []
    if entry is None or not need_entry:
        first += _open_ends(draft, fed)
    optional = [
        (routine_id, slot.name)
        for routine_id, facts in draft.facts.items()
        for slot in facts.routine._declared.slots.values()
        if not slot.required and (routine_id, slot.name) not in fed
    ]
    inlets = tuple(dict.fromkeys((*first, *optional)))
    return Doors(inlets=inlets, routines={routine_id for routine_id, _ in first}, fault=fault)


def _open_ends(draft: Draft, fed: AbstractSet[Inlet]) -> list[Inlet]:
    """Return the inlets of what has nothing before it: a routine, or a cycle."""
    home = draft.home
    followers = {home[c.target] for c in draft.flow.connections if home[c.source] != home[c.target]}
    found = []
    for number, members in enumerate(draft.components):
        if number not in followers:
            slots = [(r, slot) for r in members for slot in draft.facts[r].routine._declared.slots]
            # A cycle may be begun anywhere, unless it has slots for the purpose.
            found += [inlet for inlet in slots if inlet not in fed] or slots
    return found


def _spread(
    facts: Mapping[str, Facts], outlets: Mapping[str, Iterable[Inlet]], doors: Doors, *, lazy: bool
) -> dict[str, set[str]]:
    """Return the slots that messages get to, by routine. If `lazy`, a routine that cannot run sends nothing."""
    arrived: dict[str, set[str]] = {}
    sent: set[str] = set()

    def send(routine_id: str) -> None:
        if routine_id not in sent:
            sent.add(routine_id)
            waiting.extend(outlets.get(routine_id, ()))

    waiting = list(doors.inlets)
    for routine_id, one in facts.items():
        if one.has_finish and not one.keyed:
            send(routine_id)  # once per job, whether anything came or not
    while waiting:
        routine_id, slot = waiting.pop()
        slots = arrived.setdefault(routine_id, set())
        slots.add(slot)
        if routine_id in sent:
            continue
        if not lazy or facts[routine_id].has_finish or can_run(facts[routine_id], slots):
            send(routine_id)
    return arrived


def can_run(facts: Facts, arrived: AbstractSet[str]) -> bool:
    """Whether a routine runs when messages get to these slots: a handler, or its logic."""
    if any(slot not in facts.logic_slots for slot in arrived):
        return True
    if isinstance(facts.policy, activation.AllReady):
        return all(slot in arrived for slot in facts.logic_slots)
    return bool(arrived)  # the rest of a batch is flushed at the end of the job
