"""Joins: a routine with several slots runs when each has a message, oldest first, within one job."""

from __future__ import annotations

import routilux_dist as rd
from tests.conformance.routines.basic import Branch, Pair, PairByKey, Triple, double, each, increment, same
from tests.conformance.support import Running, build, completed, run


def test_two_slots_fed_by_one_event_pair_in_order(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "pair": Pair()}, "each -> pair.left\neach -> pair.right")
    assert run(runtime, flow, range(50)) == {"pair.output": [(i, i) for i in range(50)]}


def test_two_slots_fed_over_different_ways(runtime: rd.Runtime) -> None:
    flow = build(
        {"each": each, "double": double, "increment": increment, "same": same, "pair": Pair()},
        """each -> double -> pair.left
           each -> increment -> same -> pair.right""",
    )
    pairs = run(runtime, flow, range(40))["pair.output"]
    assert sorted(left for left, _ in pairs) == [2 * i for i in range(40)]
    assert sorted(right for _, right in pairs) == [i + 1 for i in range(40)]


def test_three_slots(runtime: rd.Runtime) -> None:
    flow = build(
        {"each": each, "double": double, "increment": increment, "join": Triple()},
        """each -> join.a
           each -> double -> join.b
           each -> increment -> join.c""",
    )
    joined = run(runtime, flow, range(30))["join.output"]
    assert sorted(a for a, _, _ in joined) == list(range(30))
    assert sorted(b for _, b, _ in joined) == [2 * i for i in range(30)]
    assert sorted(c for _, _, c in joined) == [i + 1 for i in range(30)]


def test_a_keyed_join_matches_by_key(runtime: rd.Runtime) -> None:
    flow = build(
        {"each": each, "add": AddHundred(), "join": PairByKey()},
        """each -> join.left
           each -> add -> join.right""",
    )
    outputs = run(runtime, flow, [{"key": f"k{i}", "value": i} for i in range(60)])
    assert sorted(outputs["join.output"]) == sorted((f"k{i}", i, i + 100) for i in range(60))


def test_what_never_met_is_counted_as_waiting(runtime: rd.Runtime) -> None:
    """Four even and two odd numbers make two pairs; two even ones stay alone."""
    flow = build(
        {"each": each, "branch": Branch(), "pair": Pair()},
        """each -> branch
           branch.even -> pair.left
           branch.odd -> pair.right""",
    )
    job = completed(runtime, flow, [0, 1, 2, 3, 4, 6])
    pairs = job.result(timeout=0)["pair.output"]
    assert sorted(odd for _, odd in pairs) == [1, 3]
    assert len({even for even, _ in pairs} & {0, 2, 4, 6}) == 2
    assert job.stats()["waiting"] == 2
    assert any("waiting" in str(entry) and "pair" in str(entry) for entry in job.history)


def test_nothing_waits_in_a_balanced_join(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "pair": Pair()}, "each -> pair.left\neach -> pair.right")
    assert completed(runtime, flow, [1, 2]).stats()["waiting"] == 0


def test_messages_of_different_jobs_never_meet(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"pair": Pair()}))
    lonely = running.post("pair.left", "left of the first job")
    other = running.post("pair.right", "right of the second job", close=False)
    other = running.post("pair.left", "left of the second job", job_id=other.job_id)
    other.close()
    assert lonely.result(timeout=60) == {"pair.output": []}
    assert lonely.stats()["waiting"] == 1
    assert other.result(timeout=60) == {"pair.output": [("left of the second job", "right of the second job")]}


class AddHundred(rd.Routine):
    """The same record with another value."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: dict) -> None:
        self.emit("output", key=x["key"], value=x["value"] + 100)
