"""A slot that merges folds the messages of a job into one value."""

from __future__ import annotations

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import each
from tests.conformance.routines.waiting import MergingHandler, MergingLogic
from tests.conformance.support import Running, build, run

SO_FAR = {
    "append": [[2], [2, 3], [2, 3, 4]],
    "override": [2, 3, 4],
    "product": [2, 6, 24],
}
MERGES = pytest.mark.parametrize("merge", list(SO_FAR))


@MERGES
def test_a_handler_sees_the_merged_value_with_each_message(runtime: rd.Runtime, merge: str) -> None:
    flow = build({"each": each, "merging": MergingHandler(merge)}, "each -> merging")
    assert run(runtime, flow, [2, 3, 4]) == {"merging.output": SO_FAR[merge]}


@MERGES
def test_logic_sees_the_whole_in_the_end(runtime: rd.Runtime, merge: str) -> None:
    """Arrivals may collapse into one activation, so only the last value is certain."""
    flow = build({"each": each, "merging": MergingLogic(merge)}, "each -> merging")
    [end] = run(runtime, flow, [2, 3, 4])["merging.output"]
    assert end["latest"] == SO_FAR[merge][-1]
    assert 1 <= end["runs"] <= 3


@MERGES
def test_merging_counts_per_job(runtime: rd.Runtime, merge: str) -> None:
    running = Running(runtime, build({"each": each, "merging": MergingHandler(merge)}, "each -> merging"))
    jobs = [running.post("each.input", [2, 3, 4]) for _ in range(5)]
    assert [job.result(timeout=60)["merging.output"] for job in jobs] == [SO_FAR[merge]] * 5
