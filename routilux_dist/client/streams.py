"""A stream: the items of one `flow.map`, in blocks, and the account of which are through.

An item is *open* while it has messages anywhere; it starts with one. Receipts say which items' messages were consumed
and which were sent on, in the order in which they were committed, so an item whose count reaches zero is through.
"""

from __future__ import annotations

import dataclasses
import queue
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from routilux_dist.client import results
from routilux_dist.client.worker import FlowWorker, new_id
from routilux_dist.coordinator.commands import Deliver, Report
from routilux_dist.coordinator.events import Posted
from routilux_dist.driver.driver import Gone
from routilux_dist.errors import ExecutionError, RoutiluxError
from routilux_dist.plan.plan import PortPlan
from routilux_dist.wire import codec
from routilux_dist.wire.block import Mark, Rows
from routilux_dist.wire.failure import Failure, Letter

#: A block is posted at the latest this many seconds after its first item was taken.
LINGER_SECONDS = 0.02
#: Most seconds that results are waited for between two items of a slow source.
MAX_PATIENCE = 0.1
#: Most bytes of items on their way, unless a single one is larger.
MAX_BYTES = 128 << 20


class Chunk(NamedTuple):
    """Results of `size` neighbouring items from `first` on."""

    first: int
    size: int
    payloads: list[Any]
    #: What to raise when their turn comes.
    error: BaseException | None = None


