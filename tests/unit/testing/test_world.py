from __future__ import annotations

from collections import deque
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import world as worlds
from routilux_dist.testing.faults import Faults
from routilux_dist.testing.ledger import Broken
from routilux_dist.testing.processes import Program
from routilux_dist.testing.tape import Tape
from routilux_dist.testing.world import Client, Knobs, World


class Count(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(n=0, key=lambda x: x % 2 * 4)

    def logic(self, x: int) -> None:
        self.state["n"] += 1

    def finish(self) -> int:
        return self.state["n"]


def made(*steps: tuple[Any, ...], knobs: Knobs | None = None, tape: list[int] | None = None) -> World:
    flow = rd.Flow("small")
    flow.add_routine(lambda x: x + 1, "more")
    flow.add_routine(Count(), "count")
    flow.connect("more.output", "count.input")
    client = Client("j", deque(steps or [("post", "more.input", [1, 2, 3], True)]))
    return World(Program.of(flow), knobs or Knobs(), [client], Faults(()), Tape(entries=tape or []))


def outputs(world: World) -> list[Any]:
    return sorted(payload for block in world.ledger.all[0].outputs for payload in block.body.payloads)  # type: ignore[union-attr]


def test_a_dull_schedule_runs_a_flow() -> None:
    world = made()
    world.run()
    assert [one.status for one in world.ledger.all] == ["completed"]
    assert outputs(world) == [1, 2]
    world.close()


@pytest.mark.parametrize("seed", range(20))
def test_any_size_of_world_gives_the_same(seed: int) -> None:
    world = made(knobs=Knobs.drawn(Tape(seed)))
    world.run()
    world.close()
    ended = world.ledger.all[0]
    assert ended.status == "completed"
    if not world.knobs.packed:
        assert outputs(world) == [1, 2]


def test_entry_messages_go_to_the_home_of_their_key() -> None:
    world = made(("post", "count.input", [1, 3, 2, 5, 7], True))
    world.do(world.calm()[0])
    sent = [(work.slice.partition, work.slice.blocks[0][1].rows) for work in world.sent.values()]
    assert {partition for partition, _ in sent} == {0, 1}
    world.calm_down()
    assert outputs(world) == [1, 4]


def test_clients_wait_for_the_end_before_they_use_a_name_again() -> None:
    post = ("post", "more.input", [1], True)
    world = made(post, ("release",), post)
    world.do(("client", 0))
    assert ("client", 0) not in world.calm()
    world.calm_down()
    assert [one.status for one in world.ledger.all] == ["completed", "completed"]


def test_what_nobody_closes_or_resumes_is_closed_and_resumed_in_the_end() -> None:
    world = made(("post", "more.input", [1], False))
    world.do(("client", 0))
    world.do(("ask", "j", "pause"))
    world.calm_down()
    assert world.ledger.all[0].status == "completed"


def test_a_world_that_goes_on_for_ever_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "PATIENCE", 3)
    with pytest.raises(Broken, match="3 events after the last fault these jobs still go on: j"):
        made().calm_down()


def test_a_job_that_never_ends_is_a_finding() -> None:
    world = made()
    world.do(("client", 0))
    world.processes.clear()
    world.sent.clear()
    with pytest.raises(Broken, match="nothing happens any more"):
        world.calm_down()


def test_slices_that_nobody_wants_can_be_stopped() -> None:
    world = made()
    world.do(("client", 0))
    world.do(("ask", "j", "cancel"))
    stops = [action for action in world.calm() if action[0] == "stop"]
    assert len(stops) == len(world.sent) > 0
    world.do(stops[0])
    world.calm_down()
    assert world.ledger.all[0].status == "cancelled"
    assert not world.machine.flights


def test_a_slice_that_does_not_stop_takes_its_process_along() -> None:
    world = made(("post", "count.input", [1], True))
    world.do(("client", 0))
    world.do(next(action for action in world.calm() if action[0] == "run"))
    world.do(("ask", "j", "cancel"))
    (sent,) = world.sent.values()
    sent.unwanted = "force"
    world.do(("stop", sent.slice.id))
    assert not sent.process.alive
    world.calm_down()
    assert not world.machine.flights
