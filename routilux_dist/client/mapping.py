"""`flow.map`: each item on its own, lazily, bounded.

Flows without state run as one *stream*: items travel in blocks, numbered, and this side keeps the account of which are
through. Flows with state, or with limits per job, get a job for each item, so that items never meet.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from routilux_dist.client import results, sources
from routilux_dist.client.itemjobs import ItemJobs
from routilux_dist.client.results import Chunk, Failed
from routilux_dist.client.sources import Broken, Source, Through
from routilux_dist.client.streams import Stream
from routilux_dist.client.worker import FlowWorker
from routilux_dist.errors import StateError
from routilux_dist.flow import checks
from routilux_dist.plan.plan import Plan

if TYPE_CHECKING:
    from routilux_dist.client.runtime import Runtime
    from routilux_dist.flow.model import FlowModel

ON_ERROR = ("raise", "skip", "collect")


class Carrier(sources.Carrier, Protocol):
    """How items travel, and what becomes of them."""

    def absorb(self, news: Any) -> Iterable[Chunk]:
        """Take in news; return what came of items that are through."""
        ...


def map_flow(  # noqa: PLR0913 - the arguments of `Flow.map`
    runtime: Runtime,
    flow: FlowModel,
    items: Iterable[Any],
    *,
    buffersize: int | None,
    ordered: bool,
    on_error: str,
    entry: str | None,
    timeout: float | None,
) -> Iterator[Any]:
    """Check the arguments and start; see `Flow.map`."""
    iterable: Any = items
    checks.refuse(
        "flow.map",
        (
            checks.choice("on_error", on_error, ON_ERROR),
            checks.whole("buffersize", buffersize, least=1, none="what keeps the workers busy"),
            checks.flag("ordered", ordered),
            checks.seconds("timeout", timeout, least=0),
            checks.instance("items", iterable, Iterable, example="an iterable such as a list or an open file"),
        ),
    )
    need_entry = entry is None
    address = flow.entry_slot(entry) if entry is not None else None
    runtime.worker_for(flow, need_entry)  # whatever is wrong with the flow is told now
    deadline = None if timeout is None else time.monotonic() + timeout
    source = iter(items)

    def run() -> Iterator[Any]:
        with runtime.held_for(flow, need_entry) as worker:  # holds the flow too: its instance ends when nobody holds it
            routine, slot = address or flow.entry_slot(None)
            inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
            carrier: Carrier
            if _can_stream(worker.plan):
                carrier = Stream(worker, worker.port(routine, slot), buffersize, ordered, on_error, inbox.put)
            else:
                carrier = ItemJobs(worker, (routine, slot), buffersize, on_error, inbox.put)
            yield from Results(worker, carrier, source, inbox, ordered, on_error, deadline)

    return run()


def _can_stream(plan: Plan) -> bool:
    limits = plan.limits
    bounded = limits.max_messages is not None or limits.max_hops is not None or limits.execution_timeout is not None
    return not bounded and plan.mode != "sequential" and not any(r.stateful for r in plan.routines.values())


class Results:
    """The results of one `flow.map`, as its consumer takes them."""

    def __init__(
        self,
        worker: FlowWorker,
        carrier: Carrier,
        items: Iterator[Any],
        inbox: queue.SimpleQueue[Any],
        ordered: bool,
        on_error: str,
        deadline: float | None,
    ) -> None:
        self._worker, self._carrier, self._inbox = worker, carrier, inbox
        self._ordered, self._on_error, self._deadline = ordered, on_error, deadline
        self._source = Source(items, carrier, inbox.put)
        self._through: Through | None = None
        #: Items whose results were consumed.
        self._consumed = 0
        #: Results that wait for their turn, and the number of the item whose turn it is.
        self._later: dict[int, Chunk] = {}
        self._next = 0

    def __iter__(self) -> Iterator[Any]:
        if not self._worker.may_wait():
            raise StateError(
                f"flow.map of {self._worker.flow!r} cannot be iterated over here: this thread has to return before the flow can "
                f"go on. Iterate in another thread, or use another flow"
            )
        self._source.start()
        through, patient = False, True
        try:
            while self._through is None or self._consumed < self._through.given:
                for chunk in self._arrived():
                    if chunk.error is not None:
                        raise chunk.error
                    if self._deadline is None:
                        yield from chunk.payloads
                    else:
                        for payload in chunk.payloads:
                            self._left()
                            yield payload
                    self._consumed += chunk.size
                    self._source.consumed(self._consumed)
            through = True
            if self._through.error is not None:
                raise self._through.error
        except TimeoutError:
            patient = False
            raise
        finally:
            self._source.stop()
            self._carrier.close(through)
            if patient:
                self._source.wait_closed()

    def _left(self) -> float | None:
        """Return the seconds that are left.

        Raises:
            TimeoutError: None are.
        """
        if self._deadline is None:
            return None
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(
                f"flow.map of {self._worker.flow!r} did not end in time; {self._consumed} items are through; allow it more"
            )
        return left

    def _arrived(self) -> Iterator[Chunk]:
        """Wait for news; yield the results whose turn has come."""
        try:
            news = self._inbox.get(timeout=self._left())
        except queue.Empty:
            return  # the next look at the clock tells
        if isinstance(news, Through):
            self._through = news
        elif isinstance(news, Broken):
            raise news.error
        else:
            for chunk in self._chunks(news):
                yield from self._in_turn(chunk)

    def _chunks(self, news: Any) -> Iterable[Chunk]:
        if isinstance(news, Failed):
            return [results.failed_item(news.number, news.item, news.error, self._on_error)]
        return self._carrier.absorb(news)

    def _in_turn(self, chunk: Chunk) -> Iterator[Chunk]:
        if not self._ordered:
            yield chunk
            return
        self._later[chunk.first] = chunk
        while (turn := self._later.pop(self._next, None)) is not None:
            self._next += turn.size
            yield turn