class Stream:
    """The items of one `flow.map`."""

    def __init__(
        self,
        worker: FlowWorker,
        port: PortPlan,
        source: Iterator[Any],
        buffersize: int | None,
        ordered: bool,
        on_error: str,
        deadline: float | None,
    ) -> None:
        self._worker, self._port, self._source = worker, port, source
        self._buffersize, self._ordered, self._on_error, self._deadline = buffersize, ordered, on_error, deadline
        self._job = new_id("map")
        self._inbox: queue.SimpleQueue[Deliver | Report | Gone] = queue.SimpleQueue()
        #: Items taken from the source, and items whose results were consumed.
        self._taken = self._consumed = 0
        self._exhausted = False
        #: Until when results are waited for before a slow source is asked again.
        self._patient_until = 0.0
        self._bytes = 0
        #: First item of a block -> (last item, bytes), for the bound on bytes.
        self._sent: dict[int, int] = {}
        #: Extra open messages by item; an item that is not here has just its first one.
        self._open: dict[int, int] = {}
        #: What came of open items so far.
        self._partial: dict[int, list[tuple[Any, Any]]] = {}
        self._failed: dict[int, Failure] = {}
        #: The items themselves, where an error has to name them.
        self._items: dict[int, Any] = {}
        #: Results that wait for their turn (ordered), and those that are next.
        self._later: dict[int, Chunk] = {}
        self._next = 0
        self._ready: deque[Chunk] = deque()

    def results(self) -> Iterator[Any]:
        """Yield results; feed the flow as they are consumed."""
        self._worker.open_stream(self._job, self._inbox.put)
        through = False
        try:
            while True:
                self._check_time()
                self._feed()
                self._absorb_all(wait=not self._ready)
                while self._ready:
                    chunk = self._ready.popleft()
                    if chunk.error is not None:
                        raise chunk.error
                    yield from chunk.payloads
                    self._consumed += chunk.size
                    if not self._inbox.empty():
                        break  # keep the workers fed while a long row of results is consumed
                if self._exhausted and self._consumed == self._taken:
                    through = True
                    return
        finally:
            self._worker.close_stream(self._job, through)
            close = getattr(self._source, "close", None)
            if close is not None and not self._exhausted:
                close()

    # ---- feeding -------------------------------------------------------------------------------------------------

    def _room(self) -> int:
        """Return how many items may be taken now."""
        out = self._taken - self._consumed
        if self._buffersize is not None:
            return self._buffersize - out
        if self._bytes > MAX_BYTES and out >= 2 * self._worker.width:
            return 0
        rows = self._worker.advice.get(self._port.index, 1)
        # Three slices per worker, of eight blocks each: one runs, one is ready, one is on its way.
        return max(64, 24 * rows) * self._worker.width - out

    def _check_time(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise TimeoutError("flow.map did not end in time")

    def _patient(self) -> bool:
        """Whether a slow source is left alone for a moment, so that results can be consumed."""
        return self._patient_until > 0 and self._taken > self._consumed and time.monotonic() < self._patient_until

    def _feed(self) -> None:
        if self._patient():
            return
        while not self._exhausted and (room := self._room()) > 0:
            rows = min(room, self._worker.advice.get(self._port.index, 1))
            if self._buffersize is not None:
                # A small buffer still has to reach every worker.
                rows = max(1, min(rows, self._buffersize // (2 * self._worker.width) or 1))
            first = self._taken
            payloads = self._take(rows)
            if payloads:
                self._post(first, payloads)
            if not self._inbox.empty() or self._patient_until:
                return

    def _take(self, rows: int) -> list[Any]:
        payloads: list[Any] = []
        clock = time.monotonic
        started = clock()
        until = started + LINGER_SECONDS
        for payload in self._source:
            payloads.append(payload)
            if len(payloads) >= rows or clock() > until:
                break
        else:
            self._exhausted = True
        seconds = clock() - started
        # While a slow source is asked, nobody looks for results: give those of the last items a moment to arrive before.
        slow = seconds > LINGER_SECONDS and not self._exhausted
        self._patient_until = clock() + min(MAX_PATIENCE, seconds / 10) if slow else 0.0
        if self._on_error == "collect":
            self._items.update(enumerate(payloads, self._taken))
        self._taken += len(payloads)
        return payloads

    def _post(self, first: int, payloads: list[Any]) -> None:
        block = self._worker.block(self._port, payloads, first)._replace(job=self._job)
        self._bytes += block.nbytes
        self._sent[first] = block.nbytes
        self._worker.session.post(
            Posted(
                job=self._job,
                blocks=(block,),
                last=False,
                stream=True,
                ordered=self._ordered,
                client=self._worker.client_id,
            )
        )

    # ---- taking in -----------------------------------------------------------------------------------------------

    def _absorb_all(self, wait: bool) -> None:
        """Take in what has been delivered; wait for something if `wait` and results are still to come."""
        if wait and self._taken > self._consumed:
            left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
            if self._patient():
                patience = max(0.0, self._patient_until - time.monotonic())
                left = patience if left is None else min(left, patience)
            try:
                self._absorb(self._inbox.get(timeout=left))
            except queue.Empty:
                self._check_time()
        while not self._inbox.empty():
            self._absorb(self._inbox.get())

    def _absorb(self, news: Deliver | Report | Gone) -> None:
        if not isinstance(news, Deliver):
            raise self._ended(news)
        ranges, singles, added = news.items or ((), (), ())
        for letter in news.letters:
            if letter.failure.kind == "lost":
                singles = [*singles, *self._lost(letter)]
            elif letter.failure.item is not None and letter.failure.strategy == "stop":
                self._fail(letter.failure)
        outputs = [codec.rows_of(block) for block in self._worker.fetch(news.outputs)]
        for first, _ in ranges:
            self._bytes -= self._sent.pop(first, 0)
        if self._open or added or singles or self._failed:
            self._absorb_parts(outputs, ranges, singles, added)
        elif ranges:
            self._absorb_whole(outputs, ranges)

    def _lost(self, letter: Letter) -> list[int]:
        """Take in that a message was put aside because it killed its workers; return its item."""
        (block,) = self._worker.fetch([letter.block])
        marks = codec.rows_of(block).items
        assert marks is not None, "messages of a stream are marked"
        item = marks if isinstance(marks, int) else _item(marks[0])
        if letter.failure.strategy == "stop":
            self._fail(dataclasses.replace(letter.failure, item=item))
        return [item]

    def _ended(self, news: Report | Gone) -> RoutiluxError:
        """Return what to raise when the stream ends before its time."""
        if isinstance(news, Gone):
            return ExecutionError(f"flow.map lost its coordinator: {news.reason}")
        if news.failure is not None:
            return results.job_error(self._worker.flow, self._job, news.failure)
        return RoutiluxError(f"flow.map: the running flow ended its stream: {news.status}")

    def _absorb_whole(self, outputs: list[Rows], ranges: Any) -> None:
        """The usual case: every item of the receipt was begun and ended in it."""
        if not self._ordered:
            payloads = outputs[0].payloads if len(outputs) == 1 else [p for rows in outputs for p in rows.payloads]
            self._ready.append(Chunk(-1, sum(count for _, count in ranges), payloads))
        else:
            marks, payloads = _sorted(outputs)
            for first, count in ranges:
                low, high = bisect_left(marks, (first,)), bisect_left(marks, (first + count,))
                self._later[first] = Chunk(first, count, payloads[low:high])
            self._release()
        if self._items:
            for first, count in ranges:
                for item in range(first, first + count):
                    self._items.pop(item, None)

    def _absorb_parts(self, outputs: list[Rows], ranges: Any, singles: Any, added: Any) -> None:
        """Some items have messages elsewhere: keep account of each."""
        for item in added:
            self._open[item] = self._open.get(item, 0) + 1
        for payloads, marks in outputs:
            assert isinstance(marks, list), "outputs of a stream are marked one by one"
            for mark, payload in zip(marks, payloads):
                item = _item(mark)
                self._partial.setdefault(item, []).append((mark, payload))
        for item in singles:
            self._less(item)
        for first, count in ranges:
            for item in range(first, first + count):
                self._less(item)

    def _less(self, item: int) -> None:
        """One message of an item was consumed."""
        extra = self._open.get(item, 0)
        if extra > 0:
            self._open[item] = extra - 1
            return
        self._open.pop(item, None)
        partial = self._partial.pop(item, [])
        if self._ordered:
            partial.sort(key=lambda marked: marked[0])
        payloads = [payload for _, payload in partial]
        failure = self._failed.pop(item, None)
        error = None
        if failure is not None:
            error = results.job_error(self._worker.flow, self._job, failure)
            payloads = [results.ItemError(self._items.get(item), error)] if self._on_error == "collect" else []
        self._items.pop(item, None)
        self._later[item] = Chunk(item, 1, payloads, error if self._on_error == "raise" else None)
        self._release()

    def _release(self) -> None:
        if not self._ordered:
            self._ready.extend(self._later.values())
            self._later.clear()
        while (chunk := self._later.pop(self._next, None)) is not None:
            self._ready.append(chunk)
            self._next += chunk.size

    def _fail(self, failure: Failure) -> None:
        assert failure.item is not None
        if self._on_error == "raise" and not self._ordered:
            raise results.job_error(self._worker.flow, self._job, failure)
        self._failed[failure.item] = failure


def _item(mark: Mark) -> int:
    return mark if isinstance(mark, int) else mark[0]


def _sorted(outputs: list[Rows]) -> tuple[list[Any], list[Any]]:
    """Return the marks of an ordered stream's outputs, in order, and their payloads."""
    marks = [mark for rows in outputs for mark in rows.items or ()]  # type: ignore[union-attr]
    payloads = [payload for rows in outputs for payload in rows.payloads]
    # One pass where they are in order already, as they are unless an item has several outputs or routines are async.
    order = sorted(range(len(marks)), key=marks.__getitem__)
    return [marks[n] for n in order], [payloads[n] for n in order]
