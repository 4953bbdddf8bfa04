"""The reference itself, on flows that can be worked out by hand."""

from __future__ import annotations

import random
from collections import Counter

from tests.property.model import KINDS, Node, interpret, random_spec, summary

SOURCE = Node("source", 0, 0)


def after(*ports: tuple[int, str]) -> tuple[frozenset[tuple[int, str]], ...]:
    return (frozenset(ports),)


def test_a_source_alone() -> None:
    result = interpret((SOURCE,), [1, 1, 2])
    assert result.outputs == {(0, "output"): Counter([1, 1, 2])}


def test_a_chain_with_a_total() -> None:
    spec = (SOURCE, Node("map", 2, 1, after((0, "output"))), Node("total", 1, 0, after((1, "output"))))
    assert interpret(spec, [1, 2]).outputs == {(2, "output"): Counter([summary(2, 3 + 5)])}
    assert interpret(spec, []).outputs == {(2, "output"): Counter([summary(0, 0)])}


def test_a_keyed_total_has_one_summary_per_key() -> None:
    spec = (SOURCE, Node("by_key", 2, 0, after((0, "output"))))
    assert interpret(spec, [1, 2, 3]).outputs == {(1, "output"): Counter([summary(2, 4), summary(1, 2)])}
    assert interpret(spec, []).outputs == {(1, "output"): Counter()}


def test_a_refusal_is_no_output() -> None:
    result = interpret((SOURCE, Node("refuse", 1, 0, after((0, "output")))), [1, 2, 3, 4])
    assert result.outputs == {(1, "output"): Counter([1, 3])}
    assert result.refused == Counter([2, 4])


def test_a_loop_ends_below_its_limit() -> None:
    assert interpret((SOURCE, Node("loop", 1, 1, after((0, "output")))), [80, 10, 11]).outputs == {
        (1, "done"): Counter([10, 10, 5])
    }


def test_joins_count_pairs() -> None:
    route = Node("route", 1, 5, after((0, "output")))
    sides = (frozenset({(1, "low")}), frozenset({(1, "high")}))
    assert interpret((SOURCE, route, Node("join", 1, 0, sides)), [1, 2, 3, 8, 9]).outputs == {
        (2, "output"): Counter({0: 2})
    }
    assert interpret((SOURCE, route, Node("key_join", 2, 0, sides)), [1, 2, 3, 8, 9]).outputs == {
        (2, "output"): Counter({0: 1, 1: 1})
    }


def test_random_flows_reach_every_kind() -> None:
    rng = random.Random(0)
    seen = {node.kind for _ in range(60) for node in random_spec(rng.randint)}
    assert seen == {"source", *KINDS}
