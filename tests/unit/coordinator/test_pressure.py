from __future__ import annotations

from collections.abc import Callable

import pytest

import routilux_dist as rd
from routilux_dist.coordinator import picture, pressure, views
from routilux_dist.coordinator.events import CapacityChanged, Restarted, SliceFinished
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing import Bench
from routilux_dist.testing.bench import compile_for
from routilux_dist.wire.slices import Slice
from tests.unit.coordinator.conftest import ring, summing, total

Build = Callable[..., Bench]
NARROW = Tuning(max_pending_blocks=3)


def fork(**options: object) -> rd.Flow:
    """a -> b -> total, and beside: a -> other."""
    flow = rd.Flow("fork", **options)
    for name in ("a", "b", "other", "alone"):
        flow.add_routine(lambda x: x, name)
    flow.add_routine(total(), "total")
    flow.connect("a.output", "b.input")
    flow.connect("b.output", "total.input")
    flow.connect("a.output", "other.input")
    return flow


def out(one: Bench) -> dict[str, int]:
    """Slices in flight by the routine of their first block."""
    found: dict[str, int] = {}
    for work in one.slices.values():
        name = one.plan.ports[work.blocks[0][1].port].routine
        found[name] = found.get(name, 0) + 1
    return found


def slice_of(one: Bench, routine: str) -> Slice:
    return next(w for w in one.slices.values() if one.plan.ports[w.blocks[0][1].port].routine == routine)


def flood(one: Bench, job: str = "j", times: int = 4) -> None:
    """Messages of `a` each lead to one of `total`, which runs and does not end: the others wait."""
    for _ in range(times):
        one.post(job, "a.input", last=False)
        one.finish(slice_of(one, "a"), emit={"total.input": 1})


def test_ports_that_lead_to_a_routine() -> None:
    plan = compile_for(fork())
    assert {plan.ports[p].path for p in pressure.before(plan, "total")} >= {"a.input", "b.input"}
    assert not {plan.ports[p].routine for p in pressure.before(plan, "total")} & {"other", "alone", "total"}
    assert pressure.before(plan, "a") == frozenset()


def test_in_a_cycle_nobody_waits_for_anybody() -> None:
    plan = compile_for(ring())
    assert {plan.ports[p].routine for p in pressure.before(plan, "second")} == {"a"}


def test_what_leads_to_a_late_routine_waits_and_other_branches_go_on(bench: Build) -> None:
    one = bench(fork(), workers=4, homes=1, tuning=NARROW)
    flood(one)
    for path in ("a.input", "b.input", "other.input", "alone.input"):
        one.post("j", path, last=False)
    assert out(one) == {"total": 1, "other": 1, "alone": 1}
    assert "a.input, b.input: held up" in views.describe(one.machine, one.job("j"))
    one.finish(slice_of(one, "total"))
    assert out(one) == {"total": 1, "other": 1, "alone": 1, "a": 1}, "it has caught up"
    one.ask("j", "close")
    one.run_out()
    assert one.job("j").status == "completed"


def test_started_work_waits_as_well(bench: Build) -> None:
    """One message from outside may be a list of a million."""
    one = bench(fork(), workers=1, homes=1, tuning=NARROW)
    flood(one)
    one.post("j", "other.input", last=False)
    one.finish(slice_of(one, "other"), emit={"b.input": 5})
    assert out(one) == {"total": 1}
    one.ask("j", "close")
    one.run_out()
    assert one.job("j").done == one.job("j").accepted


@pytest.mark.parametrize("tuning", [NARROW, Tuning(max_pending_bytes=1000)])
def test_blocks_and_bytes_are_bounded(bench: Build, tuning: Tuning) -> None:
    """However long the producer goes on: a hundred messages, each a block of 400 bytes, and what has begun is bounded."""
    one = bench(summing(), workers=2, homes=1, tuning=tuning)
    for _ in range(100):
        one.post("j", "a.input", last=False, nbytes=400)
    most = 0
    for step in range(10_000):
        if not one.slices:
            break
        names = out(one)
        # The consumer ends one slice for a hundred of the producer.
        slow = "a" not in names or step % 100 == 0
        work = slice_of(one, "total" if slow and "total" in names else next(iter(names)))
        one.finish(work, emit={} if one.plan.ports[work.blocks[0][1].port].routine == "total" else {"total.input": 1})
        most = max(most, sum(lane.backlog_blocks for lane in one.machine.lanes.values()))
    assert one.job("j").done == 200
    assert most <= 3 + 2, "the bound, and a slice of each worker"


def test_a_paused_job_holds_nobody_up(bench: Build) -> None:
    one = bench(summing(), workers=2, homes=1, tuning=NARROW)
    for job in ("first", "paused", "third", "fourth"):
        flood(one, job, 1)
    one.post("j", "a.input")
    assert out(one) == {"total": 1}
    one.ask("paused", "pause")
    assert out(one) == {"total": 1, "a": 1}
    one.ask("paused", "resume")
    one.finish(slice_of(one, "a"))
    one.post("j2", "a.input")
    assert out(one) == {"total": 1}
    one.ask("paused", "cancel")
    assert out(one) == {"total": 1, "a": 1}


def test_each_home_has_its_share(bench: Build) -> None:
    one = bench(summing(), workers=2, homes=2, tuning=Tuning(max_pending_blocks=4))
    flood(one, times=3)  # all of them for the home of the job, whose share is two
    one.post("j", "a.input", last=False)
    assert out(one) == {"total": 1}


