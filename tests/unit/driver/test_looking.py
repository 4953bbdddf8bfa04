from __future__ import annotations

import pytest

from routilux_dist.driver import looking
from routilux_dist.errors import CheckpointError
from tests.unit.driver.test_durable import World, posted, receipt


def test_jobs_are_what_they_were_when_they_were_written_down() -> None:
    world = World()
    driver = world.open()
    driver.feed(posted("open", last=False))
    driver.feed(receipt(world.slices.pop()))
    driver.feed(posted("done"))
    while world.slices:
        driver.feed(receipt(world.slices.pop()))
    world.settle(driver)
    before = dict(world.store.files)
    found = looking.jobs_in(world.store.url, "run")
    assert {job: state["status"] for job, state in found.items()} == {"done": "completed", "open": "running"}
    assert found["open"] == driver.ask("summary", "open")
    assert world.store.files == before, "nothing was claimed"


def test_a_run_that_is_not_there() -> None:
    world = World()
    world.settle(world.open())
    assert looking.jobs_in(world.store.url, "run") == {}
    with pytest.raises(CheckpointError, match="has no run 'other'; it has: run"):
        looking.jobs_in(world.store.url, "other")
