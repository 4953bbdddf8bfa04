"""A stream: the items of one `flow.map`, in blocks, and the account of which are through.

An item is *open* while it has messages anywhere; it starts with one. Receipts say which items' messages were consumed
and which were sent on, in the order in which they were committed, so an item whose count reaches zero is through.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from routilux_dist.client import results
from routilux_dist.client.results import Chunk, Failed
from routilux_dist.client.worker import FlowWorker, new_id
from routilux_dist.coordinator.commands import Deliver, Report
from routilux_dist.coordinator.events import Posted
from routilux_dist.driver.driver import Gone
from routilux_dist.errors import ExecutionError, RoutiluxError, SerializationError
from routilux_dist.plan.plan import PortPlan
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Mark, Rows
from routilux_dist.wire.failure import Failure, Letter

#: Most bytes of items on their way, unless a single one is larger.
MAX_BYTES = 128 << 20
#: Blocks in one post, and most items and bytes in one of several blocks: above that, the blocks themselves are large enough.
POST_BLOCKS, POST_ITEMS, POST_BYTES = 8, 64, 1 << 20
#: Blocks per worker that may be out, an eighth of a slice each, and how many items in them have that many: of light messages
#: fewer blocks are worth as much, and take less memory.
WIDE, NARROW, WIDE_ITEMS = 64, 24, 8192


def widest(rows: int, workers: int, most_blocks: int) -> int:
    """Return how many items may be out at once.

    That is three slices per worker: one runs, one is ready, one is on its way; and so many that slices may be long, see
    `dispatch`, unless the running flow would be full.

    Args:
        rows: Items that a block should hold, an eighth of a slice.
        workers: Slices that may run at once.
        most_blocks: Blocks that may wait there.
    """
    wide = min(min(WIDE * rows, WIDE_ITEMS) * workers, rows * most_blocks // 2)
    return max(max(64, NARROW * rows) * workers, wide)


class Sent(NamedTuple):
    """Items are about to be posted, the first of which has the number `first`."""

    first: int
    payloads: list[Any]


class Stream:
    """The items of one `flow.map`.

    Args:
        worker: The running flow.
        port: Where items enter.
        buffersize: Most items that are out at once.
        ordered: Whether the results of one item keep their order.
        on_error: What becomes of an item that failed: "raise", "skip" or "collect".
        tell: Takes what has to be absorbed on the consumer's thread.
    """

    def __init__(
        self,
        worker: FlowWorker,
        port: PortPlan,
        buffersize: int | None,
        ordered: bool,
        on_error: str,
        tell: Callable[[Any], None],
    ) -> None:
        self._worker, self._port, self._tell = worker, port, tell
        self._buffersize, self._ordered, self._on_error = buffersize, ordered, on_error
        self._job = new_id("map")
        #: Bytes that were sent, and those of them that are through; each is counted by one thread.
        self._bytes_sent = self._bytes_through = 0
        #: Bytes of an item, of late; 0 if nobody knows.
        self._each = 0
        #: First item of a block -> its bytes.
        self._sizes: dict[int, int] = {}
        #: Extra open messages by item; an item that is not here has just its first one.
        self._open: dict[int, int] = {}
        #: What came of open items so far.
        self._partial: dict[int, list[tuple[Any, Any]]] = {}
        self._failed: dict[int, Failure] = {}
        #: The items themselves, where an error has to name them.
        self._items: dict[int, Any] = {}
        worker.open_stream(self._job, tell)

    # ---- on the source's threads ---------------------------------------------------------------------------------

    def rows(self) -> int:
        """Return how many items a block should hold."""
        rows = self._worker.advice.get(self._port.index, 1)
        if self._buffersize is None:
            return rows
        # A small buffer still has to reach every worker.
        return max(1, min(rows, self._buffersize // (2 * self._worker.width) or 1))

    def most(self) -> int:
        """Return how many items may be posted at once: a call costs as much as several blocks of few items."""
        rows = self.rows()
        if not self._each:
            return rows  # nobody knows yet how large they are
        return max(rows, min(POST_BLOCKS * rows, POST_ITEMS, POST_BYTES // self._each))

    def window(self, out: int) -> int:
        """Return how many items may be out at once."""
        if self._buffersize is not None:
            return self._buffersize
        if self._bytes_sent - self._bytes_through > MAX_BYTES and out >= 2 * self._worker.width:
            return 0
        return widest(self.rows(), self._worker.width, self._worker.most_blocks)

    def send(self, first: int, payloads: list[Any]) -> None:
        """Post items as blocks. One that cannot be sent is that item's error, the others go without it."""
        rows, blocks, nbytes = self.rows(), [], 0
        for place in range(0, len(payloads), rows):
            for block in self._blocks(first + place, payloads[place : place + rows]):
                blocks.append(block)
                nbytes += block.nbytes
                if nbytes >= POST_BYTES:
                    self._post(blocks)
                    blocks, nbytes = [], 0
        if blocks:
            self._post(blocks)

    def _blocks(self, first: int, payloads: list[Any]) -> Iterator[Block]:
        """Yield items as a block, or as several without those that cannot be sent."""
        try:
            yield self._block(first, payloads)
        except SerializationError:
            bad = {n: exc for n, p in enumerate(payloads, first) if (exc := self._refusal(p)) is not None}
            for is_bad, run in groupby(enumerate(payloads, first), key=lambda numbered: numbered[0] in bad):
                numbered = list(run)
                if not is_bad:
                    yield self._block(numbered[0][0], [payload for _, payload in numbered])
                for number, payload in numbered if is_bad else ():
                    self._tell(Failed(number, payload, bad[number]))

    def _refusal(self, payload: Any) -> SerializationError | None:
        try:
            self._worker.block(self._port, [payload], None)
        except SerializationError as exc:
            return exc
        return None

    def _block(self, first: int, payloads: list[Any]) -> Block:
        block = self._worker.block(self._port, payloads, first)._replace(job=self._job)
        self._sizes[first] = block.nbytes
        self._bytes_sent += block.nbytes
        self._each = max(1, block.nbytes // len(payloads))
        if self._on_error == "collect":
            self._tell(Sent(first, payloads))  # before its results can come
        return block

    def _post(self, blocks: list[Block]) -> None:
        self._worker.session.post(
            Posted(
                job=self._job,
                blocks=tuple(blocks),
                last=False,
                stream=True,
                ordered=self._ordered,
                client=self._worker.client_id,
            )
        )

    # ---- on the consumer's thread --------------------------------------------------------------------------------

    def close(self, through: bool) -> None:
        """End the stream: it is through, or nobody wants the rest."""
        self._worker.close_stream(self._job, through)

    def absorb(self, news: Deliver | Report | Gone | Sent) -> Iterator[Chunk]:
        """Take in what has been delivered; yield what came of items that are through.

        Raises:
            RoutiluxError: The stream has ended before its time.
        """
        if isinstance(news, Sent):
            self._items.update(enumerate(news.payloads, news.first))
            return
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
            self._bytes_through += self._sizes.pop(first, 0)
        if self._open or added or singles or self._failed:
            yield from self._absorb_parts(outputs, ranges, singles, added)
        elif ranges:
            yield from self._absorb_whole(outputs, ranges)

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

    def _absorb_whole(self, outputs: list[Rows], ranges: Any) -> Iterator[Chunk]:
        """The usual case: every item of the receipt was begun and ended in it."""
        if not self._ordered:
            payloads = outputs[0].payloads if len(outputs) == 1 else [p for rows in outputs for p in rows.payloads]
            yield Chunk(-1, sum(count for _, count in ranges), payloads)
        else:
            marks, payloads = _sorted(outputs)
            for first, count in ranges:
                low, high = bisect_left(marks, (first,)), bisect_left(marks, (first + count,))
                yield Chunk(first, count, payloads[low:high])
        if self._items:
            for first, count in ranges:
                for item in range(first, first + count):
                    self._items.pop(item, None)

    def _absorb_parts(self, outputs: list[Rows], ranges: Any, singles: Any, added: Any) -> Iterator[Chunk]:
        """Some items have messages elsewhere: keep account of each."""
        for item in added:
            self._open[item] = self._open.get(item, 0) + 1
        for payloads, marks in outputs:
            assert isinstance(marks, list), "outputs of a stream are marked one by one"
            for mark, payload in zip(marks, payloads):
                item = _item(mark)
                self._partial.setdefault(item, []).append((mark, payload))
        for item in (*singles, *(item for first, count in ranges for item in range(first, first + count))):
            # One message of it was consumed.
            extra = self._open.get(item, 0)
            if extra > 0:
                self._open[item] = extra - 1
            else:
                yield self._through(item)

    def _through(self, item: int) -> Chunk:
        """Return what came of an item that has no message left."""
        self._open.pop(item, None)
        partial = self._partial.pop(item, [])
        if self._ordered:
            partial.sort(key=lambda marked: marked[0])
        payloads = [payload for _, payload in partial]
        failure = self._failed.pop(item, None)
        payload = self._items.pop(item, None)
        if failure is None:
            return Chunk(item, 1, payloads)
        return results.failed_item(item, payload, self._error(failure), self._on_error)

    def _fail(self, failure: Failure) -> None:
        assert failure.item is not None
        if self._on_error == "raise" and not self._ordered:
            raise self._error(failure)
        self._failed[failure.item] = failure

    def _error(self, failure: Failure) -> RoutiluxError:
        return results.job_error(self._worker.flow, self._job, failure)


def _item(mark: Mark) -> int:
    return mark if isinstance(mark, int) else mark[0]


def _sorted(outputs: list[Rows]) -> tuple[list[Any], list[Any]]:
    """Return the marks of an ordered stream's outputs, in order, and their payloads."""
    marks = [mark for rows in outputs for mark in rows.items or ()]  # type: ignore[union-attr]
    payloads = [payload for rows in outputs for payload in rows.payloads]
    # One pass where they are in order already, as they are unless an item has several outputs or routines are async.
    order = sorted(range(len(marks)), key=marks.__getitem__)
    return [marks[n] for n in order], [payloads[n] for n in order]
