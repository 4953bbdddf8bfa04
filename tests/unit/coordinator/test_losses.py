from __future__ import annotations

from collections.abc import Callable

import pytest

import routilux_dist as rd
from routilux_dist.coordinator import losses, picture
from routilux_dist.coordinator.commands import Abort, Deliver, Report
from routilux_dist.coordinator.events import Restarted, SliceFinished, SliceLost
from routilux_dist.testing import Bench
from routilux_dist.wire import codec
from routilux_dist.wire.block import Rows
from routilux_dist.wire.slices import Kept, Slice
from tests.unit.coordinator.conftest import chain, fetching, summing

Build = Callable[..., Bench]

GO_ON = rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)


def going_on() -> rd.Flow:
    flow = chain()
    flow.set_error_handler(GO_ON)
    return flow


def payloads(work: Slice) -> list[int]:
    return [payload for _, block in work.blocks for payload in codec.rows_of(block).payloads]


def play(one: Bench, poison: set[int]) -> int:
    """Run everything; whoever meets a poison dies. Return how many died."""
    died = 0
    for _ in range(100_000):
        if not one.slices:
            if not one.timers:
                return died
            one.tick(1.0)
            continue
        work = next(iter(one.slices.values()))
        if poison & set(payloads(work)):
            died += 1
            one.lose(work, reason="exit code 139")
        else:
            one.finish(work)
    raise AssertionError("it does not end")


def test_a_lost_slice_runs_again_message_by_message(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 3)
    before = next(iter(one.slices.values()))
    one.lose()
    seen = []
    while one.slices:
        again = next(iter(one.slices.values()))
        assert again.id != before.id
        seen.append(payloads(again))
        one.finish(again)
    assert seen == [[0], [1], [2]]
    assert one.job("j").done == 3


