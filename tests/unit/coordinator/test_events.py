from __future__ import annotations

import dataclasses
import pickle

import pytest

from routilux_dist.coordinator import events
from routilux_dist.wire.block import Block, Packed
from routilux_dist.wire.slices import Receipt

BLOCK = Block("j", 0, 0, 1, 3, 1, 0, True, "", Packed(b"abc"))


@pytest.mark.parametrize(
    "event",
    [
        events.Posted(job="j", blocks=(BLOCK,)),
        events.SliceFinished(Receipt(1, 1)),
        events.SliceLost(1, 1, "gone"),
        events.TimerFired(("stall",)),
        events.ControlAsked("j", "pause"),
        events.RetryAsked("j", (1, 2)),
        events.CapacityChanged(4, {0: 2}),
    ],
    ids=lambda event: type(event).__name__,
)
def test_events_travel_and_are_values(event: events.Event) -> None:
    assert pickle.loads(pickle.dumps(event)) == event
    first = dataclasses.fields(event)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(event, first, None)
