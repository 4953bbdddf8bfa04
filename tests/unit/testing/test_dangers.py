from __future__ import annotations

import copy

import pytest

from routilux_dist.testing import dangers
from routilux_dist.testing.faults import KINDS, Faults
from routilux_dist.testing.tape import Tape
from routilux_dist.testing.world import World
from tests.unit.testing.test_world import made


def until(world: World, kind: str) -> None:
    """Let the world go on until a fault of this kind can happen, and make it happen."""
    world.kinds = (kind,)
    for _ in range(200):
        wild = dangers.wild(world)
        if wild:
            world.do(wild[-1])
            return
        calm = world.calm()
        assert calm, f"{kind} never can happen"
        world.do(calm[0])
    raise AssertionError(f"{kind} never can happen")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("early", "restart")])
def test_each_fault_can_happen_and_is_survived(kind: str) -> None:
    world = made(("post", "more.input", [1, 2], False), ("close",))
    until(world, kind)
    world.calm_down()
    world.close()
    assert world.ledger.all[0].status in {"cancel": ("cancelled",), "home": ("failed", "completed")}.get(
        kind, ("completed",)
    )


def test_only_homes_lose_state() -> None:
    world = made()
    until(world, "home")
    world.calm_down()
    (one,) = world.ledger.all
    assert (one.failure is None) == (world.homes_lost == 0)


def test_a_timer_may_ring_early() -> None:
    world = made()
    world.kinds = ("early",)
    world.timers.append((9.0, ("rest",)))
    world.timers.append((9.0, ("stall",)))
    assert dangers.wild(world) == [("early", 0)]
    world.do(("early", 0))
    assert world.now == 0.0
    assert len(world.timers) == 2


def test_another_machine_may_go_on() -> None:
    world = made()
    world.kinds = ("restart",)
    assert dangers.wild(world) == []
    world.successor = copy.deepcopy
    before = world.machine
    until(world, "restart")
    assert world.machine is not before
    world.calm_down()
    assert world.ledger.all[0].status == "completed"


def test_faults_come_from_the_tape() -> None:
    world = made()
    world.faults, world.tape = Faults(most=3), Tape(1)
    world.run()
    again = made()
    again.faults, again.tape = Faults(most=3), Tape(1)
    again.run()
    assert [what for _, kind, what in again.trace if kind == "do"] == [
        what for _, kind, what in world.trace if kind == "do"
    ]
