"""Order in a graph that may have cycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def components(successors: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return the strongly connected components in topological order; members in the order of `successors`.

    Tarjan's algorithm ("Depth-first search and linear graph algorithms", 1972) without recursion, so that a chain of
    100,000 routines is fine. Linear in routines and connections.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    on_stack: set[str] = set()
    stack: list[str] = []
    found: list[list[str]] = []
    position = {node: i for i, node in enumerate(successors)}
    # Backwards, because what is finished first comes last: independent parts then keep the order of `successors`.
    for root in reversed(position):
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        work = [(root, reversed(successors[root]))]
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, reversed(successors[target])))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    members = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        members.append(member)
                        if member == node:
                            break
                    found.append(sorted(members, key=position.__getitem__))
    found.reverse()
    return found


def has_cycle(component: Sequence[str], successors: Mapping[str, Sequence[str]]) -> bool:
    """Whether a component is a cycle: several members, or one that feeds itself."""
    return len(component) > 1 or component[0] in successors[component[0]]
