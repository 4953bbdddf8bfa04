from __future__ import annotations

from routilux_dist.coordinator.events import CapacityChanged, RetryAsked, SliceLost, TimerFired
from routilux_dist.testing import story
from routilux_dist.testing.tape import Tape
from tests.unit.testing.test_world import made


def test_a_schedule_in_words() -> None:
    world = made()
    world.run()
    text = "\n".join(story.tell(world.program.plan, world.trace))
    assert "job j gets j more.input [1, 2], j more.input [3]" in text
    assert "run slice 1" in text
    assert "job j is completed" in text


def test_faults_are_explained() -> None:
    world = made()
    world.trace += [
        (0.0, "do", ("death", 3, 1)),
        (1.0, "event", SliceLost(3, 1, "gone", True)),
        (2.0, "event", TimerFired(("retry", "j", 4))),
        (2.0, "event", RetryAsked("j")),
        (3.0, "event", CapacityChanged(4)),
        (4.0, "do", ("mail", 0)),
    ]
    lines = story.tell(world.program.plan, world.trace)
    assert lines[0].strip().startswith("0.000 !! death 3 1: a worker process dies")
    assert [line.split(maxsplit=1)[1] for line in lines[1:]] == [
        "slice 3 is lost (innocent): gone",
        "timer retry j 4",
        "job j: dead letters again",
        "now 4 workers",
    ]


def test_every_event_of_random_schedules_has_words() -> None:
    from routilux_dist.testing.faults import Faults

    for seed in range(30):
        world = made()
        world.tape, world.faults = Tape(seed), Faults.every()
        world.run()
        assert len(story.tell(world.program.plan, world.trace)) > 3
