from __future__ import annotations

from collections.abc import Callable

import pytest

from routilux_dist.coordinator import commit
from routilux_dist.coordinator.commands import Deliver, Report
from routilux_dist.coordinator.events import SliceFinished, SliceLost
from routilux_dist.errors import InternalError
from routilux_dist.testing import Bench
from routilux_dist.wire.slices import Tally
from tests.unit.coordinator.conftest import chain, summing

Build = Callable[..., Bench]


def test_a_receipt_is_committed_as_a_whole(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 5)
    one.finish(
        emit={"b.input": 3},
        output={"b.output": 2},
        left=1,
        dead=1,
        data={"j": {"n": ("sum", 2)}},
        traces=[("j", 0, "hello")],
    )
    job = one.job("j")
    assert (job.accepted, job.done, job.dead, job.output_rows) == (8, 3, 1, 2)
    assert job.pending + job.flying == 4
    assert job.data == {"n": ("sum", 2)}
    assert ("trace", "a", "hello") in [entry[1:] for entry in job.history]
    one.run_out()
    report = one.of(Report)[0]
    assert (report.status, len(report.outputs), len(report.letters), len(report.failures)) == ("completed", 1, 1, 1)


def test_job_data_of_slices_is_folded(bench: Build) -> None:
    one = bench()
    for n in (1, 2):
        one.post("j", "a.input", last=False)
        one.finish(data={"j": {"n": ("sum", n), "log": ("append", [n])}})
    assert one.job("j").data == {"n": ("sum", 3), "log": ("append", [1, 2])}


def test_job_data_that_cannot_be_folded_stops_the_job(bench: Build) -> None:
    one = bench(workers=2)
    for _ in range(2):
        one.post("j", "a.input", last=False)
    one.finish(data={"j": {"n": ("max", 1)}})
    one.finish(data={"j": {"n": ("max", "text")}})
    failure = one.of(Report)[0].failure
    assert failure.error_type == "ValidationError"
    assert "'n'" in failure.message


