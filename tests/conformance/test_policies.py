"""Activation policies decide when ``logic`` runs, and with what; all count per job, and per key."""

from __future__ import annotations

from collections import Counter

import routilux_dist as rd
from tests.conformance.routines.basic import Branch, each
from tests.conformance.routines.waiting import (
    Batches,
    BatchesByKey,
    BatchesThenTotal,
    Either,
    Every,
    PairBatches,
    Threes,
    TwoToOne,
)
from tests.conformance.support import Running, build, completed, eventually, run


def flat(lists: list[list[object]]) -> list[object]:
    return [item for items in lists for item in items]


def test_immediate_runs_for_any_slot(runtime: rd.Runtime) -> None:
    flow = build(
        {"each": each, "branch": Branch(), "either": Either()},
        """each -> branch
           branch.even -> either.a
           branch.odd -> either.b""",
    )
    outputs = run(runtime, flow, range(6))
    assert Counter(outputs["either.output"]) == Counter(
        [(0, None), (2, None), (4, None), (None, 1), (None, 3), (None, 5)]
    )


def test_batch_flushes_the_rest_at_the_end(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "batches": Batches(3)}, "each -> batches")
    assert run(runtime, flow, range(7)) == {"batches.output": [[0, 1, 2], [3, 4, 5], [6]]}


def test_batch_without_a_rest(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "batches": Batches(3)}, "each -> batches")
    assert run(runtime, flow, range(6)) == {"batches.output": [[0, 1, 2], [3, 4, 5]]}
    assert run(runtime, flow, []) == {"batches.output": []}


def test_batch_flushes_upstream_first(runtime: rd.Runtime) -> None:
    """The rest of the first batcher is part of the second one's messages."""
    routines = {"each": each, "first": Batches(4), "again": each, "second": Batches(10)}
    flow = build(routines, "each -> first -> again -> second")
    outputs = run(runtime, flow, range(10))
    assert [len(b) for b in outputs["second.output"]] == [10]
    assert sorted(outputs["second.output"][0]) == list(range(10))


def test_batch_flushes_before_finish(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "batches": BatchesThenTotal(4)}, "each -> batches")
    assert run(runtime, flow, range(10)) == {"batches.output": [[4, 4, 2]]}


def test_batch_of_two_slots_waits_for_both(runtime: rd.Runtime) -> None:
    """Five messages each: two full batches, then the rest of both."""
    flow = build({"each": each, "pairs": PairBatches()}, "each -> pairs.left\neach -> pairs.right")
    assert run(runtime, flow, range(5)) == {"pairs.output": [([0, 1], [0, 1]), ([2, 3], [2, 3]), ([4], [4])]}


def test_batch_counts_per_key(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "batches": BatchesByKey(2)}, "each -> batches")
    outputs = run(runtime, flow, [{"key": key, "n": n} for n in range(3) for key in ("a", "b")])
    batches = sorted([(items[0]["key"], [item["n"] for item in items]) for items in outputs["batches.output"]])
    assert batches == [("a", [0, 1]), ("a", [2]), ("b", [0, 1]), ("b", [2])]


def test_batch_counts_per_job(runtime: rd.Runtime) -> None:
    """One message each does not make a batch of two."""
    running = Running(runtime, build({"batches": Batches(2)}))
    jobs = [running.post("batches.input", f"job {i}", close=False) for i in range(6)]
    for job in jobs:
        job.close()
    assert [job.result(timeout=60) for job in jobs] == [{"batches.output": [[f"job {i}"]]} for i in range(6)]


def test_batch_timeout_flushes_while_the_job_is_open(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"batches": Batches(100, timeout=0.3)}))
    job = running.post("batches.input", "a", close=False)
    running.post("batches.input", "b", job_id=job.job_id, close=False)
    eventually(lambda: sum(map(len, job.outputs.get("batches.output", []))) == 2, "the batch timeout")
    assert job.status == "running"
    running.post("batches.input", "c", job_id=job.job_id)
    eventually(lambda: job.stats()["messages"]["accepted"] == 3, "the last message is taken in")
    job.close()
    batches = job.result(timeout=60)["batches.output"]
    assert flat(batches) == ["a", "b", "c"]
    assert batches[-1] == ["c"]


def test_every_gives_all_that_waits(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"every": Every(0.3)}))
    job = running.post("every.input", "a", close=False)
    eventually(lambda: job.outputs.get("every.output") == [["a"]], "the first interval")
    running.post("every.input", "b", job_id=job.job_id, close=False)
    eventually(lambda: job.outputs.get("every.output") == [["a"], ["b"]], "the second interval")
    job.close()
    assert job.result(timeout=60) == {"every.output": [["a"], ["b"]]}


def test_every_gives_the_rest_at_the_end(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "every": Every(3600)}, "each -> every")
    assert run(runtime, flow, range(5)) == {"every.output": [[0, 1, 2, 3, 4]]}


def test_a_function_that_takes_everything(runtime: rd.Runtime) -> None:
    """It is asked after each arrival, so it takes three at a time; the rest is left alone."""
    flow = build({"each": each, "threes": Threes()}, "each -> threes")
    job = completed(runtime, flow, range(8))
    assert job.result(timeout=0) == {"threes.output": [[0, 1, 2], [3, 4, 5]]}
    assert job.stats()["waiting"] == 2


def test_a_function_that_takes_so_many_of_each(runtime: rd.Runtime) -> None:
    flow = build(
        {"each": each, "join": TwoToOne()},
        """each -> join.left
           each -> join.right""",
    )
    job = completed(runtime, flow, range(6))
    assert job.result(timeout=0) == {"join.output": [([0, 1], [0]), ([2, 3], [1]), ([4, 5], [2])]}
    assert job.stats()["waiting"] == 3
