from __future__ import annotations

import pytest

import routilux_dist as rd
from routilux_dist.coordinator.commands import Report
from routilux_dist.testing import Bench, Workbench


def flow() -> rd.Flow:
    made = rd.Flow("tried")
    made.add_routine(lambda x: (y for y in range(x)), "a")
    made.add_routine(lambda x: -x, "b")
    made.connect("a.output", "b.input")
    return made


def test_a_machine_by_hand() -> None:
    bench = Bench(flow())
    bench.post("j", "a.input", 3)
    receipt = bench.finish(emit={"b.input": 2}, left=1)
    assert receipt.tallies["j"].done == 2
    assert bench.run_out() == 2
    assert [report.status for report in bench.of(Report)] == ["completed"]
    assert bench.job("j").done == 5


def test_a_machine_that_never_comes_to_an_end() -> None:
    bench = Bench(flow())
    bench.post("j", "a.input")
    with pytest.raises(AssertionError, match="still going after 0 slices"):
        bench.run_out(most=0)


def test_a_host_by_hand() -> None:
    bench = Workbench(flow())
    receipt = bench.send("a.input", 3)
    assert bench.sent(receipt) == [0, -1, -2]
    assert bench.sent(receipt, "b.output") == [0, -1, -2]
    assert bench.sent(receipt, "a.output") == []
    bench.close()


def test_a_host_tells_who_is_cancelled() -> None:
    made = rd.Flow("asking")
    made.add_routine(lambda x: rd.current_job().cancelled, "a")
    bench = Workbench(made)
    bench.cancelled.add("gone")
    assert bench.sent(bench.send("a.input", 1, job="gone")) == [True]
    assert bench.sent(bench.send("a.input", 1, job="here")) == [False]
    bench.close()