def test_a_late_receipt_is_ignored(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", last=False)
    work = next(iter(one.slices.values()))
    receipt = one.finish(work)
    for late in (receipt, one.receipt(work._replace(id=99)), one.receipt(work._replace(attempt=2))):
        one.feed(SliceFinished(late))
    assert one.job("j").done == 1
    one.feed(SliceLost(work.id, 1, "late"))
    assert "late receipt" in one.machine.story.tell()


def test_untouched_blocks_go_back_in_their_order(bench: Build) -> None:
    one = bench()
    one.machine.learn(one.port("a.input"), 1, 1e-6)
    one.post("first", "a.input")
    for n in range(3):
        one.post("j", "a.input", n + 1, last=False)
    one.finish()
    work = next(iter(one.slices.values()))
    numbers = [number for number, _ in work.blocks]
    assert len(numbers) == 3
    one.finish(work, untouched=numbers[1:])
    again = next(iter(one.slices.values()))
    assert [number for number, _ in again.blocks] == numbers[1:]


def test_a_stop_ends_its_job_and_no_other(bench: Build) -> None:
    one = bench()
    one.machine.learn(one.port("a.input"), 1, 1e-6)
    one.post("first", "a.input")
    one.post("bad", "a.input")
    one.post("good", "a.input")
    one.finish()
    work = next(iter(one.slices.values()))
    assert {block.job for _, block in work.blocks} == {"bad", "good"}
    one.finish(work, job="bad", emit={"b.input": 2}, stop="no")
    assert one.job("bad").status == "failed"
    bad = one.job("bad")
    assert (bad.accepted, bad.done, bad.discarded) == (3, 1, 2)
    assert one.job("good").status == "completed"


def test_a_receipt_for_a_cancelled_job_changes_nothing(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 2)
    one.ask("j", "cancel")
    one.finish(emit={"b.input": 5}, output={"b.output": 5}, data={"j": {"n": ("sum", 1)}})
    job = one.job("j")
    assert (job.accepted, job.done, job.discarded, job.data, job.output_rows) == (2, 0, 2, {}, 0)
    assert not one.slices


def test_a_receipt_of_an_earlier_job_of_that_name_changes_nothing(bench: Build) -> None:
    one = bench(workers=2)
    one.post("j", "a.input", 2)
    old = next(iter(one.slices.values()))
    one.ask("j", "cancel")
    one.ask("j", "release")
    one.post("j", "a.input")
    one.finish(old)
    assert (one.job("j").done, one.job("j").flying) == (0, 1)


@pytest.mark.parametrize("forged", ["emitted", "done", "dead"])
def test_a_receipt_that_makes_or_loses_messages_is_found_out(bench: Build, forged: str) -> None:
    one = Bench(chain())
    one.post("j", "a.input")
    receipt = one.receipt(next(iter(one.slices.values())))
    tally = receipt.tallies["j"]
    setattr(tally, forged, getattr(tally, forged) + 1)
    with pytest.raises(InternalError, match="does not conserve messages of job 'j'"):
        one.feed(SliceFinished(receipt))


def test_a_receipt_without_counts_is_found_out() -> None:
    one = Bench(chain())
    one.post("j", "a.input")
    receipt = one.receipt(next(iter(one.slices.values())))
    receipt.tallies["j"] = Tally()
    with pytest.raises(InternalError, match="consumed 1"):
        one.feed(SliceFinished(receipt))


def test_streams_get_their_outputs_at_once(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 2, last=False, stream=True)
    one.finish(output={"b.output": 2}, items={"j": ([(0, 2)], [], [])})
    (delivery,) = one.of(Deliver)
    assert (delivery.client, delivery.items) == ("client", ([(0, 2)], [], []))
    assert len(delivery.outputs) == 1
    assert one.job("j").outputs == []


def test_dead_letters_of_a_stream_go_to_its_client(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 1, last=False, stream=True)
    one.finish(dead=1)
    assert len(one.of(Deliver)[0].letters) == 1
    assert one.job("j").letters == []


def test_errors_are_kept_up_to_a_bound(bench: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "MAX_FAILURES", 2)
    one = bench()
    one.post("j", "a.input", 5)
    one.finish(dead=5)
    assert len(one.job("j").failures) == 2
    assert one.job("j").dead == 5


def test_too_many_messages_at_a_commit(bench: Build) -> None:
    one = bench(chain(max_messages=3))
    one.post("j", "a.input")
    one.finish(emit={"b.input": 3})
    failure = one.of(Report)[0].failure
    assert failure.error_type == "LimitExceededError"
    assert "max_messages=3" in failure.message


# ---- what a slice leaves over ---------------------------------------------------------------------------------------


def test_a_home_goes_on_with_what_it_left_over_before_what_came_meanwhile(bench: Build) -> None:
    one = bench(summing(), homes=1)
    one.post("j", "a.input", 2, last=False)
    one.finish(emit={"total.input": 4})
    work = next(iter(one.slices.values()))
    one.post("j", "a.input", last=False)
    one.finish(next(w for w in one.slices.values() if w is not work), emit={"total.input": 7})
    one.finish(work, left=3)
    (again,) = one.slices.values()
    assert next(block.rows for _, block in again.blocks) == 3


def test_a_home_gets_one_slice_at_a_time(bench: Build) -> None:
    one = bench(summing(), homes=1, lookahead=True, workers=2)
    one.machine.learn(one.port("total.input"), 1, 1.0)
    for _ in range(4):
        one.post("j", "total.input", last=False)
    assert len(one.slices) == 1


def test_elsewhere_what_is_left_over_waits_its_turn(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", last=False)
    one.finish(emit={"b.input": 4})
    one.post("j", "a.input", last=False)
    one.finish(left=1)
    assert one.machine.lanes[0, 0].rows[one.port("b.input")] == 0
