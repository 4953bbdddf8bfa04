"""A job for each item: what is told, and what becomes of it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.client.itemjobs import Done, ItemJobs
from routilux_dist.client.results import Chunk, Failed
from tests.unit.client.conftest import Desk, summing


def test_an_item_that_cannot_be_sent_is_told_and_the_others_go() -> None:
    told: list[Any] = []
    desk = Desk(summing(), packed=True)
    (address,) = [desk.plan.ports[desk.plan.entry or 0]]
    carrier = ItemJobs(desk.worker, (address.routine, address.name), 4, "skip", told.append)
    lock = threading.Lock()
    carrier.send(5, [1, lock, 2])
    assert [event.job for event in desk.session.posted] == [job.job_id for job in desk.worker.jobs]
    assert [type(one) for one in told] == [Failed]
    assert (told[0].number, told[0].item) == (6, lock)
    assert isinstance(told[0].error, rd.SerializationError)
    assert carrier.window(0) == 4


@pytest.mark.parametrize("through", [True, False])
def test_a_job_that_completes_is_absorbed_once(through: bool) -> None:
    told: list[Any] = []
    desk = Desk(summing())
    address = desk.plan.ports[desk.plan.entry or 0]
    carrier = ItemJobs(desk.worker, (address.routine, address.name), None, "raise", told.append)
    carrier.send(0, ["x"])
    desk.report(desk.worker.jobs[0].job_id)
    assert told == [Done(0)]
    assert list(carrier.absorb(told[0])) == [Chunk(0, 1, [])]
    carrier.close(through)
    assert desk.session.asked == []
