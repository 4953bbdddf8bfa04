from __future__ import annotations

from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.coordinator.commands import Report
from routilux_dist.coordinator.events import ControlAsked, Posted, SliceFinished
from routilux_dist.driver.driver import Driver
from routilux_dist.testing import Bench, FakeClock
from routilux_dist.wire.block import Block, Rows


class Body:
    """Notes what it is told to do."""

    def __init__(self) -> None:
        self.done: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.done.append((name, args))

    def of(self, name: str) -> list[Any]:
        return [args for done, args in self.done if done == name]


class Stand:
    """A driver with a body that does nothing; the bench lends it a machine and makes receipts."""

    def __init__(self, **limits: Any) -> None:
        flow = rd.Flow("driven", **limits)
        flow.add_routine(lambda x: x, "a")
        self.bench = Bench(flow)
        self.body, self.clock = Body(), FakeClock()
        self.driver = Driver(self.bench.machine, self.body, self.clock)

    def post(self, job: str = "j", rows: int = 1, **fields: Any) -> None:
        block = Block(job, self.bench.port("a.input"), 0, rows, 0, 1, 0, True, "", Rows(list(range(rows))))
        self.driver.feed(Posted(job=job, blocks=(block,), client="c", **fields))

    def finish(self, **what: Any) -> None:
        (work,) = self.body.of("dispatch")[-1]
        self.driver.feed(SliceFinished(self.bench.receipt(work, **what)))


def test_commands_are_carried_out() -> None:
    stand = Stand()
    stand.post()
    assert len(stand.body.of("dispatch")) == 1
    stand.finish(output={"a.output": 1}, seconds=0.1)
    news = [type(args[0]).__name__ for args in stand.body.of("tell")]
    assert sorted(news) == ["Advise", "Report"]


def test_timers_fire_when_due_and_in_order() -> None:
    stand = Stand(execution_timeout=10.0)
    assert stand.driver.next_due() is None
    stand.post("one", last=False)
    stand.clock.advance(1.0)
    stand.post("two", last=False)
    assert stand.driver.next_due() == 10.0
    stand.driver.due()
    assert not stand.body.of("tell")
    stand.clock.advance(9.5)
    stand.driver.due()
    told = [args[0] for args in stand.body.of("tell") if isinstance(args[0], Report)]
    assert [report.job for report in told] == ["one"]
    stand.clock.advance(100.0)
    stand.driver.due()
    assert stand.bench.machine.jobs == {}


def test_questions_are_answered_as_of_now() -> None:
    stand = Stand()
    stand.post()
    stand.clock.advance(2.0)
    assert stand.driver.ask("summary", "j")["seconds"] == 2.0
    assert stand.driver.ask("summary", "nobody") is None
    assert stand.driver.ask("overview")["slices_in_flight"] == 1
    stand.finish(output={"a.output": 1}, data={"j": {"n": ("sum", 1)}})
    assert stand.driver.ask("contents", "j")[3] == {"n": ("sum", 1)}
    with pytest.raises(ValueError, match="weather"):
        stand.driver.ask("weather", "j")


def test_the_door_and_unwanted_slices_reach_the_body() -> None:
    stand = Stand()
    stand.post()
    stand.driver.feed(ControlAsked("j", "cancel"))
    assert stand.body.of("abort") == [(1, False)]


def test_timers_of_jobs_that_have_ended_are_forgotten() -> None:
    stand = Stand(execution_timeout=3600.0)
    for number in range(5000):
        stand.post(f"j{number}", rows=1)
        stand.driver.feed(ControlAsked(f"j{number}", "cancel"))
    stand.post("last")
    assert len(stand.driver._timers) < 2000
    stand.clock.advance(3600.0)
    stand.driver.due()
    assert [report.status for (report,) in stand.body.of("tell") if getattr(report, "job", "") == "last"] == ["failed"]
