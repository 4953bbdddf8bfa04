"""What a cluster can never run is said before anything waits for it."""

from __future__ import annotations

from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.cluster.placing import Node
from routilux_dist.cluster.resources import misfit
from routilux_dist.testing.bench import compile_for

NODES = [Node("a", {"CPU": 4.0, "GPU": 1.0}, {"region": "eu"}), Node("b", {"CPU": 8.0}, {"region": "us"})]


def plan(**options: Any) -> Any:
    flow = rd.Flow("demanding")
    flow.add_routine(rd.routine(**options)(abs), "r")
    return compile_for(flow)


@pytest.mark.parametrize(
    "options", [{}, {"num_cpus": 8}, {"num_gpus": 1}, {"label_selector": {"region": "us"}, "num_cpus": 8}], ids=str
)
def test_what_fits_is_not_refused(options: dict[str, Any]) -> None:
    assert misfit(plan(**options), NODES) == ""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"num_cpus": 9}, "num_cpus=9 on one node, the largest has 8"),
        ({"label_selector": {"region": "mars"}}, "routine 'r' needs label_selector={'region': 'mars'}, no node has it"),
        (
            {"label_selector": {"region": "us"}, "num_gpus": 1},
            "num_gpus=1, cluster has 0, on the nodes that it may run on",
        ),
        ({"accelerator_type": "A100"}, "needs accelerator_type='A100'"),
    ],
    ids=str,
)
def test_what_can_never_run_is_named(options: dict[str, Any], says: str) -> None:
    fault = misfit(plan(**options), NODES)
    assert says in fault
    assert "demanding" in fault
