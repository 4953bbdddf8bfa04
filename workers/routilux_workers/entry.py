"""The doors of a worker process: build a host from what was shipped, run slices on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from routilux_dist.flow.guards import Guard
from routilux_dist.flow.handling import ErrorHandler
from routilux_dist.flow.routine import Routine
from routilux_dist.plan.plan import Plan
from routilux_dist.wire.block import Packed
from routilux_dist.wire.codec import PICKLE, Codec, decode
from routilux_dist.wire.slices import Receipt, Slice
from routilux_workers import faults
from routilux_workers.host import Host
from routilux_workers.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Shipment:
    """All that workers need of a flow.

    Attributes:
        plan: The plan.
        code: Encoded (routines by id, the flow's error handler, its guards).
        partitions: Number of homes, by group index.
        block_bytes: Most bytes per new block.
        payload_bytes: Most bytes of one message that leaves its process.
        codec: How bodies are encoded. The code itself is always a pickle.
        keeps: Whether receipts carry the state of homes.
    """

    plan: Plan
    code: Packed
    partitions: Mapping[int, int]
    block_bytes: int
    codec: Codec = PICKLE
    keeps: bool = False
    payload_bytes: int = 1 << 30

    def unpack(self) -> tuple[dict[str, Routine], ErrorHandler | None, tuple[Guard, ...]]:
        """Return fresh copies of the routines, the flow's error handler, and its guards."""
        routines, handler, guards = decode(self.code)
        return routines, handler, guards


def pack_code(routines: Mapping[str, Routine], handler: ErrorHandler | None, guards: tuple[Guard, ...] = ()) -> Packed:
    """Encode routines for shipping.

    Raises:
        SerializationError: One of them cannot be shipped; `validate()` says which part of it.
    """
    return PICKLE.encode((dict(routines), handler, guards))


def open_host(
    shipment: Shipment, group: int, partition: int = 0, is_cancelled: Callable[[str], bool] = lambda job: False
) -> Host:
    """Build a host; `open()` of its routines runs here."""
    routines, handler, guards = shipment.unpack()
    return Host(
        shipment.plan,
        routines,
        group,
        flow_handler=handler,
        guards=guards,
        partition=partition,
        partitions=shipment.partitions,
        block_bytes=shipment.block_bytes,
        payload_bytes=shipment.payload_bytes,
        keeps=shipment.keeps,
        is_cancelled=is_cancelled,
        codec=shipment.codec,
    )


def serve(host: Host, work: Slice) -> Receipt:
    """Run a slice on a host of this process, and put back what its routines changed in the process."""
    before = Surroundings()
    try:
        return host.run(work)
    finally:
        before.put_back()


def refuse(work: Slice, exc: BaseException, codec: Codec = PICKLE) -> Receipt:
    """Return the receipt of a slice whose host could not be built: its jobs end with the reason."""
    receipt = Receipt(work.id, work.attempt, untouched=list(work.running), pid=os.getpid())
    for _, block in work.blocks:
        receipt.stopped[block.job] = faults.failure(exc, block.job, "", "setup", codec, kind="open")
    return receipt


#: Hosts of this process that serve tasks, by (running flow, group): routines are built once per process, not per slice.
_hosts: dict[tuple[str, int], Host] = {}
#: Most hosts kept; a process that serves many flows forgets the oldest.
_MAX_HOSTS = 64


def task_host(running: str, shipment: Callable[[], Shipment], group: int, is_cancelled: Callable[[str], bool]) -> Host:
    """Return this process's host for a group of stateless routines of a running flow.

    Args:
        running: Identifier of the running flow.
        shipment: Called for the shipment if the host has to be built.
        group: Index of the group.
        is_cancelled: Tells whether a job was cancelled meanwhile.
    """
    host = _hosts.get((running, group))
    if host is not None and host.broken is not None:  # its open() failed: the next slice tries again
        _hosts.pop((running, group)).close()
        host = None
    if host is None:
        while len(_hosts) >= _MAX_HOSTS:
            _hosts.pop(next(iter(_hosts))).close()
        host = _hosts[running, group] = open_host(shipment(), group, is_cancelled=is_cancelled)
    return host


def close_flow(running: str) -> None:
    """Close the routines of a running flow that this process serves no more."""
    for place in [place for place in _hosts if place[0] == running]:
        _hosts.pop(place).close()


def close_all() -> None:
    """Close all routines."""
    for host in _hosts.values():
        host.close()
    _hosts.clear()
