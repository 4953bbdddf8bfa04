from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from routilux_dist.coordinator import invariants
from routilux_dist.coordinator.machine import Machine
from routilux_dist.coordinator.state import Lane
from routilux_dist.errors import InternalError
from routilux_dist.ids import JobStatus
from routilux_dist.testing import glance
from routilux_dist.testing.world import Knobs
from tests.unit.testing.test_world import made


def busy() -> Machine:
    """A machine with messages at the door, waiting, with workers and asleep."""
    world = made(("post", "more.input", [1, 2, 3, 4, 5, 6], False), knobs=Knobs(workers=1))
    world.do(("client", 0))
    machine = world.machine
    machine.jobs["j"].sleeping[99] = next(iter(machine.flights.values())).slice.blocks[0][1]
    machine.jobs["j"].blocks += 1
    rows = machine.jobs["j"].sleeping[99].rows
    machine.jobs["j"].pending += rows
    machine.jobs["j"].accepted += rows
    return machine


def waiting(machine: Machine) -> Lane:
    return next(lane for lane in machine.lanes.values() if lane.queues)


def idle(machine: Machine) -> Lane:
    return next(lane for lane in machine.lanes.values() if not lane.queues)


def again(machine: Machine) -> None:
    queue = waiting(machine).queues["j"]
    queue.entry[0] = queue.entry[0]._replace(id=99)


def twice(machine: Machine) -> None:
    waiting(machine).order.append("j")


def strange(machine: Machine) -> None:
    idle(machine).kept["other"] = {}


def attribute(of: Callable[[Machine], Any], name: str, change: Any = 1) -> Callable[[Machine], None]:
    def spoil(machine: Machine) -> None:
        owner = of(machine)
        setattr(owner, name, getattr(owner, name) + change)

    spoil.__name__ = name
    return spoil


def job(machine: Machine) -> Any:
    return machine.jobs["j"]


SPOILT = [
    again,
    twice,
    strange,
    *(attribute(job, name) for name in ("blocks", "pending", "flying", "accepted", "done", "dead", "discarded")),
    *(attribute(waiting, name) for name in ("flying", "backlog_blocks", "backlog_bytes")),
    *(attribute(idle, name) for name in ("flying", "backlog_blocks", "backlog_bytes")),
    *(attribute(lambda machine: machine, name) for name in ("door_blocks", "door_bytes")),
    lambda machine: waiting(machine).order.clear(),
    lambda machine: waiting(machine).rows.update({0: 77}),
    lambda machine: idle(machine).rows.update({0: 77}),
    lambda machine: waiting(machine).backlog.update({0: (1, 1)}),
    lambda machine: job(machine).sleeping.clear(),
    lambda machine: machine.flights.clear(),
    lambda machine: setattr(job(machine), "status", JobStatus.PAUSED),
    lambda machine: machine.ended.update(j=job(machine)),
]


def test_what_is_right_is_right() -> None:
    machine = busy()
    invariants.check(machine)
    assert glance.holds(machine)


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_what_breaks_a_rule_is_seen(spoil: Callable[[Machine], None]) -> None:
    machine = busy()
    spoil(machine)
    with pytest.raises(InternalError, match="broken invariants"):
        invariants.check(machine)
    assert not glance.holds(machine)
