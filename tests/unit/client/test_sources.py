"""Taking from a user's iterable: never further than allowed, whatever it does."""

from __future__ import annotations

import contextvars
import itertools
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from routilux_dist.client.sources import Broken, Source, Through

PATIENCE = 30.0


class Carrier:
    def __init__(self, rows: int = 1, window: int = 1000, most: int | None = None) -> None:
        self._rows, self._window, self._most = rows, window, rows if most is None else most
        self.sent: queue.SimpleQueue[tuple[int, list[Any]]] = queue.SimpleQueue()
        self.refuses: BaseException | None = None
        self.closed: list[bool] = []

    def rows(self) -> int:
        return self._rows

    def most(self) -> int:
        return self._most

    def window(self, out: int) -> int:
        return self._window

    def send(self, first: int, payloads: list[Any]) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.sent.put((first, payloads))

    def close(self, through: bool) -> None:
        self.closed.append(through)

    def items(self, count: int) -> list[Any]:
        """The next `count` items."""
        got: list[Any] = []
        while len(got) < count:
            got += self.sent.get(timeout=PATIENCE)[1]
        return got


def started(items: Any, carrier: Carrier) -> tuple[Source, queue.SimpleQueue[Any]]:
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    source = Source(iter(items), carrier, told.put)
    source.start()
    return source, told


@pytest.mark.parametrize("rows", [1, 2, 7, 100])
def test_everything_is_sent_in_order_and_numbered(rows: int) -> None:
    carrier = Carrier(rows)
    _, told = started(range(50), carrier)
    assert told.get(timeout=PATIENCE) == Through(50, None)
    place = 0
    while not carrier.sent.empty():
        first, payloads = carrier.sent.get()
        assert (first, payloads) == (place, list(range(place, place + len(payloads))))
        assert len(payloads) <= rows
        place += len(payloads)
    assert place == 50


def test_what_is_there_already_goes_together() -> None:
    """A call costs as much as several blocks of few items."""
    carrier = Carrier(rows=2, most=8)
    sending = threading.Event()
    carrier.send, send = lambda *sent: (sending.wait(PATIENCE), send(*sent)), carrier.send  # type: ignore[method-assign]
    _, told = started(range(50), carrier)
    time.sleep(0.05)  # as much is taken as may be
    sending.set()
    assert told.get(timeout=PATIENCE) == Through(50, None)
    sizes = []
    while not carrier.sent.empty():
        first, payloads = carrier.sent.get()
        assert first == sum(sizes)
        sizes.append(len(payloads))
    assert sum(sizes) == 50
    assert max(sizes) == 8


def test_a_full_window_fills_up_when_a_part_of_it_is_free() -> None:
    carrier = Carrier(rows=50, window=40)
    taken: list[int] = []
    source, _ = started((taken.append(n) or n for n in itertools.count()), carrier)  # type: ignore[func-returns-value]
    carrier.items(40)
    source.consumed(9)
    time.sleep(0.05)
    assert len(taken) == 40
    source.consumed(10)
    assert carrier.items(10) == list(range(40, 50))
    source.stop()
    source.wait_closed()
    assert len(taken) == 50


def test_no_more_is_taken_than_there_is_room_for() -> None:
    carrier = Carrier(window=3)
    taken: list[int] = []
    source, _ = started((taken.append(n) or n for n in itertools.count()), carrier)  # type: ignore[func-returns-value]
    assert carrier.items(3) == [0, 1, 2]
    source.consumed(2)
    assert carrier.items(2) == [3, 4]
    source.stop()
    source.wait_closed()
    assert taken == [0, 1, 2, 3, 4]


def test_what_came_before_an_error_is_sent() -> None:
    error = LookupError("broken")

    def broken() -> Iterator[int]:
        yield from range(3)
        raise error

    carrier = Carrier(rows=100)
    _, told = started(broken(), carrier)
    assert told.get(timeout=PATIENCE) == Through(3, error)
    assert carrier.items(3) == [0, 1, 2]


def test_a_started_block_does_not_wait_for_a_source_that_blocks() -> None:
    goes_on = threading.Event()

    def blocking() -> Iterator[int]:
        yield 1
        goes_on.wait(PATIENCE)

    carrier = Carrier(rows=100)
    _, told = started(blocking(), carrier)
    assert carrier.items(1) == [1]
    assert told.empty()
    goes_on.set()
    assert told.get(timeout=PATIENCE) == Through(1, None)


def test_a_generator_that_is_left_is_closed() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            closed.set()

    carrier = Carrier(window=2)
    source, told = started(endless(), carrier)
    carrier.items(2)
    source.stop()
    source.wait_closed()
    assert closed.is_set()
    assert told.empty()


def test_a_file_that_is_left_stays_open(tmp_path: Any) -> None:
    path = tmp_path / "lines"
    path.write_text("a\nb\nc\n")
    with path.open() as lines:
        carrier = Carrier(window=1)
        source, _ = started(lines, carrier)
        assert carrier.items(1) == ["a\n"]
        source.stop()
        source.wait_closed()
        assert not lines.closed


def test_a_carrier_that_refuses_ends_it() -> None:
    carrier = Carrier()
    carrier.refuses = RuntimeError("shut down")
    source, told = started(itertools.count(), carrier)
    assert told.get(timeout=PATIENCE) == Broken(carrier.refuses)
    source.stop()
    source.wait_closed()


def test_the_source_sees_the_context_of_its_consumer() -> None:
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who")
    who.set("me")
    carrier = Carrier()
    started((who.get() for _ in range(1)), carrier)
    assert carrier.items(1) == ["me"]
