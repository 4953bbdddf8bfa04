from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from routilux_dist.checkpoint.journal import Journal
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.checkpoint.options import Checkpoint
from routilux_dist.coordinator import dispatch, picture
from routilux_dist.coordinator.commands import Report
from routilux_dist.coordinator.events import ControlAsked, Event, Posted, SliceFinished
from routilux_dist.driver import durable, records
from routilux_dist.driver.durable import DurableDriver, Past, Setting, SteadyClock
from routilux_dist.driver.ledger import Written
from routilux_dist.driver.quarantine import Starts
from routilux_dist.errors import CheckpointVersionError
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing import Bench
from routilux_dist.testing.clock import FakeClock
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block
from routilux_dist.wire.slices import Slice
from tests.unit.coordinator.conftest import summing

_names = itertools.count()


class World:
    """A body, a clock, and a thread that is not one: what the ledger says is taken in when a test says so."""

    def __init__(self, durability: str = "group", store: MemoryStore | None = None) -> None:
        self.store = store if store is not None else MemoryStore.named(f"durable-{next(_names)}")
        self.clock = FakeClock()
        self.slices: list[Slice] = []
        self.told: list[Any] = []
        self.later: list[Callable[[], None]] = []
        self.fenced: list[str] = []
        self.checkpoint = Checkpoint("memory://x", durability=durability, every=10)

    # a body
    def dispatch(self, work: Slice) -> None:
        self.slices.append(work)

    def abort(self, slice_id: int, force: bool) -> None: ...

    def set_door(self, is_open: bool) -> None: ...

    def tell(self, news: Any) -> None:
        self.told.append(news)

    def open(self, starts: Starts | None = None) -> DurableDriver:
        one = Bench(summing(), homes=1, keeps=True)
        journal, found = Journal.open(self.store, "run")
        past = durable.read(found, journal.get_blob)
        setting = Setting(plan=one.plan, tuning=Tuning(), partitions={1: 1}, lookahead=True)
        machine = setting.machine(validate=True)
        if past is not None:
            picture.restore(machine, picture.take(past.machine))
        driver = DurableDriver(
            setting,
            machine,
            self,
            SteadyClock(self.clock, machine.now),
            journal=journal,
            checkpoint=self.checkpoint,
            past=past,
            later=self.later.append,
            on_fenced=self.fenced.append,
            starts=starts,
        )
        driver.begin()
        return driver

    def settle(self, driver: DurableDriver) -> None:
        """Let the ledger write, and take in what it says."""
        driver._ledger.close()
        while self.later:
            self.later.pop(0)()


def bench() -> Bench:
    return Bench(summing(), homes=1, keeps=True)


def posted(job: str = "j", last: bool = True) -> Event:
    """Return a message for "a", encoded as what is stored is."""
    block = Block(job, bench().port("a.input"), 0, 1, 3, 1, 0, True, "", codec.typed().pack([1], None))
    return Posted(job=job, blocks=(block,), last=last, client="c")


def receipt(work: Slice, seconds: float = 0.0) -> SliceFinished:
    return SliceFinished(bench().receipt(work, seconds=seconds))


def read(world: World) -> Past:
    journal, found = Journal.open(world.store, "run")
    past = durable.read(found, journal.get_blob)
    assert past is not None
    return past


def test_telling_a_machine_again_makes_it_what_it_was() -> None:
    world = World()
    driver = world.open()
    driver.feed(posted(last=False))
    driver.feed(receipt(world.slices.pop()))
    world.clock.advance(3)
    driver.feed(posted(), ControlAsked("j", "pause"))
    world.settle(driver)
    assert picture.take(read(world).machine) == picture.take(driver.machine)


def test_nobody_is_told_what_is_not_durable() -> None:
    world = World()
    driver = world.open()
    driver.feed(posted())
    while world.slices:
        driver.feed(receipt(world.slices.pop()))
    assert driver.machine.ended
    done: list[bool] = []
    driver.when_durable(lambda: done.append(True))
    assert not [one for one in world.told if isinstance(one, Report)]
    assert not done
    world.settle(driver)
    assert [one.status for one in world.told if isinstance(one, Report)] == ["completed"]
    assert done


@pytest.mark.parametrize(("durability", "waits"), [("sync", True), ("group", False), ("async", False)])
def test_with_sync_slices_wait_too(durability: str, waits: bool) -> None:
    world = World(durability)
    driver = world.open()
    driver.feed(posted())
    assert (world.slices == []) is waits
    world.settle(driver)
    assert len(world.slices) == 1


def test_with_async_nobody_waits_for_the_disk() -> None:
    world = World("async")
    driver = world.open()
    driver.feed(posted())
    done: list[bool] = []
    driver.when_durable(lambda: done.append(True))
    assert done
    world.settle(driver)


def test_while_the_store_fails_nothing_new_is_begun() -> None:
    world = World()
    driver = world.open()
    driver._written(Written(0, trouble="the disk is full"))
    driver.feed(posted())
    assert world.slices == []
    assert driver.trouble == "the disk is full"
    world.settle(driver)
    assert len(world.slices) == 1
    assert driver.trouble == ""


def test_another_driver_goes_on_where_the_first_was() -> None:
    world = World()
    first = world.open()
    first.feed(posted(last=False), posted("other"))
    out = list(world.slices)
    world.settle(first)
    later = World(store=world.store)
    second = later.open()
    assert {job: state.accepted for job, state in second.machine.jobs.items()} == {"j": 1, "other": 1}
    second.feed(receipt(out[0]))  # of the first one: nobody waits for it here
    assert second.machine.jobs["j"].done == 0
    while later.slices:
        second.feed(receipt(later.slices.pop()))
    assert "other" in second.machine.ended
    later.settle(second)


