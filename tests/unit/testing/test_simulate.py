from __future__ import annotations

import pytest

import routilux_dist as rd
from routilux_dist.testing import Faults, Outcome, SimulationError, simulate
from tests.meta.repo import python

BANK: list[str] = []
PAID: dict[str, int] = {}


def pay(amount: int) -> int:
    BANK.append(str(amount))
    return amount


def pay_once(amount: int) -> int:
    PAID[rd.current_job().idempotency_key] = amount
    return amount


class Total(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(total=0)

    def logic(self, x: int) -> None:
        self.state["total"] += x

    def finish(self) -> int:
        return self.state["total"]


def flow(function: object, *more: object) -> rd.Flow:
    made = rd.Flow("shop")
    made.add_routine(lambda amounts: iter_of(amounts), "order")
    made.add_routine(function, "pay")
    made.connect("order.output", "pay.input")
    for routine in more:
        made.add_routine(routine, "more")
        made.connect("pay.output", "more.input")
    return made


def single(function: object) -> rd.Flow:
    made = rd.Flow("till")
    made.add_routine(function, "pay")
    return made


def iter_of(amounts: list[int]):  # type: ignore[no-untyped-def]
    yield from amounts


def paid_each_once(outcomes: list[Outcome]) -> None:
    assert sorted(BANK) == sorted(str(amount) for one in outcomes for amount in one.payload)


def test_a_payment_that_is_made_twice_is_found() -> None:
    with pytest.raises(SimulationError, match=r"seed \d+, shrunk to the tape") as caught:
        simulate(flow(pay), [[5], [7, 9]], check=paid_each_once, setup=BANK.clear)
    report = caught.value.report
    assert report is not None
    assert report.breach is not None
    assert report.breach.tape
    assert sum(line.strip().split()[1] == "!!" for line in report.breach.trace) == 1, "one fault is enough"
    assert isinstance(caught.value.__cause__, AssertionError)


def test_a_payment_with_an_idempotency_key_is_right() -> None:
    def check(outcomes: list[Outcome]) -> None:
        assert sorted(PAID.values()) == [5, 7, 9]
        assert [one.status for one in outcomes] == ["completed"] * 3
        assert [one.outputs["pay.output"] for one in outcomes] == [[5], [7], [9]]

    report = simulate(single(pay_once), [5, 7, 9], check=check, setup=PAID.clear, seeds=150)
    assert report.breach is None
    assert report.schedules == 150


def test_without_a_check_outputs_are_compared_with_those_of_a_calm_run() -> None:
    assert simulate(flow(pay, Total()), [[1, 2, 3], [4]], seeds=150).schedules == 150


def test_state_that_dies_with_its_process_fails_the_job_and_breaks_nothing() -> None:
    report = simulate(flow(pay, Total()), [[1, 2], [4]], seeds=200, faults=Faults(("home", "death")))
    assert report.statuses["failed"] > 0


def test_what_depends_on_what_ran_before_is_found() -> None:
    seen: list[int] = []

    def forgetful(amount: int) -> int:
        seen.append(amount)
        return seen.count(amount)

    with pytest.raises(SimulationError, match="without faults"):
        simulate(flow(forgetful), [[5]], setup=seen.clear)


def test_a_check_that_never_holds_is_told_apart() -> None:
    def check(outcomes: list[Outcome]) -> None:
        raise AssertionError("no")

    with pytest.raises(SimulationError, match="not even hold when nothing fails"):
        simulate(flow(pay), [[1]], check=check)


def test_the_kit_is_at_hand_but_not_loaded_before() -> None:
    assert rd.testing.simulate is simulate
    done = python("import sys, routilux_dist; sys.exit('routilux_dist.testing' in sys.modules)")
    assert done.returncode == 0, done.stderr


def test_seeds_may_be_named() -> None:
    assert simulate(flow(pay), [[1]], seeds=[7, 8]).schedules == 2


def test_failed_jobs_and_dead_letters_are_outcomes() -> None:
    def refuse(amount: int) -> int:
        raise ValueError(f"{amount} is too much")

    def check(outcomes: list[Outcome]) -> None:
        (one,) = outcomes
        assert one.status == "failed"
        assert isinstance(one.error, rd.JobFailedError)
        assert [str(letter.error) for letter in one.dead_letters] == ["5 is too much"]
        assert not one.died

    assert simulate(flow(refuse), [[5]], check=check, seeds=60).statuses == {"failed": 60}
