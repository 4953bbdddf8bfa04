"""Random small flows as data, and what they mean: a reference interpreter in plain Python.

A `Spec` is a row of nodes. Node 0 gives each item of the posted list as a message; every other node takes its messages
from earlier nodes only, so that working through the row once, node by node, is a run of the flow. A loop is one node
for the interpreter and two routines in the flow. No node cares for the order of its messages: what comes out is
compared as a multiset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

MODULUS = 1009
"""Numbers stay below it, so that a run of any length works with small ints."""

Pick = Callable[[int, int], int]
"""``pick(low, high)`` chooses an int, both ends included: from a random generator, or drawn by Hypothesis."""

Bag = Counter[object]
"""A multiset of payloads."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of node looks like from outside."""

    slots: tuple[str, ...] = ("input",)
    events: tuple[str, ...] = ("output",)
    stateless: bool = True


KINDS = {
    "map": Kind(),
    "filter": Kind(),
    "fan": Kind(),
    "refuse": Kind(),
    "route": Kind(events=("low", "high")),
    "loop": Kind(events=("done",)),
    "total": Kind(stateless=False),
    "by_key": Kind(stateless=False),
    "join": Kind(slots=("left", "right"), stateless=False),
    "key_join": Kind(slots=("left", "right"), stateless=False),
}


@dataclass(frozen=True, slots=True)
class Node:
    """One node: its kind, two numbers that vary it, and its sources (node, event) per slot."""

    kind: str
    a: int
    b: int
    sources: tuple[frozenset[tuple[int, str]], ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gives: payloads per output port (node, event), refused payloads, and how many messages there were."""

    outputs: dict[tuple[int, str], Bag]
    refused: Bag
    messages: int


Spec = tuple[Node, ...]
"""Nodes by number; the first one is the source."""


def random_spec(pick: Pick, *, most_nodes: int = 8, stateless: bool = False) -> Spec:
    """Choose a flow of 3 to ``most_nodes`` nodes; ``stateless`` leaves out those that collect."""
    kinds = [name for name, kind in KINDS.items() if kind.stateless or not stateless]
    nodes = [Node("source", 0, 0)]
    for _ in range(pick(2, most_nodes - 1)):
        ports = [(i, event) for i, node in enumerate(nodes) for event in events_of(node)]
        kind = kinds[pick(0, len(kinds) - 1)]
        sources = tuple(frozenset(ports[pick(0, len(ports) - 1)] for _ in range(pick(1, 2))) for _ in KINDS[kind].slots)
        nodes.append(Node(kind, pick(1, 4), pick(0, 6), sources))
    return tuple(nodes)


def events_of(node: Node) -> tuple[str, ...]:
    """The events of a node that others may connect to."""
    return ("output",) if node.kind == "source" else KINDS[node.kind].events


def interpret(spec: Spec, items: list[int]) -> Result:
    """Run a flow on paper."""
    sent: dict[tuple[int, str], Bag] = {(0, "output"): Counter(items)}
    refused: Bag = Counter()
    messages = 1
    for number, node in enumerate(spec[1:], start=1):
        inbox = [sum((sent[source] for source in sources), Counter()) for sources in node.sources]
        messages += sum(bag.total() for bag in inbox)
        for event in events_of(node):
            sent[number, event] = Counter()
        for event, payload, times in run_node(node, inbox):
            if event == "refused":
                refused[payload] += times
            else:
                sent[number, event][payload] += times
    used = {source for node in spec for sources in node.sources for source in sources}
    return Result({port: bag for port, bag in sent.items() if port not in used}, refused, messages)


def run_node(node: Node, inbox: list[Bag]) -> list[tuple[str, object, int]]:
    """What a node sends for all its messages together: (event, payload, how often)."""
    if node.kind in ("join", "key_join"):
        return list(_join(node, *inbox))
    if node.kind in ("total", "by_key"):
        return list(_collect(node, inbox[0]))
    return [(event, out, times) for x, times in inbox[0].items() for event, out in send(node.kind, node.a, node.b, x)]


def send(kind: str, a: int, b: int, x: int) -> list[tuple[str, int]]:
    """What a stateless node sends for one message: (event, payload). The routines use this, too."""
    if kind == "map":
        return [("output", (a * x + b) % MODULUS)]
    if kind == "filter":
        return [("output", x)] if x % (a + 1) != b % (a + 1) else []
    if kind == "fan":
        return [("output", (x + b * i) % MODULUS) for i in range(a)]
    if kind == "refuse":
        return [("refused" if x % (a + 1) == 0 else "output", x)]
    if kind == "route":
        return [("low" if x % 10 < b else "high", x)]
    assert kind == "loop"
    while x > 10 * b:
        x = x // (a + 1)
    return [("done", x)]


def _collect(node: Node, bag: Bag) -> list[tuple[str, object, int]]:
    keys = {x % node.a for x in bag} if node.kind == "by_key" else {None}
    mine = {key: [(x, n) for x, n in bag.items() if key is None or x % node.a == key] for key in keys}
    return [("output", summary(sum(n for _, n in xs), sum(x * n for x, n in xs)), 1) for xs in mine.values()]


def _join(node: Node, left: Bag, right: Bag) -> list[tuple[str, object, int]]:
    """Which messages meet depends on their order; how many pairs there are, and with which key, does not."""
    modulus = node.a if node.kind == "key_join" else 1
    count = [Counter[int](), Counter[int]()]
    for side, bag in enumerate((left, right)):
        for x, n in bag.items():
            count[side][x % modulus] += n
    return [("output", key, pairs) for key, pairs in (count[0] & count[1]).items()]


def summary(count: int, total: int) -> int:
    """One number for what a collecting node has seen."""
    return (31 * total + count) % MODULUS
