from __future__ import annotations

import pytest

from routilux_dist.driver import looking
from routilux_dist.errors import CheckpointDamagedError, CheckpointError
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


@pytest.mark.parametrize("what", ["segments", "snapshots"])
def test_garbage_is_not_taken_for_a_run_that_never_began(what: str) -> None:
    world = World()
    driver = world.open()
    driver.feed(posted("open", last=False))
    world.settle(driver)
    for name in [name for name in world.store.files if f"/{what}/" in name]:
        world.store.files[name] = b"\x07" * 3000
    with pytest.raises(CheckpointDamagedError, match=r"after record 0 is lost|no snapshot that can be read"):
        looking.jobs_in(world.store.url, "run")


def test_a_run_that_is_not_there() -> None:
    world = World()
    world.settle(world.open())
    assert looking.jobs_in(world.store.url, "run") == {}
    with pytest.raises(CheckpointError, match="has no run 'other'; it has: run"):
        looking.jobs_in(world.store.url, "other")
