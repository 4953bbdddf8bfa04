"""What Ray calls in worker processes. Wrapped in `remotes`, so that workers import it by name."""

from __future__ import annotations

import signal
import threading
from typing import Any

import ray

from routilux_dist.cluster import bodies
from routilux_dist.wire.block import Packed
from routilux_dist.wire.slices import Receipt, Slice
from routilux_workers import entry
from routilux_workers.entry import Shipment
from routilux_workers.host import Host

#: What a slice's call returns: the receipt, and the bodies that are too large to travel with it.
Result = tuple[Receipt, "list[Packed] | None"]


#: Whether Ray asked this process to cancel the task that runs.
_interrupted = threading.Event()


def _is_cancelled(job: str) -> bool:
    """Whether the slice that runs here was cancelled; that happens only when all its jobs have ended."""
    return _interrupted.is_set() or bool(ray.get_runtime_context().is_canceled())


def _run(host: Host, work: Slice, arguments: tuple[Any, ...], inline_bytes: int) -> Result:
    receipt = host.run(bodies.resolve(work, arguments))
    return receipt, bodies.detach(receipt, inline_bytes)


def run_slice(running: str, shipment: list[Any], work: Slice, inline_bytes: int, *arguments: Any) -> Result:
    """Run a slice of stateless routines in whichever process Ray chose.

    Args:
        running: Identifier of the running flow; the process keeps its routines under this name.
        shipment: A list with the reference to the `Shipment`, so that it is fetched only when it is needed.
        work: The slice.
        inline_bytes: Bodies above this size are returned apart.
        *arguments: What the slice's stored bodies are taken from.
    """
    _interrupted.clear()
    # Ray cancels a task by interrupting it. User code shall see `current_job().cancelled` and end in good order; one that does
    # not look is ended with its process.
    signal.signal(signal.SIGINT, lambda number, frame: _interrupted.set())
    try:
        host = entry.task_host(running, lambda: ray.get(shipment[0]), work.group, _is_cancelled)
    except Exception as exc:  # a routine cannot be built here: the job has to hear why
        return entry.refuse(work, exc), None
    return _run(host, work, arguments, inline_bytes)


class HostActor:
    """A process that serves one group: a home of stateful routines, or a member of an actor pool."""

    def __init__(self, shipment: Shipment, group: int, partition: int, label: str) -> None:
        self._label = label
        self._place = (shipment, group, partition)
        self._host: Host | None = None
        self._broken: Exception | None = None
        self._build()

    def _build(self) -> None:
        self._broken = None
        try:
            self._host = entry.open_host(*self._place, _is_cancelled)
        except Exception as exc:  # a routine cannot be built here: the job has to hear why
            self._broken = exc

    def run(self, work: Slice, inline_bytes: int, *arguments: Any) -> Result:
        """Run a slice."""
        if self._host is None and self._broken is None:
            self._build()
        if self._host is None:
            assert self._broken is not None
            reason, self._broken = self._broken, None
            return entry.refuse(work, reason), None
        result = _run(self._host, work, arguments, inline_bytes)
        if self._host.broken is not None:  # its open() failed: the job has heard of it, the next slice tries again
            self._host.close()
            self._host = None
        return result

    def close(self) -> None:
        """Run `close()` of the routines."""
        if self._host is not None:
            self._host.close()

    def __repr__(self) -> str:
        return f"Host({self._label})"
