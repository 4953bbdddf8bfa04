"""What groups need and what the cluster has: pure arithmetic over Ray's resource tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from routilux_dist.cluster import placing
from routilux_dist.cluster.placing import Node
from routilux_dist.plan.plan import GroupKind, GroupPlan, Needs, Plan

_WORDS = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}


def misfit(plan: Plan, nodes: Sequence[Node]) -> str:
    """Say why the cluster can never run a plan, "" if it can.

    Args:
        plan: The plan.
        nodes: The living nodes.
    """
    faults = []
    for group in plan.groups:
        allowed, refusal = placing.allowed(dict(group.needs.extra), nodes)
        if not allowed and refusal:
            faults.append(f"{_who(group)} {refusal}")
            continue
        wanted = group.needs.amounts()
        if not group.needs.explicit_cpus:
            wanted.pop("CPU", None)
        amounts = [node.amounts for node in allowed]
        if wanted and not any(_fits(wanted, node) for node in amounts):
            where = "" if len(allowed) == len(nodes) else ", on the nodes that it may run on"
            faults.append(f"{_who(group)} {_lacking(wanted, amounts)}{where}")
    if not faults:
        return ""
    return (
        f"flow {plan.flow!r} cannot run on this cluster: {'; '.join(faults)}. "
        f"Ask for less (set_options, @rd.routine(…)) or connect to a cluster that has it"
    )


def _who(group: GroupPlan) -> str:
    names = ", ".join(repr(r) for r in group.routines[:3])
    return f"routine{'s' if len(group.routines) > 1 else ''} {names}{', …' if len(group.routines) > 3 else ''}"


def _fits(wanted: Mapping[str, float], node: Mapping[str, float]) -> bool:
    return all(node.get(name, 0.0) >= amount for name, amount in wanted.items())


def _lacking(wanted: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> str:
    for name, amount in wanted.items():
        total = sum(node.get(name, 0.0) for node in nodes)
        best = max((node.get(name, 0.0) for node in nodes), default=0.0)
        word = _WORDS.get(name, f"resource {name!r}")
        if total < amount:
            return f"needs {word}={amount:g}, cluster has {total:g}"
        if best < amount:
            return f"needs {word}={amount:g} on one node, the largest has {best:g}"
    listed = ", ".join(f"{_WORDS.get(n, n)}={a:g}" for n, a in wanted.items())
    return f"needs {listed} together on one node, no node has all of it"


def slots(plan: Plan, nodes: Sequence[Mapping[str, float]]) -> dict[int, int]:
    """Return how many slices of each group fit at once, for groups that need more than CPUs."""
    found = {}
    for group in plan.groups:
        wanted = {n: a for n, a in group.needs.amounts().items() if n != "CPU" or group.needs.explicit_cpus}
        if wanted:
            found[group.index] = max(1, sum(_times(wanted, node) for node in nodes))
    return found


def _times(wanted: Mapping[str, float], node: Mapping[str, float]) -> int:
    return int(min(node.get(name, 0.0) // amount for name, amount in wanted.items()))


def is_plain(group: GroupPlan) -> bool:
    """Whether a stateless group asks for nothing special, so that the crew can run it."""
    return group.kind is GroupKind.TASKS and group.needs == Needs()


def suits_any(group: GroupPlan) -> bool:
    """Whether the actors of a group suit others that ask for no particular place. None of them takes CPUs while it waits."""
    needs = group.needs
    return not (needs.num_gpus or needs.memory or needs.resources or needs.extra)


def beside(plan: Plan, slots: Mapping[int, int], workers: int, cpus: int) -> frozenset[int]:
    """Return the groups where a slice that is sent ahead would run beside the first, because Ray has room for it."""
    return frozenset(
        group.index
        for group in plan.groups
        if group.kind is GroupKind.TASKS and not is_plain(group) and slots.get(group.index, cpus) > workers
    )


def call_options(group: GroupPlan, workers: int, cpus: int) -> dict[str, Any]:
    """Return the options of the Ray calls and actors that serve a group.

    Long-lived processes take no CPU while they wait: which of them runs is the coordinator's affair. A task takes its share.
    """
    needs = group.needs
    options: dict[str, Any] = dict(needs.extra)
    if group.kind is GroupKind.TASKS:
        options["num_cpus"] = needs.num_cpus if needs.explicit_cpus else min(needs.num_cpus, cpus / max(workers, 1))
    else:
        options["num_cpus"] = 0
        options.setdefault("scheduling_strategy", "SPREAD")
    if needs.num_gpus:
        options["num_gpus"] = needs.num_gpus
    if needs.memory:
        options["memory"] = needs.memory
    if needs.resources:
        options["resources"] = dict(needs.resources)
    return options
