"""Hosts of the local backend, and the threads that use them."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from routilux_dist.coordinator.events import Event, SliceFinished
from routilux_dist.driver.session import Opening
from routilux_dist.flow.routine import Routine
from routilux_dist.wire.slices import Slice
from routilux_workers.entry import refuse
from routilux_workers.host import Host


class Hosts:
    """Builds hosts when they are first needed and keeps them."""

    def __init__(
        self,
        opening: Opening,
        recipes: Mapping[str, tuple[Any, ...]],
        partitions: Mapping[int, int],
        is_cancelled: Callable[[str], bool],
    ) -> None:
        self._plan, self._handler, self._tuning = opening.plan, opening.flow_handler, opening.tuning
        self._guards = opening.guards
        self.codec, self._keeps = opening.codec, opening.durable is not None
        self._recipes, self._partitions, self._is_cancelled = recipes, partitions, is_cancelled
        self._hosts: dict[tuple[int, int, int], Host] = {}
        self._lock = threading.Lock()

    def get(self, group: int, partition: int, thread: int = 0) -> Host:
        """Return the host of a home, or of an async pool; other stateless groups have one per thread."""
        homed = group in self._partitions or self._plan.groups[group].is_async
        place = (group, partition, 0 if homed else thread)
        host = self._hosts.get(place)
        if host is not None and host.broken is not None:  # its open() failed: the next slice tries again
            host.close()
            host = None
        if host is None:
            host = self._build(group, partition)
            with self._lock:
                self._hosts[place] = host
        return host

    def _build(self, group: int, partition: int) -> Host:
        return Host(
            self._plan,
            {routine_id: _cook(recipe) for routine_id, recipe in self._recipes.items()},
            group,
            flow_handler=self._handler,
            guards=self._guards,
            partition=partition,
            partitions=self._partitions,
            packed=self.codec.typed,
            codec=self.codec,
            keeps=self._keeps,
            block_bytes=self._tuning.block_bytes,
            payload_bytes=self._tuning.max_payload_bytes,
            is_cancelled=self._is_cancelled,
        )

    def close(self) -> None:
        """Close all hosts."""
        for host in self._hosts.values():
            host.close()
        self._hosts.clear()


def _cook(recipe: tuple[Any, ...]) -> Routine:
    construct, arguments, state = recipe
    routine: Routine = construct(*arguments)
    routine.__setstate__(state)
    return routine


def run_slice(hosts: Hosts, work: Slice, thread: int) -> SliceFinished:
    """Run a slice on the host that it is for."""
    try:
        return SliceFinished(hosts.get(work.group, work.partition, thread).run(work))
    except BaseException as exc:  # a routine's constructor or setup raised on replay, or the engine has a fault
        return SliceFinished(refuse(work, exc, hosts.codec))


class Threads:
    """A pool of threads that run slices."""

    def __init__(self, hosts: Hosts, count: int, finished: Callable[[Event], None]) -> None:
        self._hosts, self._finished = hosts, finished
        self._work: queue.SimpleQueue[Slice | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, args=(n,), name=f"routilux-worker-{n}", daemon=True)
            for n in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Slice) -> None:
        """Have the next free thread run a slice."""
        self._work.put(work)

    def close(self) -> None:
        """End the threads once they are through with what they run; what was not begun is dropped."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._work.get_nowait()
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(timeout=5)

    def _serve(self, number: int) -> None:
        while (work := self._work.get()) is not None:
            self._finished(run_slice(self._hosts, work, number))
