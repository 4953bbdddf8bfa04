from __future__ import annotations

import pytest

from routilux_dist.coordinator import lanes
from routilux_dist.coordinator.state import Job, Lane, Queued
from routilux_dist.ids import JobStatus
from routilux_dist.plan.plan import GroupKind, GroupPlan, Needs
from routilux_dist.wire.block import Block, Rows


@pytest.fixture
def lane() -> Lane:
    return Lane(GroupPlan(0, "pool 0", GroupKind.TASKS, ("a",), Needs()), 0)


def job(name: str, status: JobStatus = JobStatus.RUNNING) -> Job:
    return Job(
        id=name, client="", stream=False, metadata=None, correlation_id=None, ordered=False, created=0.0, status=status
    )


def queued(number: int, owner: Job, *, entry: bool = False, rows: int = 1, port: int = 0) -> Queued:
    return Queued(number, Block(owner.id, port, 0, rows, 0, 1, 0, entry, "", Rows([])))


def taken(lane: Lane, **options: bool) -> list[int]:
    numbers = []
    while lane.order:
        numbers.append(lanes.take(lane, **options).id)
    return numbers


def test_started_work_comes_before_new_work(lane: Lane) -> None:
    one = job("j")
    for number, entry in enumerate((True, False, True, False)):
        lanes.put(lane, one, queued(number, one, entry=entry))
    assert lanes.peek(lane).id == 1
    assert taken(lane) == [1, 3, 0, 2]


def test_jobs_take_turns_unless_order_matters(lane: Lane) -> None:
    one, two = job("one"), job("two")
    for rotate, expected in ((True, [0, 2, 1, 3]), (False, [0, 1, 2, 3])):
        for number in range(4):
            owner = one if number < 2 else two
            lanes.put(lane, owner, queued(number, owner))
        assert taken(lane, rotate=rotate) == expected


def test_what_comes_back_goes_to_the_front(lane: Lane) -> None:
    one = job("j")
    lanes.put(lane, one, queued(1, one))
    lanes.put(lane, one, queued(0, one), front=True)
    assert taken(lane) == [0, 1]


def test_rows_are_counted_by_port(lane: Lane) -> None:
    one = job("j")
    lanes.put(lane, one, queued(0, one, rows=3, port=1))
    lanes.put(lane, one, queued(1, one, rows=4, port=2))
    assert lane.rows == {1: 3, 2: 4}
    assert lanes.waiting(lane) == 7
    lanes.take(lane)
    assert lanes.waiting(lane) == 4
    assert one.lanes == {(0, 0): None}


def test_dropping_takes_one_job_only(lane: Lane) -> None:
    one, two = job("one"), job("two")
    for number, owner in enumerate((one, two, one)):
        lanes.put(lane, owner, queued(number, owner, entry=number == 2))
    assert [q.id for q in lanes.drop(lane, "one")] == [0, 2]
    assert lanes.drop(lane, "one") == []
    assert taken(lane) == [1]
    assert lanes.waiting(lane) == 0


def test_a_parked_job_keeps_its_blocks_and_is_not_served(lane: Lane) -> None:
    one = job("j")
    lanes.put(lane, one, queued(0, one))
    lanes.park(lane, "j")
    lanes.park(lane, "j")
    assert not lane.order
    assert lanes.waiting(lane) == 1
    lanes.unpark(lane, "j")
    lanes.unpark(lane, "j")
    assert list(lane.order) == ["j"]
    lanes.park(lane, "j")
    assert [q.id for q in lanes.drop(lane, "j")] == [0]


def test_blocks_of_a_paused_job_wait_outside_of_the_order(lane: Lane) -> None:
    one = job("j", JobStatus.PAUSED)
    lanes.put(lane, one, queued(0, one))
    assert not lane.order
    lanes.unpark(lane, "nobody")
    assert not lane.order


def test_the_board_shows_what_could_be_served_and_how_much_is_out(lane: Lane) -> None:
    board = lane.board
    home = Lane(GroupPlan(1, "home", GroupKind.SHARDS, ("b",), Needs()), 0, 1, board)
    for one in (lane, home):
        lanes.put(one, job("j"), queued(0, job("j")))
    assert sorted(board.ready) == [0, 1]
    lanes.fly(lane, 2)
    lanes.fly(home, 1)
    assert (sorted(board.ready), board.busy) == ([0], 3), "a home gets one slice at a time"
    lanes.fly(home, -1)
    assert (sorted(board.ready), board.busy) == ([0, 1], 2)
    lanes.take(home)
    assert sorted(board.ready) == [0]
