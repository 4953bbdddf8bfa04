from __future__ import annotations

from collections.abc import Callable

import pytest

import routilux_dist as rd
from routilux_dist.coordinator import picture
from routilux_dist.coordinator.commands import Dispatch
from routilux_dist.coordinator.events import Restarted, SliceFinished
from routilux_dist.testing import Bench
from routilux_dist.wire import codec
from routilux_dist.wire.slices import Kept
from tests.unit.coordinator.conftest import chain, ring, summing

Build = Callable[..., Bench]


def lively(one: Bench) -> None:
    """Bring a machine into a state where every field holds something."""
    one.post("ended", "a.input", 2)
    one.finish(output={one.plan.ports[port].path: 1 for port in one.plan.outputs}, dead=1)
    one.run_out()
    one.post("j", "a.input", 5, last=False, metadata={"user": "ann"}, correlation_id="c")
    one.finish(dead=1, retry=(5.0, 1), left=1, data={"j": {"n": ("sum", 2), "l": ("append", [1])}}, seconds=0.5)
    one.post("j", "a.input", 3, last=False)
    one.post("paused", "a.input", 2, last=False)
    one.ask("paused", "pause")
    one.ask("j", "checkpoint", "here")
    one.lose()


@pytest.mark.parametrize("flow", [chain, summing, ring])
def test_a_machine_goes_on_from_its_picture(bench: Build, flow: Callable[[], rd.Flow]) -> None:
    one, other = bench(flow(), workers=2, keeps=True), bench(flow(), workers=2, keeps=True)
    lively(one)
    taken = picture.take(one.machine)
    picture.restore(other.machine, taken)
    assert picture.take(other.machine) == taken
    other.slices, other.timers = dict(one.slices), list(one.timers)
    other.clock.now = one.clock.now
    for both in (one, other):  # the same events from here on lead to the same
        both.ask("paused", "resume")
        both.tick(10)
        for job in ("j", "paused"):
            both.ask(job, "close")
        both.run_out()
    assert picture.take(other.machine) == picture.take(one.machine)
    assert [type(command) for command in other.told] == [type(command) for command in one.told[-len(other.told) :]]


def test_after_a_restart_nothing_is_out(bench: Build) -> None:
    one = bench(workers=2)
    for _ in range(3):
        one.post("j", "a.input", last=False)
    before = dict(one.slices)
    one.slices.clear()
    commands = one.feed(Restarted(workers=1))
    assert one.job("j").flying == 1
    (again,) = [command.slice for command in commands if isinstance(command, Dispatch)]
    assert again.blocks == next(iter(before.values())).blocks, "the oldest comes first"
    one.feed(SliceFinished(one.receipt(next(iter(before.values())))))
    assert one.job("j").done == 0, "a receipt of the one before counts for nothing"
    one.run_out()
    assert one.job("j").done == 3


def test_after_a_restart_homes_are_told_their_state(bench: Build) -> None:
    one = bench(summing(), homes=1, keeps=True)
    one.post("j", "total.input", last=False)
    body = codec.encode("state")
    one.finish(kept=[Kept("j", 1, 0, body), Kept("", 1, 3, body)])
    one.feed(Restarted(workers=1))
    one.post("j", "total.input", last=False)
    (work,) = one.slices.values()
    assert work.state == (Kept("j", 1, 0, body), Kept("", 1, 3, body))
    one.ask("j", "cancel")
    one.finish()
    assert list(one.machine.lanes[1, 0].kept) == [""], "the state of a job ends with it"
