"""Which nodes a group may run on, and what is said when there are none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from routilux_dist.cluster import placing
from routilux_dist.cluster.placing import Node
from tests.ids import named

EU = Node("a1", {"CPU": 4.0, "accelerator_type:T4": 1.0}, {"region": "eu", "disk": "fast"})
US = Node("b2", {"CPU": 8.0}, {"region": "us"})
NODES = [EU, US]


class In:
    def __init__(self, *values: str) -> None:
        self.values = values


class NotIn(In):
    pass


class Exists:
    pass


class DoesNotExist:
    pass


def affinity(node: str, soft: bool = False) -> Any:
    return SimpleNamespace(node_id=node, soft=soft)


def labels(**rules: Any) -> Any:
    return SimpleNamespace(hard=[SimpleNamespace(key=key, operator=rule) for key, rule in rules.items()])


@pytest.mark.parametrize(
    ("extra", "nodes"),
    [
        ({}, [EU, US]),
        ({"label_selector": {"region": "eu"}}, [EU]),
        ({"label_selector": {"region": "!eu"}}, [US]),
        ({"label_selector": {"region": "in(eu, us)"}}, [EU, US]),
        ({"label_selector": {"region": "!in(us,asia)"}}, [EU]),
        ({"label_selector": {"disk": "!fast"}}, [US]),
        ({"label_selector": {"region": "mars"}, "fallback_strategy": [{"label_selector": {"region": "us"}}]}, [US]),
        ({"accelerator_type": "T4"}, [EU]),
        ({"scheduling_strategy": "SPREAD"}, [EU, US]),
        ({"scheduling_strategy": affinity("b2")}, [US]),
        ({"scheduling_strategy": affinity("gone", soft=True)}, [EU, US]),
        ({"scheduling_strategy": labels(region=In("us"))}, [US]),
        ({"scheduling_strategy": labels(disk=Exists())}, [EU]),
        ({"scheduling_strategy": labels(disk=DoesNotExist(), region=NotIn("eu"))}, [US]),
    ],
    ids=lambda one: named(one, 200),
)
def test_what_is_allowed(extra: dict[str, Any], nodes: list[Node]) -> None:
    assert placing.allowed(extra, NODES)[0] == nodes


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (
            {"label_selector": {"region": "mars"}},
            "needs label_selector={'region': 'mars'}, no node has it; region is eu or us",
        ),
        ({"label_selector": {"zone": "1"}}, "no node has a label 'zone'"),
        ({"label_selector": {"region": "us", "disk": "fast"}}, "no node has it"),
        ({"accelerator_type": "H100"}, "needs accelerator_type='H100', the nodes have T4"),
        ({"accelerator_type": "T4", "label_selector": {"region": "us"}}, "needs accelerator_type='T4'"),
        ({"scheduling_strategy": affinity("gone")}, "needs to run on node gone"),
        ({"scheduling_strategy": labels(region=In("mars"))}, "region In"),
    ],
    ids=lambda one: named(one, 200),
)
def test_what_is_impossible(extra: dict[str, Any], says: str) -> None:
    nodes, refusal = placing.allowed(extra, NODES)
    assert nodes == []
    assert says in refusal


def test_nodes_that_are_gone_do_not_count() -> None:
    told = [
        {"NodeID": "a", "Alive": True, "Resources": {"CPU": 1.0}, "Labels": {"x": "y"}},
        {"NodeID": "b", "Alive": False, "Resources": {}, "Labels": {}},
    ]
    assert placing.found(told) == [Node("a", {"CPU": 1.0}, {"x": "y"})]
