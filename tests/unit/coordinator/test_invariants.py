"""Each rule notices what it is there for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from routilux_dist.coordinator import invariants
from routilux_dist.coordinator.machine import Machine
from routilux_dist.errors import InternalError
from routilux_dist.ids import JobStatus
from routilux_dist.testing import Bench
from tests.unit.coordinator.conftest import chain


@pytest.fixture
def machine() -> Machine:
    one = Bench(chain())
    one.post("done", "a.input")
    one.finish()
    for _ in range(3):
        one.post("j", "a.input", last=False)
    invariants.check(one.machine)
    return one.machine


def accept_one(machine: Machine) -> None:
    machine.jobs["j"].accepted += 1


def copy_a_block(machine: Machine) -> None:
    queue = machine.lanes[0, 0].queues["j"]
    queue.entry.append(queue.entry[0])


def miscount_blocks(machine: Machine) -> None:
    machine.jobs["j"].blocks += 1


def miscount_rows(machine: Machine) -> None:
    machine.lanes[0, 0].rows[machine.plan.slot("a", "input").index] += 1


def miscount_flights(machine: Machine) -> None:
    machine.lanes[0, 0].flying += 1


def lose_a_turn(machine: Machine) -> None:
    machine.lanes[0, 0].order.clear()


def take_two_turns(machine: Machine) -> None:
    machine.lanes[0, 0].order.append("j")


def serve_a_paused_job(machine: Machine) -> None:
    machine.jobs["j"].status = JobStatus.PAUSED


def keep_a_dead_job(machine: Machine) -> None:
    machine.jobs["j"].status = JobStatus.FAILED


def hold_blocks_after_the_end(machine: Machine) -> None:
    machine.ended["done"].blocks = 1


def miscount_the_door(machine: Machine) -> None:
    machine.door_blocks += 1


def miscount_the_backlog(machine: Machine) -> None:
    machine.lanes[0, 0].backlog_blocks += 1


def hold_everybody_up(machine: Machine) -> None:
    machine.held = dict.fromkeys(range(len(machine.plan.ports)))
    machine.flights.clear()


def keep_state_of_nobody(machine: Machine) -> None:
    machine.lanes[0, 0].kept["nobody"] = {}


def hide_from_the_board(machine: Machine) -> None:
    machine.board.busy += 1


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (accept_one, "conserve"),
        (copy_a_block, "one_place"),
        (miscount_blocks, "counted"),
        (miscount_rows, "counted"),
        (miscount_flights, "counted"),
        (lose_a_turn, "served"),
        (take_two_turns, "served"),
        (serve_a_paused_job, "served"),
        (keep_a_dead_job, "ended"),
        (hold_blocks_after_the_end, "ended"),
        (miscount_the_door, "door"),
        (miscount_the_backlog, "backlog"),
        (hold_everybody_up, "flowing"),
        (keep_state_of_nobody, "kept"),
        (hide_from_the_board, "shown"),
    ],
)
def test_a_broken_rule_is_named_with_the_story(machine: Machine, fault: Callable[[Machine], None], rule: str) -> None:
    fault(machine)
    with pytest.raises(InternalError, match=rf"(?s)broken invariants:.*{rule}: .*j: posted"):
        invariants.check(machine)


def test_every_rule_is_tried_here() -> None:
    assert {rule.__name__ for rule in invariants.RULES} == {
        "conserve",
        "one_place",
        "counted",
        "served",
        "backlog",
        "flowing",
        "ended",
        "door",
        "kept",
        "shown",
    }
