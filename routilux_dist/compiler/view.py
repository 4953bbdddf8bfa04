"""What the rules look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from routilux_dist.compiler.draft import Draft
from routilux_dist.compiler.facts import Facts
from routilux_dist.compiler.reach import Reach
from routilux_dist.flow.model import FlowModel

#: Most routines of a cycle among which a shorter one is looked for.
SEARCHED = 1000


@dataclass(frozen=True, slots=True)
class View:
    """What the rules look at."""

    draft: Draft
    reach: Reach

    @property
    def flow(self) -> FlowModel:
        """The flow."""
        return self.draft.flow

    @property
    def home(self) -> Mapping[str, int]:
        """Routine -> the number of its component: equal for routines of one cycle."""
        return self.draft.home

    @property
    def facts(self) -> Iterator[Facts]:
        """The facts of each routine."""
        return iter(self.draft.facts.values())


def cycle_through(view: View, start: str) -> list[str]:
    """Return a shortest cycle through a routine, beginning and ending with it; its middle may be left out."""
    draft, home = view.draft, view.home
    if len(draft.components[home[start]]) > SEARCHED:
        return [start, "…", start]
    before: dict[str, str] = {}
    ring = [start]
    for node in ring:
        for target in draft.successors[node]:
            if target == start:
                path = [node]
                while path[-1] != start:
                    path.append(before[path[-1]])
                path = [*reversed(path), start]
                return path if len(path) <= 7 else [*path[:4], "…", *path[-2:]]
            if target not in before and home[target] == home[start]:
                before[target] = node
                ring.append(target)
    raise AssertionError(f"{start} is not in a cycle")


def listed(names: list[str]) -> str:
    """Return names as text; of many, the first and the number of the rest."""
    shown = ", ".join(map(repr, names[:8]))
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
