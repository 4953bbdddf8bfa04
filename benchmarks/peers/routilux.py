"""Routilux from the registry, which runs flows in threads: the same routines, fed by one that emits all items."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

MODULE = "routilux"
#: Seconds after which results that did not come will not come.
PATIENCE = 120

Emit = Callable[[Any], None]


def routine_of(work: Callable[[Any, Emit], None]) -> Any:
    """Return a routine that calls `work(payload, emit)` for each message."""
    from routilux.core import Routine

    class Step(Routine):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.add_slot("input")
            self.add_event("output")
            self.set_activation_policy(self.ready)
            self.set_logic(self.run)

        def ready(self, slots: Any, worker_state: Any) -> tuple[bool, dict[str, Any], str]:
            if slots["input"].get_unconsumed_count() == 0:
                return False, {}, "nothing new"
            return True, {"input": slots["input"].consume_all_new()}, "new"

        def run(self, payloads: list[Any], worker_state: Any = None, **_: Any) -> None:
            for payload in payloads:
                work(payload["data"], lambda value: self.emit("output", worker_state=worker_state, data=value))

    return Step()


class Sink:
    """Collects results until all are there."""

    def __init__(self) -> None:
        self.found: list[Any] = []
        self.wanted = 0
        self.full = threading.Event()

    def take(self, value: Any) -> None:
        self.found.append(value)
        if len(self.found) == self.wanted:
            self.full.set()


def feed(items: list[Any], emit: Emit) -> None:
    for item in items:
        emit(item)


def through(function: Callable[[Any], Any]) -> Callable[[Any, Emit], None]:
    return lambda value, emit: emit(function(value))


@contextmanager
def open_map(
    functions: Sequence[Callable[[Any], Any]], warm: Sequence[Any]
) -> Iterator[Callable[[Iterable[Any]], list[Any]]]:
    from routilux.core import Flow, FlowRegistry, Runtime

    logging.getLogger("routilux").setLevel(logging.CRITICAL)
    sink, last = Sink(), functions[-1]
    works = [feed, *map(through, functions[:-1]), lambda value, emit: sink.take(last(value))]
    name = f"bench-{uuid.uuid4().hex}"
    flow = Flow(name)
    for number, work in enumerate(works):
        flow.add_routine(routine_of(work), f"s{number}")
    for number in range(len(works) - 1):
        flow.connect(f"s{number}", "output", f"s{number + 1}", "input")
    FlowRegistry.get_instance().register(flow)
    FlowRegistry.get_instance().register_by_name(name, flow)
    runtime = Runtime(thread_pool_size=10)
    worker = runtime.exec(name)

    def run(items: Iterable[Any]) -> list[Any]:
        rows = list(items)
        sink.found, sink.wanted = [], len(rows)
        sink.full.clear()
        runtime.post(name, "s0", "input", {"data": rows}, worker_id=worker.worker_id)
        if not sink.full.wait(PATIENCE):
            raise TimeoutError(f"{len(sink.found)} of {sink.wanted} results came")
        return sink.found

    run(warm)
    yield run
    runtime.shutdown(wait=False)
