"""Groups that may begin only so many messages a second.

A bucket in the form of one time: when, at the agreed pace, everything that has begun would have begun (the "theoretical arrival
time" of ATM's generic cell rate algorithm). How far that time may be ahead of now is the burst.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from routilux_dist.coordinator import lanes
from routilux_dist.coordinator.commands import SetTimer
from routilux_dist.coordinator.state import Lane

if TYPE_CHECKING:
    from routilux_dist.coordinator.machine import Machine

#: Messages that may begin at once, as seconds of the agreed pace; one at least.
BURST_SECONDS = 0.1
#: What a message may be short of one because clocks and sums are not exact.
CLOSE = 1e-3


def allowance(machine: Machine, lane: Lane) -> int:
    """Return how many messages of a lane may begin now; if none, a timer tells when.

    Half a burst is waited for, if so many wait: few slices, rather than one for each message.
    """
    rate = lane.group.rate_limit
    waiting = lanes.waiting(lane)
    if not rate or not waiting:  # control blocks are no messages
        return sys.maxsize
    burst = max(1.0, rate * BURST_SECONDS)
    wanted = min(max(1.0, burst / 2), waiting)
    ahead = max(lane.paced - machine.now, 0.0)
    free = burst - ahead * rate + CLOSE
    if free >= wanted:
        return int(free)
    due = machine.now + (wanted - free + CLOSE / 2) / rate
    if not machine.now < lane.alarm <= due:
        lane.alarm = due
        machine.order(SetTimer(("rate", lane.group.index, lane.partition), due))
    return 0


def begin(machine: Machine, lane: Lane, rows: int) -> None:
    """Book messages that begin; fewer than none have come back and did not begin."""
    if lane.group.rate_limit:
        paced = lane.paced if rows < 0 else max(lane.paced, machine.now)
        lane.paced = paced + rows / lane.group.rate_limit
