"""A plan as a page to read: where everything runs, what stays together, and why the rest does not."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from routilux_dist.plan.plan import GroupKind, GroupPlan, Plan, RoutinePlan

#: Left margin of what belongs to a heading.
INDENT = "  "
#: Widest first column; longer names push their line to the right.
NAME_WIDTH = 32


def explain(plan: Plan, *, columns: int = 100, most: int = 60) -> str:
    """Return a plan as text, like a database's EXPLAIN.

    Args:
        plan: The plan.
        columns: Width of the page.
        most: Most entries of one list; of longer ones the number of the rest is told.
    """
    page = _Page(columns, most)
    page.lines += _header(plan, page)
    for group in plan.groups:
        page.lines += ["", *_group(plan, group, page)]
    page.section("Messages change places", _splits(plan))
    page.section("At the end of a job, in this order", _stages(plan))
    page.section("Warnings", (("•", text) for text in plan.warnings))
    return "\n".join(page.lines)


def to_dict(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain values, for tools: fit for JSON."""
    return {
        "flow": plan.flow,
        "mode": plan.mode,
        "entry": None if plan.entry is None else plan.ports[plan.entry].path,
        "outputs": list(plan.names()),
        "max_workers": plan.max_workers,
        "limits": {f.name: _plain(getattr(plan.limits, f.name)) for f in dataclasses.fields(plan.limits)},
        "groups": [
            {
                **{f.name: _plain(getattr(group, f.name)) for f in dataclasses.fields(group) if f.name != "needs"},
                "needs": {**group.needs.amounts(), **{name: _plain(value) for name, value in group.needs.extra}},
                "runs_on": [list(edge) for edge in _together(plan, group)],
            }
            for group in plan.groups
        ],
        "routines": {
            routine.id: {
                **{f.name: _plain(getattr(routine, f.name)) for f in dataclasses.fields(routine)},
                "slots": list(routine.slots),
                "events": {name: [plan.ports[p].path for p in ports] for name, ports in routine.events.items()},
            }
            for routine in plan.routines.values()
        },
        "connections": [list(c) for c in plan.connections],
        "splits": [{"source": source, "target": target, "reason": reason} for source, target, reason in plan.splits],
        "stages": [list(stage) for stage in plan.stages],
        "warnings": list(plan.warnings),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, GroupKind):
        return value.value
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


# ---- parts of the page ---------------------------------------------------------------------------------------------


class _Page:
    """Lines of text, wrapped under their own second column."""

    def __init__(self, columns: int, most: int) -> None:
        self.columns, self.most = columns, most
        self.lines: list[str] = []

    def section(self, title: str, entries: Iterable[tuple[str, str]]) -> None:
        """Add a heading and its entries, if there are any."""
        table = list(self.table(list(entries)))
        if table:
            self.lines += ["", title, *table]

    def table(self, entries: list[tuple[str, str]]) -> Iterator[str]:
        """Yield two columns: a name, and text that is wrapped."""
        shown = entries[: self.most]
        width = min(max((len(name) for name, _ in shown), default=0), NAME_WIDTH)
        for name, text in shown:
            yield from self.entry(name, text, width)
        if len(entries) > len(shown):
            yield f"{INDENT}… and {len(entries) - len(shown):,} more"

    def entry(self, name: str, text: str, width: int) -> list[str]:
        """Return one entry of a table."""
        if len(name) > width and text:
            return [f"{INDENT}{name}", *self.wrap(text, f"{INDENT}{'':{width}}  ")]
        return self.wrap(text, f"{INDENT}{name:{width}}  ", f"{INDENT}{'':{width}}  ")

    def wrap(self, text: str, first: str, rest: str | None = None) -> list[str]:
        """Return text as lines that begin with `first`, later ones with `rest`."""
        rest = first if rest is None else rest
        lines = textwrap.wrap(
            text,
            self.columns,
            initial_indent=first,
            subsequent_indent=rest,
            break_on_hyphens=False,
            break_long_words=False,
        )
        return lines or [first.rstrip()]


def _header(plan: Plan, page: _Page) -> Iterator[str]:
    left = f"Flow {plan.flow}, {plan.mode}"
    right = ", ".join(
        (
            _count(len(plan.routines), "routine"),
            _count(len(plan.connections), "connection"),
            _count(len(plan.groups), "group"),
        )
    )
    space = page.columns - len(left)
    yield from (f"{left}{right:>{space}}",) if len(right) + 3 <= space else (left, right)
    yield "─" * page.columns
    entry = "none: messages name theirs" if plan.entry is None else plan.ports[plan.entry].path
    limits = [f"{f.name}={getattr(plan.limits, f.name)}" for f in dataclasses.fields(plan.limits) if _set(plan, f)]
    facts = [("entry", entry), ("outputs", _listed(plan.names(), page.most) or "none")]
    facts.append(("limits", ", ".join(limits) or "none"))
    if plan.max_workers is not None:
        facts.append(("workers", f"at most {plan.max_workers}"))
    yield from page.table(facts)