@pytest.mark.parametrize("rows", [1, 2, 16, 17, 1000, 8192])
def test_a_poison_is_found_and_takes_nobody_along(bench: Build, rows: int) -> None:
    one = bench(going_on(), workers=2)
    one.post("j", "a.input", rows)
    assert play(one, {rows // 2}) == losses.MAX_CRASHES
    job = one.job("j")
    assert (str(job.status), job.done, job.dead) == ("completed", rows - 1, 1)
    (letter,) = one.of(Report)[0].letters
    assert codec.rows_of(letter.block).payloads == [rows // 2]
    assert (letter.failure.error_type, letter.failure.attempts) == ("WorkerLostError", 3)
    assert "exit code 139" in letter.failure.message
    assert one.machine.crashes == {}


def test_three_poisons_in_one_slice(bench: Build) -> None:
    one = bench(going_on(), workers=2)
    one.machine.learn(one.port("a.input"), 1, 1e-7)
    one.post("j", "a.input", 8192)
    assert play(one, {5, 4000, 4001}) <= 12
    assert (one.job("j").done, one.job("j").dead) == (8189, 3)


def test_a_poison_fails_its_job_where_errors_stop_it(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 2, last=False)
    play(one, {1})
    (report,) = one.of(Report)
    assert report.failure is not None
    assert (report.status, report.failure.kind, report.failure.routine) == ("failed", "lost", "a")
    assert len(report.letters) == 1
    assert "3 workers died" in report.failure.message


def test_a_poison_of_a_stream_is_its_clients_affair(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 2, last=False, stream=True)
    play(one, {1})
    (letter,) = [letter for delivery in one.of(Deliver) for letter in delivery.letters]
    assert codec.rows_of(letter.block) == ([1], 1)
    assert one.job("j").alive


def test_a_body_that_is_gone_is_not_said_to_have_killed_anybody(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    while one.slices:
        work = one.slices.pop(next(iter(one.slices)))
        one.feed(SliceLost(work.id, work.attempt, "the object store has lost it", lost_body=True))
        one.tick(1.0)
    message = one.of(Report)[0].failure.message
    assert message.startswith("the object store has lost it; it was for a")
    assert "died" not in message
    assert "save the job with checkpoint=" in message


def test_a_loss_may_ask_for_a_pause(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    work = one.slices.pop(next(iter(one.slices)))
    one.feed(SliceLost(work.id, work.attempt, "out of memory", pause=1.0))
    one.tick(0.9)
    assert not one.slices
    one.tick(0.2)
    assert len(one.slices) == 1


def test_suspects_do_not_wait_behind_all_that_waits(bench: Build) -> None:
    one = bench(workers=1)
    one.post("j", "a.input", 3, last=False)
    for _ in range(50):
        one.post("j", "a.input", 5)
    one.lose()
    seen = []
    while len(seen) < 4:
        one.tick(1.0)
        work = next(iter(one.slices.values()))
        seen.append(payloads(work))
        one.finish(work)
    assert seen[:3] == [[0], [1], [2]]


def test_suspects_run_alone(bench: Build) -> None:
    one = bench(workers=1)
    one.machine.learn(one.port("a.input"), 1, 1e-7)
    one.post("j", "a.input", 2, last=False)
    one.post("j", "a.input", 5, last=False)
    one.lose()
    sizes = []
    while one.slices:
        sizes.append(len(payloads(next(iter(one.slices.values())))))
        one.finish()
    assert sorted(sizes) == [1, 1, 5]


def test_a_part_keeps_the_identity_of_its_messages(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 100)  # all in one block: parts of ten, then one by one
    (number,) = [number for number, _ in next(iter(one.slices.values())).blocks]
    one.lose()
    parts = [block.part for _, block in next(iter(one.slices.values())).blocks]
    one.lose()
    while one.slices:
        one.finish()
    one.tick(1.0)
    singles = []
    while one.slices:
        singles += [block.part for _, block in next(iter(one.slices.values())).blocks]
        one.finish()
    assert parts == [(0, number)]
    assert sorted(singles) == [(row, number) for row in range(10)]


def test_an_innocent_loss_does_not_count(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    before = next(iter(one.slices.values()))
    for _ in range(10):
        one.lose(innocent=True)
    assert one.job("j").alive
    assert next(iter(one.slices.values())).blocks == before.blocks


def test_success_clears_the_record(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", last=False)
    one.lose()
    one.finish()
    assert one.machine.crashes == {}


@pytest.mark.parametrize("where", ["queued", "flying", "sleeping"])
def test_an_ended_job_clears_the_record(bench: Build, where: str) -> None:
    one = bench()
    one.post("j", "a.input", 1 if where != "queued" else 2, last=False)
    one.lose()
    if where == "sleeping":
        one.lose()
        assert not one.slices
    one.ask("j", "cancel")
    one.run_out()
    assert one.machine.crashes == {}


def test_a_home_that_dies_takes_its_jobs_along(bench: Build) -> None:
    one = bench(summing(), workers=3)
    for n in range(4):
        one.post(f"j{n}", "total.input", last=False)
    homes = {f"j{n}": one.home(one.port("total.input"), f"j{n}") for n in range(4)}
    work = next(work for work in one.slices.values() if work.partition == homes["j0"])
    one.lose(work)
    for job, home in homes.items():
        assert one.job(job).alive is (home != homes["j0"])
    assert "held its state" in one.of(Report)[0].failure.message


def test_an_innocent_home_keeps_its_jobs(bench: Build) -> None:
    one = bench(summing())
    one.post("j", "total.input", last=False)
    one.lose(innocent=True)
    assert one.job("j").alive
    assert len(one.slices) == 1


def both_at_home() -> tuple[Bench, Slice]:
    """Job "one" has state in a home, and a slice of job "two" is there that nobody wants any more."""
    bench = Bench(summing(), homes=1)
    bench.post("one", "total.input", last=False)
    bench.finish()
    bench.post("two", "total.input", last=False)
    work = next(iter(bench.slices.values()))
    bench.ask("two", "cancel")
    return bench, work


def test_a_home_that_dies_with_what_nobody_wants_takes_the_others_along() -> None:
    one, work = both_at_home()
    one.lose(work)
    assert str(one.job("one").status) == "failed"


def test_a_home_that_was_ended_on_purpose_fails_nobody() -> None:
    one, work = both_at_home()
    one.ask("one", "cancel")
    one.tick(5.0)
    assert [abort.force for abort in one.of(Abort)] == [False, True]
    one.post("three", "total.input", last=False)
    one.lose(work)
    assert str(one.job("three").status) == "running"


def test_what_a_lost_slice_had_to_forget_is_not_forgotten() -> None:
    one = Bench(summing(), homes=1)
    one.post("one", "total.input")
    one.run_out()
    one.ask("one", "release")
    one.post("one", "total.input")
    work = next(iter(one.slices.values()))
    assert work.forget == ("one",)
    one.lose(work, innocent=True)
    assert next(iter(one.slices.values())).forget == ("one",)


def test_a_kept_home_is_built_again_from_its_state(bench: Build) -> None:
    one = bench(summing(), homes=1, keeps=True)
    one.post("j", "total.input", last=False)
    piece = Kept("j", 1, 0, codec.encode("state"))
    one.finish(kept=[piece])
    one.post("j", "total.input", 3, last=False)
    one.lose()
    job = one.job("j")
    assert job.alive
    seen = []
    while one.slices:
        (work,) = one.slices.values()
        seen.append((payloads(work), work.state))
        one.finish(work)
    assert seen == [([0], (piece,)), ([1], None), ([2], None)], "in their order, one by one"


def test_a_poison_at_a_kept_home(bench: Build) -> None:
    flow = summing()
    flow.set_error_handler(GO_ON)
    one = bench(flow, homes=1, keeps=True)
    one.post("j", "total.input", 100)
    assert play(one, {50}) == losses.MAX_CRASHES
    assert (one.job("j").done, one.job("j").dead, str(one.job("j").status)) == (99, 1, "completed")


def test_a_finish_that_kills_its_home_fails_the_job(bench: Build) -> None:
    one = bench(summing(), homes=1, keeps=True)
    one.post("j", "total.input")
    one.finish()
    for _ in range(losses.MAX_CRASHES):
        one.lose()
    assert one.job("j").status == "failed"


def test_nobody_is_put_beside_a_suspect_that_still_runs(bench: Build) -> None:
    """A message that is innocent, and was there twice when others took its host down, would be blamed for a third one."""
    one = bench(fetching())
    one.post("j", "fetch.input", last=False)
    for _ in range(losses.MAX_CRASHES - 1):
        one.lose()
        one.tick(1)
    [alone] = one.slices.values()
    one.post("j", "fetch.input", last=False)
    one.finish(running=[alone.blocks[0][0]])
    [still] = one.slices.values()
    assert (len(still.running), still.blocks) == (1, []), "the other one waits"
    one.finish()
    [after] = one.slices.values()
    assert (after.running, len(after.blocks)) == ((), 1)
    one.lose()
    assert one.job("j").dead == 0


def test_crashes_are_known_to_whoever_goes_on(bench: Build) -> None:
    flow = summing()
    flow.set_error_handler(GO_ON)
    one = bench(flow, homes=1, keeps=True)
    one.post("j", "a.input")
    one.lose()
    one.tick(1)
    again = bench(flow, homes=1, keeps=True)
    picture.restore(again.machine, picture.take(one.machine))
    again.feed(Restarted(1))
    for _ in range(losses.MAX_CRASHES - 1):
        assert again.job("j").dead == 0
        again.lose()
        again.tick(1)
    assert again.job("j").dead == 1


def test_a_sequential_job_that_ends_with_one_of_its_blocks_takes_the_others_along(bench: Build) -> None:
    one = bench(chain(execution_mode="sequential"), keeps=True)
    one.post("j", "a.input")
    one.finish(emit={"b.input": 2})
    work = next(iter(one.slices.values()))
    base = work.blocks[0][1]
    receipt = one.receipt(work)
    receipt.tallies["j"].done -= 2
    receipt.blocks = [base._replace(rows=1, body=Rows([n])) for n in range(2)]
    del one.slices[work.id]
    one.feed(SliceFinished(receipt))
    for _ in range(3):
        one.lose()
        one.tick(1.0)
    job = one.job("j")
    assert (job.status, job.accepted) == ("failed", job.done + job.dead + job.discarded)
