"""The first pass: look at every routine and at the shape of the graph."""

from __future__ import annotations

import dataclasses

from routilux_dist.compiler.draft import Draft
from routilux_dist.compiler.facts import look
from routilux_dist.compiler.order import components


def scan(draft: Draft) -> Draft:
    """The pass: gather facts about routines, who is connected to whom, and the order of it all."""
    facts = {routine_id: look(routine_id, routine) for routine_id, routine in draft.flow.routines.items()}
    successors: dict[str, dict[str, None]] = {routine_id: {} for routine_id in facts}
    for c in draft.flow.connections:
        successors[c.source][c.target] = None
    ordered = {routine_id: tuple(targets) for routine_id, targets in successors.items()}
    found = tuple(tuple(c) for c in components(ordered))
    home = {routine_id: number for number, members in enumerate(found) for routine_id in members}
    return dataclasses.replace(draft, facts=facts, successors=ordered, components=found, home=home)