def test_one_activation_that_emits_without_end_is_ended_by_max_messages(bench: Build) -> None:
    one = bench(summing(max_messages=50), homes=1, tuning=NARROW)
    one.post("j", "a.input", last=False)
    one.finish(emit={"total.input": 40})
    one.post("j", "a.input", last=False)
    one.finish(slice_of(one, "a"), emit={"total.input": 40})
    assert one.job("j").status == "failed"
    assert "max_messages=50" in one.job("j").failure.message  # type: ignore[union-attr]
    assert not any(lane.backlog for lane in one.machine.lanes.values())


def test_a_job_that_has_emitted_too_much_at_once_holds_up_itself_alone(bench: Build) -> None:
    one = bench(fork(), homes=1, tuning=Tuning(max_pending_blocks=4))
    for name in ("huge", "small", "other"):
        one.post(name, "total.input", last=False)
    work = slice_of(one, "total")
    one.post("huge", "a.input", last=False)
    huge = slice_of(one, "a")
    blocks = [huge.blocks[0][1]._replace(port=one.port("total.input"), entry=False) for _ in range(9)]
    receipt = one.receipt(huge)
    receipt.blocks.extend(blocks)
    receipt.tally("huge").emitted += 9
    del one.slices[huge.id]
    one.feed(SliceFinished(receipt))
    one.post("huge", "a.input", last=False)
    assert out(one) == {"total": 1}
    one.post("small", "a.input", last=False)
    assert out(one) == {"total": 1, "a": 1}, "the small job begins"
    for _ in range(2):
        one.finish(slice_of(one, "a"), emit={"total.input": 1})
        one.post("small", "a.input", last=False)
    assert out(one) == {"total": 1}, "two of a bound of four are all that others than the huge one may have there"
    assert "held up" in views.describe(one.machine, one.job("small"))
    assert work.id in one.slices
    one.run_out()
    assert one.job("huge").pending == one.job("small").pending == 0


def test_what_slices_lead_to_fits_into_what_may_wait(bench: Build) -> None:
    """A quarter of it each, as two workers may have two slices each; who leads to nothing is not bound."""
    one = bench(fork(), workers=2, homes=1, tuning=Tuning(max_pending_bytes=8000))
    one.post("j", "a.input", 10, nbytes=2000, last=False)
    one.finish(emit={"total.input": 10}, seconds=0.001)
    assert one.machine.costs[one.port("a.input")].sent == 200
    one.finish(slice_of(one, "total"), seconds=0.001)
    one.post("j", "a.input", 30, nbytes=30, last=False)
    work = slice_of(one, "a")
    assert [block.rows for _, block in work.blocks] == [10]
    one.finish(work, emit={"total.input": 10}, seconds=0.001)
    assert one.machine.costs[one.port("a.input")].sent < 200, "small ones count as well"
    one.finish(slice_of(one, "total"), seconds=0.001)
    one.post("k", "total.input", 30, nbytes=30, last=False)
    assert [block.rows for _, block in slice_of(one, "total").blocks] == [30]
    again = bench(fork(), workers=2, homes=1)
    picture.restore(again.machine, picture.take(one.machine))
    assert again.machine.costs[one.port("a.input")].sent == one.machine.costs[one.port("a.input")].sent


def test_a_message_that_leads_to_more_than_may_wait_is_sent_alone(bench: Build) -> None:
    one = bench(fork(), workers=1, homes=1, tuning=Tuning(max_pending_bytes=100))
    one.post("j", "a.input", nbytes=1000, last=False)
    one.finish(emit={"total.input": 1}, seconds=0.001)
    one.run_out()
    for _ in range(2):
        one.post("j", "a.input", 2, last=False)
    assert [block.rows for _, block in slice_of(one, "a").blocks] == [1]


def test_a_port_that_once_led_to_something_may_lead_to_nothing_for_ever(bench: Build) -> None:
    one = bench(fork(), workers=1, homes=1)
    one.post("j", "a.input", nbytes=1000, last=False)
    one.finish(emit={"total.input": 1}, seconds=0.001)
    one.run_out()
    for _ in range(1200):
        one.post("j", "a.input", last=False)
        one.finish(seconds=0.001)
    assert one.machine.costs[one.port("a.input")].sent == 0.0


def test_of_a_slice_with_several_ports_nobody_knows_which_led_to_what(bench: Build) -> None:
    one = bench(fork(), workers=1, homes=1)
    one.post("j", "a.input", nbytes=1000, last=False)
    costs = {one.port("a.input"): (1, 0.001), one.port("b.input"): (9, 0.001)}
    one.finish(emit={"total.input": 1}, costs=costs)
    assert {port: one.machine.costs[port].sent for port in costs} == dict.fromkeys(costs, 0.0)


def test_without_workers_nothing_is_sent_also_where_homes_are(bench: Build) -> None:
    one = bench(fork(), workers=1, homes=1, keeps=True)
    one.post("j", "total.input", 4, nbytes=400, last=False)
    one.finish(seconds=0.001)
    one.post("j", "total.input", 4, last=False)
    one.slices.clear()
    one.feed(Restarted(0))
    assert not one.machine.flights
    one.feed(CapacityChanged(1))
    assert out(one) == {"total": 1}
