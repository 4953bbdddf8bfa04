from __future__ import annotations

import itertools

import pytest

from routilux_dist.checkpoint.journal import Journal
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.driver import records
from routilux_dist.driver.collecting import Collector
from routilux_dist.driver.ledger import Ledger
from routilux_dist.wire.block import Form, Packed

_names = itertools.count()


def big(letter: str) -> Packed:
    """Return a body whose buffer becomes a blob."""
    return Packed(b"", (letter.encode() * records.BLOB_BYTES,), Form.TYPED)


class Desk:
    """A journal in memory, what is written to it, and which blobs are there."""

    def __init__(self, keep: int = 2, store: MemoryStore | None = None) -> None:
        self.store = store if store is not None else MemoryStore.named(f"collecting-{next(_names)}")
        self.journal, _ = Journal.open(self.store, "run", keep=keep)
        self.collector = Collector(self.journal, keep)

    def data(self, *letters: str) -> bytes:
        return records.dumps([big(letter) for letter in letters], self.journal.hold_blob)

    def append(self, *letters: str) -> None:
        data = self.data(*letters)
        self.collector.appended(self.journal.append(data), data)

    def snapshot(self, *letters: str) -> None:
        data = self.data(*letters)
        self.collector.snapshot(self.journal.snapshot(data), data)

    def there(self) -> str:
        """Return the letters of the blobs that are there."""
        return "".join(sorted(chr(data[0]) for name, data in self.store.files.items() if "/blobs/" in name))


def test_what_neither_a_snapshot_nor_the_log_since_the_oldest_names_goes() -> None:
    desk = Desk(keep=2)
    desk.append("a")
    desk.snapshot("b")
    desk.append("c")
    assert desk.there() == "abc"
    desk.snapshot("c")  # kept: "b" with the log since it, and "c"
    assert desk.there() == "bc"
    desk.append("d")
    desk.snapshot()
    assert desk.there() == "cd"
    desk.snapshot()
    assert desk.there() == ""


def test_what_an_earlier_writer_left_goes_when_its_snapshots_have_gone() -> None:
    first = Desk(keep=2)
    first.append("a")
    first.snapshot("b")
    second = Desk(keep=2, store=first.store)
    second.snapshot("c")
    assert second.there() == "abc", "the first one's snapshot is kept"
    second.snapshot("c")
    assert second.there() == "c"


def test_what_is_on_its_way_to_the_log_stays() -> None:
    desk = Desk(keep=1)
    desk.snapshot("a")
    waits = desk.data("a", "b")  # as the driver's thread does, while the ledger's is behind
    desk.snapshot()
    assert desk.there() == "ab"
    desk.collector.appended(desk.journal.append(waits), waits)
    desk.snapshot()
    assert desk.there() == ""
    desk.append("a")
    assert desk.there() == "a", "what was deleted is written again"


def test_nothing_is_looked_through_when_nothing_can_go() -> None:
    desk = Desk(keep=1)
    desk.snapshot("a")
    listed: list[str] = []
    desk.store.fault = lambda operation, name: listed.append(name) if operation == "list" and "blobs" in name else None
    for _ in range(3):
        desk.snapshot("a")
    assert listed == []
    desk.snapshot()
    assert listed


@pytest.mark.parametrize("durability", ["sync", "group"])
def test_a_ledger_collects_and_lives_with_a_store_that_does_not_let_it(durability: str) -> None:
    desk = Desk(keep=1)

    def fault(operation: str, name: str) -> None:
        if operation == "delete" and "/blobs/" in name:
            raise OSError("no")

    told: list[str] = []
    ledger = Ledger(desk.journal, durability, lambda written: told.append(written.trouble), desk.collector)
    desk.store.fault = fault
    ledger.snapshot(desk.data("a"))
    ledger.add(desk.data("b"))
    ledger.snapshot(desk.data())
    ledger.close()
    assert set(told) == {""}
    assert desk.there() == "ab"


def test_a_ledger_collects() -> None:
    desk = Desk(keep=1)
    ledger = Ledger(desk.journal, "group", lambda written: None, desk.collector)
    ledger.snapshot(desk.data("a"))
    ledger.add(desk.data("b"))
    ledger.snapshot(desk.data("c"))
    ledger.close()
    assert desk.there() == "c"
