from __future__ import annotations

import pickle

import pytest

from routilux_dist.coordinator import commands
from routilux_dist.wire.slices import JobNote, Slice

SLICE = Slice(1, 1, 0, 0, [], 0.1, {"j": JobNote()}, {}, 16)


@pytest.mark.parametrize(
    "command",
    [
        commands.Dispatch(SLICE),
        commands.Abort(1, force=True),
        commands.SetTimer(("stall",), 1.0),
        commands.SetDoor(False),
        commands.Advise({1: 2}),
        commands.Report(client="c", job="j", status="completed"),
        commands.Deliver(client="c", job="j", outputs=(), items=None, letters=()),
        commands.Refuse(client="c", job="j", reason="no"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_commands_travel_and_are_values(command: commands.Command) -> None:
    assert pickle.loads(pickle.dumps(command)) == command
