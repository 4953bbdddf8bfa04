from __future__ import annotations

from collections.abc import Callable

import pytest

from routilux_dist.coordinator.commands import Advise
from routilux_dist.coordinator.events import TimerFired
from routilux_dist.errors import InternalError
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing import Bench
from tests.unit.coordinator.conftest import chain

Build = Callable[..., Bench]


@pytest.mark.parametrize("event", [None, "posted", object()])
def test_an_unknown_event_is_a_fault(bench: Build, event: object) -> None:
    with pytest.raises(InternalError, match="unknown event"):
        bench().feed(event)  # type: ignore[arg-type]


def test_an_unknown_timer_is_a_fault(bench: Build) -> None:
    with pytest.raises(InternalError, match="unknown timer"):
        bench().feed(TimerFired(("tea",)))


def test_producers_are_told_how_many_messages_a_block_should_hold(bench: Build) -> None:
    one = bench(tuning=Tuning(slice_seconds=0.08, block_rows=500))
    port = one.port("a.input")
    one.machine._commands = []
    for seconds, expected in ((0.001, {port: 10}), (0.0011, None), (10.0, {port: 1}), (0.0, None)):
        one.machine._commands.clear()
        one.machine.learn(port, 1, seconds)
        advised = [c.rows for c in one.machine._commands if isinstance(c, Advise)]
        assert advised == ([expected] if expected else [])
    for _ in range(99):
        one.machine.learn(port, 100, 0.0)
    assert one.machine.advice[port] == 500


def test_no_rows_teach_nothing(bench: Build) -> None:
    one = bench()
    one.machine.learn(one.port("a.input"), 0, 1.0)
    assert one.machine.costs == {}


def test_history_is_bounded_in_length_and_age(bench: Build) -> None:
    one = bench(chain(max_history_size=3, history_ttl_seconds=10.0))
    one.post("j", "a.input", last=False)
    for n in range(5):
        one.machine.note(one.job("j"), "trace", str(n))
    assert [entry.text for entry in one.job("j").history] == ["2", "3", "4"]
    one.clock.advance(11.0)
    one.ask("j", "resume")  # any event: the machine has no clock of its own
    one.machine.note(one.job("j"), "trace", "new")
    assert [entry.text for entry in one.job("j").history] == ["new"]
    assert one.job("j").history[0].time == one.clock.wall()


def test_jobs_are_found_alive_and_remembered(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    assert one.machine.find("j") is one.machine.jobs["j"]
    one.run_out()
    assert one.machine.find("j") is one.machine.ended["j"]
    assert one.machine.find("nobody") is None
