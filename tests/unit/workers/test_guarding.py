from __future__ import annotations

from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from routilux_dist.wire import codec
from routilux_dist.wire.slices import Receipt


class Total(rd.Routine):
    def __init__(self, scope: str = "job") -> None:
        super().__init__()
        self.add_state(total=0, seen=[], key="user", scope=scope)

    def setup(self) -> None:
        self.add_slot("input")

    def logic(self, input: dict[str, Any]) -> None:
        self.state["total"] += input["n"]
        self.state["seen"].append(input["n"])


def positive(state: dict[str, Any]) -> str:
    return "" if state["total"] >= 0 else f"total is {state['total']}"


def bench_of(scope: str = "job", *, keeps: bool = True, **options: Any) -> Workbench:
    flow = rd.Flow("guarded")
    flow.add_routine(Total(scope), "sum")
    flow.add_validator(options.pop("check", positive), **options)
    return Workbench(flow, keeps=keeps)


def message(n: int, user: str = "ann") -> dict[str, Any]:
    return {"user": user, "n": n}


def kept(receipt: Receipt) -> dict[Any, int]:
    pieces = [codec.decode(piece.body) for piece in receipt.kept]
    return {key: data["total"] for key, data, *_ in pieces}


@pytest.mark.parametrize("keeps", [True, False])
def test_state_that_is_not_valid_stops_its_job(keeps: bool) -> None:
    receipt = bench_of(keeps=keeps).send("sum.input", message(3), message(-5, "bob"))
    failure = receipt.stopped["job"]
    assert (failure.kind, failure.error_type, failure.routine) == ("invalid", "StateError", "sum")
    assert failure.message == "the state of routine 'sum', key 'bob', is not valid: total is -5"


def test_what_counts_is_the_state_at_the_end_of_a_slice() -> None:
    receipt = bench_of().send("sum.input", message(-5), message(8))
    assert (receipt.stopped, kept(receipt)) == ({}, {"ann": 3})


def test_only_what_was_touched_is_looked_at() -> None:
    seen: list[Any] = []
    one = bench_of(check=lambda state: seen.append(state["total"]))
    one.send("sum.input", message(1), message(2, "bob"))
    one.send("sum.input", message(3))
    assert seen == [1, 2, 4]


def test_a_validator_of_another_routine_does_not_look() -> None:
    flow = rd.Flow("two")
    flow.add_routine(Total(), "sum")
    flow.add_routine(Total(), "other")
    flow.add_validator(positive, routine="other")
    assert Workbench(flow, "sum").send("sum.input", message(-1)).stopped == {}
    assert Workbench(flow, "other").send("other.input", message(-1)).stopped


def test_state_is_repaired_and_that_is_noted() -> None:
    one = bench_of(repair=lambda state: {**state, "total": 0})
    receipt = one.send("sum.input", message(-5))
    assert (receipt.stopped, kept(receipt)) == ({}, {"ann": 0})
    assert receipt.traces == [
        ("job", 0, "the state of routine 'sum', key 'ann', is not valid: total is -5; it was repaired")
    ]
    assert kept(one.send("sum.input", message(7))) == {"ann": 7}


def failing(state: dict[str, Any]) -> dict[str, Any]:
    raise KeyError("x")


@pytest.mark.parametrize(
    ("repair", "text"),
    [(failing, "its repair failed: KeyError"), (dict, "is not valid all the same: total is -5")],
)
def test_a_repair_that_does_not_help_is_named(repair: Any, text: str) -> None:
    assert text in bench_of(repair=repair).send("sum.input", message(-5)).stopped["job"].message


def test_state_of_the_running_flow_is_put_back_and_stops_the_jobs_of_the_slice() -> None:
    one = bench_of("worker")
    one.send("sum.input", message(3), job="first")
    bad = one.run(one.block("sum.input", [message(-9)], "second"), one.block("sum.input", [message(1)], "third"))
    assert set(bad.stopped) == {"second", "third"}
    assert kept(bad) == {"ann": 3}
    assert kept(one.send("sum.input", message(1), job="fourth")) == {"ann": 4}
