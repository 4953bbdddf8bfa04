from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from routilux_dist.driver import ledger
from routilux_dist.driver.ledger import Ledger, Written
from routilux_dist.errors import FencedError, StoreError

SECONDS = 30.0


class Paper:
    """A journal that does as it is told."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.pending: list[bytes] = []
        self.snapshots: list[tuple[int, bytes]] = []
        self.syncs = 0
        self.closed = False
        self.fail: list[Exception] = []
        self.go = threading.Event()
        self.go.set()

    @property
    def seq(self) -> int:
        return len(self.records) + len(self.pending)

    def append(self, data: bytes) -> int:
        self.pending.append(data)
        return self.seq

    def sync(self) -> int:
        self.go.wait(SECONDS)
        if self.fail:
            raise self.fail.pop(0)
        self.records += self.pending
        self.pending = []
        self.syncs += 1
        return len(self.records)

    def snapshot(self, data: bytes, name: str | None = None) -> int:
        self.snapshots.append((self.sync(), data))
        return len(self.records)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
def told() -> queue.Queue[Written]:
    return queue.Queue()


@pytest.fixture
def build(paper: Paper, told: queue.Queue[Written], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Ledger]]:
    monkeypatch.setattr(ledger, "FIRST_WAIT", 0.001)
    made = []

    def make(durability: str = "group") -> Ledger:
        made.append(Ledger(paper, durability, told.put))
        return made[-1]

    yield make
    for one in made:
        one.close()


def until(told: queue.Queue[Written], seq: int) -> list[Written]:
    seen = []
    while not seen or seen[-1].seq < seq:
        seen.append(told.get(timeout=SECONDS))
    return seen


def test_records_are_written_in_order_many_with_one_sync(
    build: Callable[..., Ledger], paper: Paper, told: queue.Queue[Written]
) -> None:
    one = build()
    paper.go.clear()
    assert [one.add(b"%d" % n) for n in range(50)] == list(range(1, 51))
    paper.go.set()
    until(told, 50)
    assert paper.records == [b"%d" % n for n in range(50)]
    assert paper.syncs < 50


def test_a_snapshot_keeps_its_place(build: Callable[..., Ledger], paper: Paper, told: queue.Queue[Written]) -> None:
    one = build("sync")
    paper.go.clear()
    one.add(b"1")
    one.snapshot(b"picture")
    one.add(b"2")
    paper.go.set()
    until(told, 2)
    assert paper.snapshots == [(1, b"picture")]
    assert paper.records == [b"1", b"2"]


def test_trouble_is_told_and_nothing_is_lost(
    build: Callable[..., Ledger], paper: Paper, told: queue.Queue[Written]
) -> None:
    paper.fail = [StoreError("the disk is full")] * 3
    one = build()
    one.add(b"1")
    seen = until(told, 1)
    assert [written.trouble for written in seen] == ["the disk is full"] * 3 + [""]
    assert paper.records == [b"1"]


def test_whoever_is_fenced_writes_no_more(
    build: Callable[..., Ledger], paper: Paper, told: queue.Queue[Written]
) -> None:
    paper.fail = [FencedError("taken over")]
    one = build()
    one.add(b"1")
    assert told.get(timeout=SECONDS).fenced == "taken over"
    one.add(b"2")
    one.close()
    assert paper.records == []


def test_closing_writes_what_is_left(build: Callable[..., Ledger], paper: Paper) -> None:
    one = build("async")
    one.add(b"1")
    one.close()
    assert (paper.records, paper.closed) == ([b"1"], True)


def test_closing_gives_up_on_a_store_that_fails(build: Callable[..., Ledger], paper: Paper) -> None:
    paper.fail = [StoreError("away")] * 1000
    one = build()
    one.add(b"1")
    one.close()
    assert paper.records == []
