"""Slots with `combine=`: fewer messages, the same result."""

from __future__ import annotations

from collections import Counter

import routilux_dist as rd
from tests.conformance.routines.basic import each
from tests.conformance.routines.stateful import CombinedTotals
from tests.conformance.support import build, ended, failure, run

NUMBERS = range(30_000)
EXPECTED: Counter[int] = Counter()
for _n in NUMBERS:
    EXPECTED[_n % 7] += _n


def test_the_result_is_that_of_single_messages(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "totals": CombinedTotals(7)}, "each -> totals")
    job = runtime.submit(flow, [(n % 7, n) for n in NUMBERS])
    assert dict(job.result(timeout=60)["totals.output"]) == EXPECTED
    done = job.stats()["messages"]["done"]
    assert done < len(NUMBERS), "nothing was combined"


def test_sequential_flows_do_the_same(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "totals": CombinedTotals(7)}, "each -> totals", execution_mode="sequential")
    assert dict(run(runtime, flow, [(n % 7, n) for n in range(70)])["totals.output"]) == {
        r: sum(range(r, 70, 7)) for r in range(7)
    }


def test_a_function_that_fails_fails_the_job(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "totals": CombinedTotals(7, bad=True)}, "each -> totals")
    job = ended(runtime, flow, [(1, 1), (1, 2)])
    error = failure(job)
    assert "routine 'totals', slot 'input'" in str(error)
    assert str(error).rstrip().endswith("ArithmeticError: no sums today")


def test_items_of_a_map_do_not_meet(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "totals": CombinedTotals(7)}, "each -> totals")
    pairs = [[(n % 7, n), (n % 7, n)] for n in range(20)]
    assert list(flow.map(pairs, runtime=runtime, timeout=60)) == [(n % 7, 2 * n) for n in range(20)]
