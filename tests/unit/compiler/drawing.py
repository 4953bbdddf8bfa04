"""Flows from drawings, and drawings of what became of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from routilux_dist.compiler.check import Report, check
from routilux_dist.compiler.draft import Draft
from routilux_dist.compiler.grouping import group
from routilux_dist.compiler.scan import scan
from routilux_dist.flow.model import FlowModel
from routilux_dist.flow.routine import Routine


def step(x: Any) -> Any:
    return x


class Made(Routine):
    """A routine with the ports it is told to have; `logic` takes whatever comes."""

    def __init__(self, slots: str = "input", events: str = "output") -> None:
        super().__init__()
        self.slots, self.events = slots.split(), events.split()

    def setup(self) -> None:
        for slot in self.slots:
            self.add_slot(slot)
        for event in self.events:
            self.add_event(event)

    def logic(self, *payloads: Any) -> None: ...


class Counts(Made):
    """Has state per job."""

    def setup(self) -> None:
        super().setup()
        self.add_state(count=0)


class Sums(Counts):
    """Has state, and tells it at the end."""

    def finish(self) -> None: ...


class Opens(Made):
    """Has something that is made once per process."""

    def open(self) -> None: ...


def pair() -> Made:
    return Made("left right")


def flow_of(drawing: str, routines: Mapping[str, Any] | None = None, **options: Any) -> FlowModel:
    """A flow from lines such as ``a -> b.left`` and ``a.done -> c``; a step without a port means output or input.

    Routines that are not given run a plain function. A line with a single word is a routine without connections.
    """
    flow = FlowModel(options.pop("name", "drawn"), **options)
    lines = [[step.strip() for step in line.split("->")] for line in drawing.strip().splitlines()]
    for name in dict.fromkeys(word.partition(".")[0] for line in lines for word in line):
        flow.add_routine((routines or {}).get(name, step), name)
    for line in lines:
        for source, target in itertools.pairwise(line):
            flow.connect(_port(source, "output"), _port(target, "input"))
    return flow


def _port(word: str, default: str) -> str:
    return word if "." in word else f"{word}.{default}"


def scanned(flow: FlowModel) -> Draft:
    return scan(Draft(flow=flow))


def grouped(flow: FlowModel) -> Draft:
    return group(scanned(flow))


def picture(draft: Draft) -> str:
    """The groups of a draft on one line: ``[a b] tasks  [c] shards``."""
    return "  ".join(f"[{' '.join(g.routines)}] {g.kind.value}" for g in draft.groups)


def apart(draft: Draft) -> list[str]:
    """The pairs that do not share a process, such as ``a | b``."""
    return [f"{source} | {target}" for source, target, _ in draft.splits]


# ---- what is found about them ----------------------------------------------------------------------------------------


def report(
    drawing: str, routines: Mapping[str, Any] | None = None, *, need_entry: bool = True, **options: Any
) -> Report:
    """What `check` finds, apart from whether the routines can travel."""
    return check(flow_of(drawing, routines, **options), ship=False, need_entry=need_entry)


def faults(drawing: str, routines: Mapping[str, Any] | None = None, **options: Any) -> tuple[str, ...]:
    return report(drawing, routines, **options).faults


def warnings(drawing: str, routines: Mapping[str, Any] | None = None, **options: Any) -> tuple[str, ...]:
    found = report(drawing, routines, **options)
    assert found.faults == ()
    return found.warnings


def changed(made: Routine, *changes: Callable[[Any], Any]) -> Routine:
    for change in changes:
        change(made)
    return made


def policy(made: Routine, chosen: Any) -> Routine:
    return changed(made, lambda r: r.set_activation_policy(chosen))
