from __future__ import annotations

import pytest

from routilux_dist.checkpoint.journal import Journal
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.driver.durable import DurableDriver
from routilux_dist.driver.quarantine import MAX_STARTS, WELL_SECONDS, Starts
from routilux_dist.errors import CheckpointError, StoreError
from tests.unit.driver.test_durable import World, posted, receipt


def begun() -> MemoryStore:
    store = MemoryStore("memory://q")
    Journal.open(store, "run")[0].close()
    return store


def test_a_run_is_put_aside_after_three_restarts_that_came_to_nothing() -> None:
    store = begun()
    for _ in range(MAX_STARTS):
        Starts(store, "run").begin()
    with pytest.raises(CheckpointError, match=r"'run' is quarantined: .* 3 times.*job_id='run', force=True"):
        Starts(store, "run").begin()
    Starts(store, "other").begin()


def test_whoever_insists_may_try_again_three_times() -> None:
    store = begun()
    for _ in range(MAX_STARTS):
        Starts(store, "run").begin()
    Starts(store, "run").begin(force=True)
    for _ in range(MAX_STARTS - 1):
        Starts(store, "run").begin()
    with pytest.raises(CheckpointError):
        Starts(store, "run").begin()


def test_what_comes_to_something_counts_anew() -> None:
    store = begun()
    for _ in range(3 * MAX_STARTS):
        Starts(store, "run").begin()
        Starts(store, "run").clear()


def test_the_first_beginning_is_no_restart() -> None:
    store = MemoryStore("memory://new")
    Starts(store, "run").begin()
    assert store.files == {}


def test_what_ends_with_an_error_that_is_told_does_not_count() -> None:
    store = begun()
    for _ in range(2 * MAX_STARTS):
        starts = Starts(store, "run")
        starts.begin()
        starts.take_back()
    assert store.read("run/starts") == b"0"


# ---- a driver that tells of it ---------------------------------------------------------------------------------------


def opened(world: World) -> DurableDriver:
    Starts(world.store, "run").begin()
    return world.open(Starts(world.store, "run"))


def count(world: World) -> int:
    return int(world.store.read("run/starts") or b"0")


def crash(world: World, driver: DurableDriver) -> None:
    """The process ends; what it wrote is there."""
    driver._ledger.close()
    world.later.clear()


@pytest.fixture
def world() -> World:
    """A run with a job that has work."""
    made = World()
    driver = made.open()
    driver.feed(posted())
    crash(made, driver)
    made.slices.clear()
    return made


def test_processes_that_die_before_anything_is_committed_are_counted(world: World) -> None:
    for n in range(MAX_STARTS):
        crash(world, opened(world))
        assert count(world) == n + 1
    with pytest.raises(CheckpointError, match="quarantined"):
        opened(world)


def test_a_commit_clears_the_count(world: World) -> None:
    crash(world, opened(world))
    world.slices.clear()
    driver = opened(world)
    assert count(world) == 2
    driver.feed(receipt(world.slices.pop()))
    crash(world, driver)
    assert count(world) == 0


def test_a_clean_end_clears_the_count(world: World) -> None:
    driver = opened(world)
    driver.close()
    assert count(world) == 0


def test_the_end_of_one_that_was_fenced_does_not(world: World) -> None:
    driver = opened(world)
    Journal.open(world.store, "run")
    driver.feed(posted("other"))
    world.settle(driver)
    assert world.fenced
    driver.close()
    assert count(world) == 1


def test_a_while_without_a_commit_clears_the_count(world: World) -> None:
    driver = opened(world)
    due = driver.next_due()
    assert due is not None
    assert due <= driver.clock.monotonic() + WELL_SECONDS
    world.clock.advance(WELL_SECONDS + 1)
    driver.due()
    crash(world, driver)
    assert count(world) == 0


@pytest.mark.parametrize("open_jobs", [False, True])
def test_a_run_without_work_is_never_put_aside(open_jobs: bool) -> None:
    idle = World()
    driver = idle.open()
    if open_jobs:
        driver.feed(posted(last=False))
        while idle.slices:
            driver.feed(receipt(idle.slices.pop()))
    crash(idle, driver)
    for _ in range(2 * MAX_STARTS):
        crash(idle, opened(idle))


def test_a_store_that_fails_does_not_end_the_driver(world: World) -> None:
    driver = opened(world)

    def fail(operation: str, name: str) -> None:
        if name == "run/starts":
            raise OSError("away")

    world.store.fault = fail
    driver.close()
    world.store.fault = None
    assert count(world) == 1
    world.store.fault = fail
    with pytest.raises(StoreError):
        Starts(world.store, "run").clear()
