"""Job data and the job as a routine sees it."""

from __future__ import annotations

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import each
from tests.conformance.routines.stateful import add_text_to_sum, read_note, reduce_all, whoami, write_then_read
from tests.conformance.support import Running, build, completed, ended, failure, root_cause


def test_every_reducer(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "reduce": reduce_all}, "each -> reduce")
    data = completed(runtime, flow, range(1, 101)).data
    assert data["sum"] == 5050
    assert data["max"] == 100
    assert data["min"] == 1
    assert sorted(data["append"]) == list(range(1, 101))
    assert set(data["union"]) == {0, 1, 2}
    assert data["last"] in range(1, 101)
    assert data["first_name"] == "name 001"


def test_append_keeps_the_order_of_one_activation(runtime: rd.Runtime) -> None:
    job = completed(runtime, build({"many": AppendMany()}), 50)
    assert job.data == {"log": list(range(50))}


def test_a_write_is_visible_to_its_own_activation_and_to_what_it_sent(runtime: rd.Runtime) -> None:
    flow = build({"write": write_then_read, "read": read_note}, "write -> read")
    job = completed(runtime, flow, 7)
    assert job.result(timeout=0) == {"read.output": [{"note": "note 7", "seen": 1}]}
    assert job.data == {"note": "note 7", "seen": 1}
    [own] = completed(runtime, build({"write": write_then_read}), 8).result(timeout=0)["write.output"]
    assert own == {"before": "nothing", "after": "note 8", "seen": 1}


def test_data_of_one_job_is_not_seen_by_another(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"write": write_then_read}))
    for i in range(3):
        [own] = running.run("write.input", i)["write.output"]
        assert own == {"before": "nothing", "after": f"note {i}", "seen": 1}


def test_a_job_without_data_has_none(runtime: rd.Runtime) -> None:
    assert completed(runtime, build({"each": each}), [1]).data == {}


@pytest.mark.parametrize("value", ["text", None, [1]])
def test_sum_takes_numbers(runtime: rd.Runtime, value: object) -> None:
    error = failure(ended(runtime, build({"add": add_text_to_sum}), value))
    assert "ValidationError" in root_cause(error)
    assert "'total'" in root_cause(error)
    assert "sum" in root_cause(error)
    assert "number" in root_cause(error)


def test_a_routine_knows_its_job(runtime: rd.Runtime) -> None:
    flow = build({"who": whoami})
    running = Running(runtime, flow)
    job = running.post("who.input", None, metadata={"user": "u1"})
    [seen] = job.result(timeout=60)["who.output"]
    assert seen.pop("idempotency_key")
    assert seen == {
        "job_id": job.job_id,
        "flow_id": flow.name,
        "routine_id": "who",
        "metadata": {"user": "u1"},
        "correlation_id": seen["correlation_id"],
        "attempt": 1,
        "cancelled": False,
    }
    assert any("looked in the mirror" in str(entry) for entry in job.history)


def test_a_job_has_the_id_that_it_was_given(runtime: rd.Runtime) -> None:
    job = completed(runtime, build({"who": whoami}), None, job_id="nightly-7")
    assert job.job_id == "nightly-7"
    [seen] = job.result(timeout=0)["who.output"]
    assert seen["job_id"] == "nightly-7"
    assert seen["metadata"] == {}


def test_idempotency_keys_differ_between_messages(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "who": whoami}, "each -> who")
    seen = completed(runtime, flow, range(200)).result(timeout=0)["who.output"]
    assert len({s["idempotency_key"] for s in seen}) == 200


def test_there_is_no_job_outside_of_a_routine() -> None:
    with pytest.raises(rd.StateError, match="current_job"):
        rd.current_job()


class AppendMany(rd.Routine):
    """One activation that appends many times."""

    def setup(self) -> None:
        self.add_slot("input")

    def logic(self, n: int) -> None:
        for i in range(n):
            rd.current_job().update("log", i, reducer="append")
