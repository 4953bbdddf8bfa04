"""Which routines run together.

`needs_of` and `same_place` are the whole rule; everything else is bookkeeping.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from typing import Any

from routilux_dist.compiler.draft import Draft
from routilux_dist.compiler.facts import Facts
from routilux_dist.flow.model import ExecutionMode
from routilux_dist.plan.plan import GroupKind, GroupPlan, Needs

#: Activations that an async process awaits at once, if nobody says otherwise.
AWAITED = 100

#: (kind, needs, size, max_concurrency, is_async, routine bounded by itself or ""): with an equal place they share a group.
Place = tuple[GroupKind, Needs, int, int, bool, str]


def needs_of(facts: Facts) -> Needs:
    """Return what one running slice with this routine takes from the cluster."""
    options = facts.options
    extra: dict[str, Any] = dict(options.ray_options)
    for name in ("runtime_env", "label_selector", "scheduling_strategy", "accelerator_type"):
        value = getattr(options, name)
        if value is not None:
            extra[name] = value
    # Waiting takes no CPU; a stateful routine is as busy as any other.
    default = 0.0 if facts.is_async else 1.0
    return Needs(
        num_cpus=default if options.num_cpus is None else options.num_cpus,
        num_gpus=options.num_gpus,
        memory=options.memory,
        resources=tuple(sorted(options.resources.items())),
        explicit_cpus=options.num_cpus is not None,
        extra=tuple(sorted(extra.items())),
    )


def place_of(facts: Facts) -> tuple[Place, tuple[str, ...]]:
    """Return where a routine belongs, and why."""
    needs, options = needs_of(facts), facts.options
    awaited = options.max_concurrency or AWAITED
    own, bounds = (facts.id if _bounds(facts) else ""), _bounds(facts)
    if facts.stateful:
        return (GroupKind.SHARDS, needs, 0, awaited if facts.is_async else 1, False, own), (*facts.stateful, *bounds)
    if facts.is_async:
        # One process awaits many activations: that is what bounds them.
        return (GroupKind.ACTORS, needs, options.actors or 1, awaited, True, own), ("it is async", *bounds)
    if options.actors is not None:
        return (GroupKind.ACTORS, needs, options.actors, 1, False, own), (
            f"it asks for {options.actors} actors",
            *bounds,
        )
    if facts.has_open:
        return (GroupKind.ACTORS, needs, 0, 1, False, own), ("it has open()", *bounds)
    return (GroupKind.TASKS, needs, 0, 1, False, own), bounds


def _bounds(facts: Facts) -> tuple[str, ...]:
    """Return what bounds a routine by itself, so that it needs a group of its own."""
    options = facts.options
    bounds = []
    if options.rate_limit is not None:
        bounds.append(f"its rate_limit is {options.rate_limit:g}/s")
    if options.max_concurrency is not None and not facts.is_async:
        bounds.append(f"its max_concurrency is {options.max_concurrency}")
    return tuple(bounds)


def why_apart(source: Facts, target: Facts, a: Place, b: Place) -> str:
    """Return why what `source` (placed at `a`) emits to `target` (placed at `b`) changes places, "" if it need not."""
    if target.stateful:
        if a[0] is GroupKind.SHARDS and a == b and not (source.keyed or target.keyed):
            return "" if source.scope == target.scope else "their state has different scopes"
        return f"{target.id} is stateful ({'; '.join(target.stateful)}): each partition has one home"
    if source.stateful:
        return f"{source.id} is stateful and {target.id} is not: stateless work is spread over all workers"
    if a == b:
        return ""
    if source.is_async != target.is_async:
        return f"{source.id if source.is_async else target.id} is async, the other is not"
    if a[1] != b[1]:
        return f"they need different resources ({a[1]} and {b[1]})"
    for one, place in ((source, a), (target, b)):
        if place[-1]:
            return f"{one.id} is bounded by itself ({'; '.join(_bounds(one))})"
    return "they are kept in different kinds of processes"


def key_of(place: Place) -> Hashable:
    """Return what is equal for equal places: options may hold dicts and lists, which are no keys."""
    kind, needs, *rest = place
    if not needs.extra:
        return place
    return kind, dataclasses.replace(needs, extra=()), _frozen(needs.extra), *rest


def _frozen(value: Any) -> Hashable:
    if isinstance(value, Mapping):
        return frozenset((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, set):
        return frozenset(value)
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value  # type: ignore[no-any-return]


def group(draft: Draft) -> Draft:
    """The pass: put routines into groups."""
    if draft.flow.execution_mode is ExecutionMode.SEQUENTIAL:
        return _solo(draft)
    places: dict[str, Place] = {}
    members: dict[Hashable, list[str]] = {}
    reasons: dict[str, tuple[str, ...]] = {}
    for routine_id, facts in draft.facts.items():
        places[routine_id], reasons[routine_id] = place_of(facts)
        members.setdefault(key_of(places[routine_id]), []).append(routine_id)
    groups, placed = [], {}
    for index, ids in enumerate(members.values()):
        kind, needs, size, concurrency, is_async, _ = places[ids[0]]
        options = draft.facts[ids[0]].options  # of all of them, or of the only one
        worker_scope = kind is GroupKind.SHARDS and all(
            draft.facts[r].scope == "worker" and not draft.facts[r].keyed for r in ids
        )
        groups.append(
            GroupPlan(
                index=index,
                name=_name(kind, index, needs, is_async),
                kind=kind,
                routines=tuple(ids),
                needs=needs,
                # One home can keep a pace; several would have to share it.
                partitions=0 if kind is GroupKind.SHARDS and not (worker_scope or options.rate_limit) else 1,
                size=size,
                max_concurrency=concurrency,
                is_async=is_async,
                at_once=(options.max_concurrency or 0) if not draft.facts[ids[0]].is_async else 0,
                rate_limit=options.rate_limit or 0.0,
            )
        )
        placed.update(dict.fromkeys(ids, index))
    splits = []
    seen = set()
    for c in draft.flow.connections:
        if (c.source, c.target) not in seen:
            seen.add((c.source, c.target))
            reason = why_apart(draft.facts[c.source], draft.facts[c.target], places[c.source], places[c.target])
            if reason:
                splits.append((c.source, c.target, reason))
    return dataclasses.replace(draft, groups=tuple(groups), placed=placed, reasons=reasons, splits=tuple(splits))


def _solo(draft: Draft) -> Draft:
    every = tuple(needs_of(f) for f in draft.facts.values())
    amounts: dict[str, float] = {}
    for needs in every:
        for name, amount in needs.resources:
            amounts[name] = max(amounts.get(name, 0.0), amount)
    extra = {key: value for needs in every for key, value in needs.extra}
    needs = Needs(
        num_cpus=max((n.num_cpus for n in every), default=1.0),
        num_gpus=max((n.num_gpus for n in every), default=0.0),
        memory=max((n.memory for n in every), default=0.0),
        resources=tuple(sorted(amounts.items())),
        explicit_cpus=any(n.explicit_cpus for n in every),
        extra=tuple(sorted(extra.items())),
    )
    whole = GroupPlan(index=0, name="solo", kind=GroupKind.SOLO, routines=tuple(draft.facts), needs=needs)
    reason = ("the flow is sequential: everything runs in one place, first in, first out",)
    return dataclasses.replace(
        draft,
        groups=(whole,) if draft.facts else (),
        placed=dict.fromkeys(draft.facts, 0),
        reasons=dict.fromkeys(draft.facts, reason),
    )


def _name(kind: GroupKind, index: int, needs: Needs, is_async: bool) -> str:
    word = {GroupKind.TASKS: "pool", GroupKind.ACTORS: "async pool" if is_async else "actor pool"}.get(kind, "shards")
    return f"{word} {index}"
