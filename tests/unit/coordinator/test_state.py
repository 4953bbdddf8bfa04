from __future__ import annotations

import pytest

from routilux_dist.coordinator.state import Cost, Job, JobQueue, Queued
from routilux_dist.ids import JobStatus
from routilux_dist.wire.block import Block, Rows


def test_the_first_measurement_is_believed_and_later_ones_weigh_more_when_larger() -> None:
    few, many = Cost(), Cost()
    for cost in (few, many):
        cost.learn(1, 1.0)
        assert cost.seconds == 1.0
    few.learn(2, 0.0)
    many.learn(100, 0.0)
    assert few.seconds == pytest.approx(0.7)
    assert many.seconds == pytest.approx(0.5)


def test_no_rows_say_nothing() -> None:
    cost = Cost()
    cost.learn(0, 5.0)
    assert cost.seconds is None


def test_a_queue_counts_both_sides() -> None:
    queue = JobQueue()
    assert not queue
    queued = Queued(1, Block("j", 0, 0, 1, 0, 1, 0, True, "", Rows([1])))
    queue.inner.append(queued)
    queue.entry.append(queued)
    assert len(queue) == 2


@pytest.mark.parametrize("status", list(JobStatus))
def test_a_job_lives_until_its_status_is_an_end(status: JobStatus) -> None:
    job = Job(
        id="j", client="", stream=False, metadata=None, correlation_id=None, ordered=False, created=0.0, status=status
    )
    assert job.alive is (str(status) in ("pending", "running", "paused"))