def _set(plan: Plan, field: dataclasses.Field[Any]) -> bool:
    return bool(getattr(plan.limits, field.name) != field.default)


def _group(plan: Plan, group: GroupPlan, page: _Page) -> Iterator[str]:
    yield from page.wrap(f"{group.name[0].upper()}{group.name[1:]}: {_kind(group)}", "", INDENT)
    needs = "no CPU: it mostly waits" if group.is_async and not group.needs.amounts() else str(group.needs)
    common = _common_reason(plan, group)
    facts = [("takes", needs), ("why", common)] if common else [("takes", needs)]
    yield from page.table([*facts, *_runs_on(plan, group, page)])
    yield from page.table([(r, _about(plan.routines[r], skip=common)) for r in group.routines])


def _kind(group: GroupPlan) -> str:
    return _place(group) + _bounds(group)


def _bounds(group: GroupPlan) -> str:
    at_once = f"; at most {_count(group.at_once, 'slice')} at once" if group.at_once else ""
    rate = f"; at most {group.rate_limit:g} messages per second" if group.rate_limit else ""
    return at_once + rate


def _place(group: GroupPlan) -> str:
    if group.kind is GroupKind.TASKS:
        return "stateless; any worker takes its messages"
    if group.kind is GroupKind.SOLO:
        return "everything in one place, strictly first in, first out"
    if group.kind is GroupKind.SHARDS:
        homes = _count(group.partitions, "partition") if group.partitions else "as many partitions as workers"
        return f"stateful; {homes}, each with one home and one writer"
    lasting = (
        _count(group.size, "lasting process", "lasting processes") if group.size else "a lasting process per worker"
    )
    awaits = f", awaiting up to {group.max_concurrency} activations each" if group.is_async else ""
    return f"stateless; {lasting}{awaits}"


def _common_reason(plan: Plan, group: GroupPlan) -> str:
    reasons = {plan.routines[r].reasons for r in group.routines}
    return "; ".join(next(iter(reasons))) if len(reasons) == 1 and len(group.routines) > 1 else ""


def _about(routine: RoutinePlan, skip: str) -> str:
    """Return what there is to say of a routine: its label, what is not ordinary about it, why it is where it is."""
    words = [routine.label] if routine.label != routine.id else []
    if len(routine.slots) != 1 or "input" not in routine.slots:
        words.append(f"slots {', '.join(routine.slots)}")
    if routine.policy != "all_ready()":
        words.append(routine.policy)
    if routine.is_async:
        words.append("async")
    why = "; ".join(routine.reasons)
    if why and why != skip:
        words.append(f"because {why}")
    return " · ".join(words)


# ---- what stays together, what does not ----------------------------------------------------------------------------


def _together(plan: Plan, group: GroupPlan) -> list[tuple[str, str]]:
    """Return the pairs of a group of which one runs on into the other."""
    members = set(group.routines)
    apart = {(source, target) for source, target, _ in plan.splits}
    pairs = ((c[0].partition(".")[0], c[1].partition(".")[0]) for c in plan.connections)
    return [p for p in dict.fromkeys(pairs) if p[0] in members and p[1] in members and p not in apart]


def chains(edges: list[tuple[str, str]]) -> list[list[str]]:
    """Lay edges out as few long paths, each edge once; beginnings first."""
    following: dict[str, list[str]] = {}
    for source, target in reversed(edges):
        following.setdefault(source, []).append(target)
    targets = {target for _, target in edges}
    sources = list(dict.fromkeys(source for source, _ in edges))
    paths = []
    for start in sorted(sources, key=targets.__contains__):
        while following[start]:
            path = [start]
            while following.get(path[-1]):
                path.append(following[path[-1]].pop())
            paths.append(path)
    return paths


def _runs_on(plan: Plan, group: GroupPlan, page: _Page) -> list[tuple[str, str]]:
    paths = chains(_together(plan, group))
    texts = (" → ".join(path if len(path) <= page.most else [*path[: page.most], "…"]) for path in paths)
    title = "in turn" if group.kind is GroupKind.SOLO else "as one"
    return [("" if number else title, text) for number, text in enumerate(texts)]


def _splits(plan: Plan) -> Iterator[tuple[str, str]]:
    sources: dict[tuple[str, str], list[str]] = {}
    for source, target, reason in plan.splits:
        sources.setdefault((target, reason), []).append(source)
    for (target, reason), names in sources.items():
        yield f"{_listed(names, 3)} → {target}", reason


def _stages(plan: Plan) -> Iterator[tuple[str, str]]:
    for number, stage in enumerate(plan.stages, 1):
        together = ", together because they are a cycle" if len(stage) > 1 else ""
        yield f"{number}.", "; ".join(f"{r} {_ending(plan.routines[r])}" for r in stage) + together


def _ending(routine: RoutinePlan) -> str:
    per = " per key" if routine.keyed else ""
    does = [f"flushes what waits for {routine.policy}"] if routine.flushes else []
    return " and ".join([*does, *(["runs finish()"] if routine.has_finish else [])]) + per


def _listed(names: Iterable[str], most: int) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
