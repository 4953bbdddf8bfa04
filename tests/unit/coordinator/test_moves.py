from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from routilux_dist.coordinator import moves
from routilux_dist.coordinator.state import Job
from routilux_dist.errors import InternalError
from routilux_dist.ids import JobStatus

PAGE = Path(__file__).resolve().parents[3] / "docs" / "design" / "coordinator.md"


def job(status: JobStatus) -> Job:
    return Job(
        id="j", client="c", stream=False, metadata=None, correlation_id=None, ordered=False, created=0.0, status=status
    )


@pytest.mark.parametrize(("before", "after"), [*itertools.product(JobStatus, JobStatus)])
def test_every_move_is_in_the_table_or_raises(before: JobStatus, after: JobStatus) -> None:
    one = job(before)
    if (before, after) in moves.MOVES:
        moves.move(one, after)
        assert one.status is after
    else:
        with pytest.raises(InternalError, match=rf"'j' cannot move from {before} to {after}"):
            moves.move(one, after)
        assert one.status is before


def test_nothing_leaves_an_end_and_nothing_stays() -> None:
    assert not [pair for pair in moves.MOVES if pair[0].is_terminal or pair[0] is pair[1]]


def test_every_state_can_be_reached_and_can_end() -> None:
    reached = {JobStatus.PENDING}
    while more := {after for before, after in moves.MOVES if before in reached} - reached:
        reached |= more
    assert reached == set(JobStatus)
    for status in JobStatus:
        assert status.is_terminal or any(a.is_terminal for b, a in moves.MOVES if b is status)


def test_the_picture_on_the_page_is_that_of_the_table() -> None:
    assert moves.to_mermaid() in PAGE.read_text(encoding="utf-8")