def test_the_first_one_is_fenced() -> None:
    world = World()
    first = world.open()
    world.settle(first)
    later = World(store=world.store)
    second = later.open()
    stale = World(store=world.store)
    third = stale.open()
    second.feed(posted())
    later.settle(second)
    assert len(later.fenced) == 1
    assert not later.told
    stale.settle(third)


def test_timers_go_on() -> None:
    world = World()
    driver = world.open()
    driver.feed(posted(last=False))
    work = world.slices.pop()
    driver.feed(SliceFinished(bench().receipt(work, retry=(5.0, 1))))
    world.settle(driver)
    later = World(store=world.store)
    later.clock.advance(100)  # the process was away for longer than that
    second = later.open()
    assert later.slices == []
    second.due()
    assert len(later.slices) == 1
    later.settle(second)


def test_of_timers_with_one_key_the_first_one_rings() -> None:
    timers = {("rest",): [1.0, 3.0], ("timeout", "j"): [2.0]}
    durable._rang(timers, ("rest",))
    durable._rang(timers, ("timeout", "j"))
    durable._rang(timers, ("timeout", "nobody"))
    assert timers == {("rest",): [3.0]}


def test_snapshots_are_taken_when_it_is_time_and_something_happened() -> None:
    world = World()
    driver = world.open()
    due = driver.next_due()
    assert due is None, "nothing happened since the first one"
    driver.feed(posted(last=False))
    assert driver.next_due() == driver.clock.monotonic() + 10
    world.clock.advance(11)
    driver.due()
    assert driver.next_due() is None
    assert list(driver.machine.jobs["j"].checkpoints) == ["last_good"]
    world.settle(driver)
    past = read(world)
    assert list(past.machine.jobs["j"].checkpoints) == ["last_good"]


def test_who_goes_on_after_a_clean_end_finds_a_snapshot_of_all_of_it() -> None:
    world = World()
    driver = world.open()
    driver.feed(posted(last=False))
    driver.feed(receipt(world.slices.pop()))
    driver.round_off()
    world.settle(driver)
    _, found = Journal.open(world.store, "run")
    assert (found.seq, found.records) == (2, [])
    assert read(world).machine.jobs["j"].done == 1


def test_an_unknown_format_is_refused() -> None:
    store = MemoryStore.named(f"durable-{next(_names)}")
    journal, _ = Journal.open(store, "run")
    journal.snapshot(records.dumps({"format": 99}, journal.put_blob))
    journal.close()
    journal, found = Journal.open(store, "run")
    with pytest.raises(CheckpointVersionError, match="format 99"):
        durable.read(found, journal.get_blob)


def test_time_never_goes_back() -> None:
    clock = FakeClock()
    steady = SteadyClock(clock, least=clock.wall() + 1000)
    assert steady.monotonic() == clock.wall() + 1000
    clock.advance(5)
    assert steady.wall() == clock.wall() + 1000


def test_a_summary_says_what_the_store_has() -> None:
    world = World()
    driver = world.open()
    driver.feed(posted(last=False))
    assert "store" not in driver.ask("summary", "j")["waits_for"]
    driver._written(Written(0, trouble="the disk is full"))
    waits = driver.ask("summary", "j")["waits_for"]
    assert waits.startswith("the store takes nothing at present: the disk is full; running for")
    assert driver.ask("summary", "unknown") is None
    assert "waits_for" not in driver.ask("overview")
    world.settle(driver)
    assert "store" not in driver.ask("summary", "j")["waits_for"]


def test_blobs_that_nothing_names_any_more_are_deleted() -> None:
    world = World()
    driver = world.open()
    data = codec.typed().pack([b"x" * records.BLOB_BYTES], None)
    block = Block("j", bench().port("a.input"), 0, 1, 3, 1, 0, True, "", data)
    driver.feed(Posted(job="j", blocks=(block,), last=True, client="c"))
    blobs = lambda: [name for name in world.store.files if "/blobs/" in name]  # noqa: E731
    driver.when_durable(lambda: None)
    assert len(blobs()) == 1
    while world.slices:
        driver.feed(receipt(world.slices.pop()))
    for _ in range(world.checkpoint.keep):
        driver.snapshot()
    world.settle(driver)
    assert blobs() == []


def test_a_journal_of_an_engine_that_decided_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its receipts are of other slices than those this one would have sent: to book them would lose or repeat messages."""
    world = World()
    driver = world.open()
    for _ in range(6):
        driver.feed(posted(last=False))
    while world.slices:
        driver.feed(receipt(world.slices.pop(0), seconds=0.001))
    driver.feed(posted(last=False))
    world.settle(driver)
    assert read(world).machine.numbers == driver.machine.numbers
    monkeypatch.setattr(dispatch, "MAX_BLOCKS", 1)
    with pytest.raises(CheckpointVersionError, match="another version of routilux_dist wrote it"):
        read(world)


def test_a_journal_without_marks_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    driver = world.open()
    dumps = records.dumps
    monkeypatch.setattr(records, "dumps", lambda value, put: dumps(value[:2] if type(value) is list else value, put))
    driver.feed(posted(last=False))
    world.settle(driver)
    assert read(world).machine.numbers == driver.machine.numbers
