"""`flow.map`: each item on its own, lazily, bounded.

Flows without state run as one *stream*: items travel in blocks, numbered, and this side keeps the account of which are
through. Flows with state, or with limits per job, get a job for each item, so that items never meet.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from routilux_dist.client import results
from routilux_dist.client.streams import Stream
from routilux_dist.client.worker import FlowWorker
from routilux_dist.errors import JobCancelledError, RoutiluxError
from routilux_dist.flow import checks
from routilux_dist.plan.plan import Plan

if TYPE_CHECKING:
    from routilux_dist.client.job import Job
    from routilux_dist.client.runtime import Runtime
    from routilux_dist.flow.model import FlowModel

ON_ERROR = ("raise", "skip", "collect")


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
    worker = runtime.worker_for(flow, need_entry=entry is None)
    routine, slot = flow.entry_slot(entry)
    source = iter(items)
    deadline = None if timeout is None else time.monotonic() + timeout
    if _can_stream(worker.plan):
        stream = Stream(worker, worker.port(routine, slot), source, buffersize, ordered, on_error, deadline)
        return _holding(flow, stream.results())
    return _holding(flow, _by_jobs(worker, routine, slot, source, buffersize, ordered, on_error, deadline))


def _holding(flow: FlowModel, results: Iterator[Any]) -> Iterator[Any]:
    """Yield results; keep the flow meanwhile: its instance ends when nobody holds it."""
    yield from results


def _can_stream(plan: Plan) -> bool:
    limits = plan.limits
    bounded = limits.max_messages is not None or limits.max_hops is not None or limits.execution_timeout is not None
    return not bounded and plan.mode != "sequential" and not any(r.stateful for r in plan.routines.values())


def _by_jobs(  # noqa: PLR0913 - likewise
    worker: FlowWorker,
    routine: str,
    slot: str,
    source: Iterator[Any],
    buffersize: int | None,
    ordered: bool,
    on_error: str,
    deadline: float | None,
) -> Iterator[Any]:
    """Run a job for each item."""
    window = buffersize if buffersize is not None else max(64, 8 * worker.width)
    flying: deque[tuple[Any, Job]] = deque()
    items: dict[int, Any] = {}
    ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
    exhausted = False
    try:
        while True:
            while not exhausted and len(items) < window:
                try:
                    item = next(source)
                except StopIteration:
                    exhausted = True
                    break
                job = worker.post(routine, slot, item)
                items[id(job)] = item
                flying.append((item, job))
                if not ordered:
                    job.add_done_callback(lambda done: ended.put(done))
            if not items:
                return
            job = flying[0][1] if ordered else _next_ended(ended, deadline)
            if ordered:
                job.wait_for_completion(_left(deadline))
                flying.popleft()
            yield from _outcome(job, items[id(job)], on_error, deadline)
            del items[id(job)]
            if not ordered:
                while flying and flying[0][1].done():
                    flying.popleft()
    finally:
        for _, job in flying:
            if not job.done():
                job.cancel("the consumer of flow.map stopped")
        close = getattr(source, "close", None)
        if close is not None and not exhausted:
            close()


def _next_ended(ended: queue.SimpleQueue[Any], deadline: float | None) -> Job:
    try:
        job: Job = ended.get(timeout=_left(deadline))
        return job
    except queue.Empty:
        raise TimeoutError("flow.map did not end in time") from None


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _outcome(job: Job, item: Any, on_error: str, deadline: float | None) -> Iterator[Any]:
    try:
        outputs = job.result(_left(deadline))
    except JobCancelledError:
        raise
    except RoutiluxError as exc:
        if on_error == "raise":
            raise
        if on_error == "collect":
            yield results.ItemError(item, exc)
        return
    for payloads in outputs.values():
        yield from payloads
