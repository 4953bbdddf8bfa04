"""Many jobs and several flows at once: each sees its own messages, state and data, and nothing else."""

from __future__ import annotations

import concurrent.futures
import threading

import routilux_dist as rd
from tests.conformance.routines.basic import Pair, double, each, increment
from tests.conformance.routines.stateful import Total, TotalByField, reduce_all
from tests.conformance.support import WAIT, Running, build


def test_two_hundred_jobs_of_one_flow(runtime: rd.Runtime) -> None:
    flow = build(
        {"each": each, "reduce": reduce_all, "total": Total(), "pair": Pair()},
        """each -> reduce
           each -> total
           each -> pair.left
           each -> pair.right""",
    )
    running = Running(runtime, flow)
    jobs = [running.post("each.input", range(i, i + 5)) for i in range(200)]
    for i, job in enumerate(jobs):
        outputs = job.result(timeout=WAIT)
        mine = list(range(i, i + 5))
        assert outputs["total.output"] == [{"count": 5, "sum": sum(mine)}]
        assert outputs["pair.output"] == [(x, x) for x in mine]
        assert (job.data["min"], job.data["max"], job.data["sum"]) == (mine[0], mine[-1], sum(mine))
        assert sorted(job.data["append"]) == mine
    assert len({job.job_id for job in jobs}) == 200


def test_a_failing_job_does_not_touch_its_neighbours(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"each": each, "double": double, "total": Total()}, "each -> double -> total"))
    jobs = [running.post("each.input", [i, None] if i % 3 == 0 else [i, i]) for i in range(30)]
    for i, job in enumerate(jobs):
        assert job.wait_for_completion(timeout=WAIT)
        if i % 3 == 0:
            assert job.status == "failed"
        else:
            assert job.result(timeout=0) == {"total.output": [{"count": 2, "sum": 4 * i}]}


def test_two_flows_at_once(runtime: rd.Runtime) -> None:
    """They share the runtime and the ids of their routines, and nothing else."""
    sums = Running(runtime, build({"each": each, "end": Total()}, "each -> end"))
    users = Running(runtime, build({"each": each, "end": TotalByField()}, "each -> end"))
    pairs = [
        (sums.post("each.input", range(n)), users.post("each.input", [{"user": f"u{n}", "amount": n}] * 3))
        for n in range(20)
    ]
    for n, (total, by_user) in enumerate(pairs):
        assert total.result(timeout=WAIT) == {"end.output": [{"count": n, "sum": sum(range(n))}]}
        assert by_user.result(timeout=WAIT) == {"end.output": [(f"u{n}", 3 * n)]}


def test_several_threads_post_at_once(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"double": double, "increment": increment}, "double -> increment"))
    start = threading.Barrier(4)

    def client(number: int) -> list[list[int]]:
        start.wait(timeout=WAIT)
        jobs = [running.post("double.input", 100 * number + i) for i in range(10)]
        return [job.result(timeout=WAIT)["increment.output"] for job in jobs]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(client, range(4)))
    assert answers == [[[2 * (100 * number + i) + 1] for i in range(10)] for number in range(4)]


def test_messages_are_added_to_an_open_job(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"total": Total()}))
    job = running.post("total.input", 1, close=False)
    for n in range(2, 11):
        same_job = running.post("total.input", n, job_id=job.job_id, close=False)
        assert same_job.job_id == job.job_id
    assert not job.done()
    job.close()
    assert job.result(timeout=WAIT) == {"total.output": [{"count": 10, "sum": 55}]}


def test_submit_serves_many_flows_in_a_row(runtime: rd.Runtime) -> None:
    flow = build({"double": double})
    jobs = [runtime.submit(flow, i) for i in range(20)]
    assert [job.result(timeout=WAIT) for job in jobs] == [{"double.output": [2 * i]} for i in range(20)]
