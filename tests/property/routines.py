"""The nodes of a random flow as routines."""

from __future__ import annotations

import routilux_dist as rd
from tests.property.model import Node, Spec, events_of, send, summary


class Source(rd.Routine):
    """Each item of the posted list."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, items: list[int]) -> None:
        for item in items:
            self.emit("output", item)


class Stateless(rd.Routine):
    """A map, a filter, a fan, a route; the refusing one raises after it has emitted."""

    def __init__(self, kind: str, a: int, b: int) -> None:
        super().__init__()
        self.kind, self.a, self.b = kind, a, b

    def setup(self) -> None:
        self.add_slot("input")
        for event in events_of(Node(self.kind, self.a, self.b)):
            self.add_event(event)

    def logic(self, x: int) -> None:
        for event, payload in send(self.kind, self.a, self.b, x):
            if event == "refused":
                self.emit("output", payload)
                raise ValueError(f"refused {payload}")
            self.emit(event, payload)


class Gate(rd.Routine):
    """The exit of a loop."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("again")
        self.add_event("done")

    def logic(self, x: int) -> None:
        self.emit("again" if x > self.limit else "done", x)


class Shrink(rd.Routine):
    """The body of a loop."""

    def __init__(self, divisor: int) -> None:
        super().__init__()
        self.divisor = divisor

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: int) -> int:
        return x // self.divisor


class Collect(rd.Routine):
    """Counts and sums, per job or per key."""

    def __init__(self, modulus: int | None) -> None:
        super().__init__()
        self.modulus = modulus

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(count=0, sum=0, key=None if self.modulus is None else lambda x: x % self.modulus)

    def logic(self, x: int) -> None:
        self.state["count"] += 1
        self.state["sum"] += x

    def finish(self) -> None:
        self.emit("output", summary(self.state["count"], self.state["sum"]))


class Join(rd.Routine):
    """Tells that a pair met, and its key."""

    def __init__(self, modulus: int | None) -> None:
        super().__init__()
        self.modulus = modulus

    def setup(self) -> None:
        self.add_slot("left")
        self.add_slot("right")
        self.add_event("output")
        if self.modulus is not None:
            self.add_state(pairs=0, key=lambda x: x % self.modulus)

    def logic(self, left: int, right: int) -> None:
        assert self.modulus is None or left % self.modulus == right % self.modulus
        self.emit("output", 0 if self.modulus is None else left % self.modulus)


def build(spec: Spec, name: str, **options: object) -> rd.Flow:
    """The flow that a `Spec` describes; node 3 is the routine ``n3``."""
    flow = rd.Flow(name, error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE), **options)
    for number, node in enumerate(spec):
        flow.add_routine(_routine(node), f"n{number}")
        if node.kind == "loop":
            flow.add_routine(Shrink(node.a + 1), f"n{number}body")
            flow.connect(f"n{number}.again", f"n{number}body.input")
            flow.connect(f"n{number}body.output", f"n{number}.input")
    for number, node in enumerate(spec[1:], start=1):
        slots = ("left", "right") if len(node.sources) == 2 else ("input",)
        for slot, sources in zip(slots, node.sources, strict=True):
            for source, event in sorted(sources):
                flow.connect(f"n{source}.{event}", f"n{number}.{slot}")
    return flow


def _routine(node: Node) -> rd.Routine:
    if node.kind == "source":
        return Source()
    if node.kind == "loop":
        return Gate(10 * node.b)
    if node.kind in ("total", "by_key"):
        return Collect(node.a if node.kind == "by_key" else None)
    if node.kind in ("join", "key_join"):
        return Join(node.a if node.kind == "key_join" else None)
    return Stateless(node.kind, node.a, node.b)
