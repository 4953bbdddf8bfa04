"""Who gets which slice: with members that are lists of calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from routilux_dist.cluster.crew import IDLE_SECONDS, Crew, Share


class Method:
    def __init__(self, calls: list[tuple[Any, ...]], name: str) -> None:
        self.calls, self.name = calls, name

    def __call__(self, *arguments: Any) -> str:
        self.calls.append((self.name, *arguments))
        return f"{self.name}-result"


class Actor:
    """A member, and how it is reached; notes what it is called for."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.actor = self
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Method:
        return Method(self.calls, name)

    def named(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


@dataclass
class FakeHands:
    actors: list[Actor] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    watched: list[Callable[[bool, Any], None]] = field(default_factory=list)

    def launch(self, number: int) -> Actor:
        self.actors.append(Actor(number))
        return self.actors[-1]

    def watch(self, result: Any, then: Callable[[bool], None]) -> None:
        self.watched.append(then)

    def end(self, actor: Actor) -> None:
        self.ended.append(actor.number)

    def answer(self) -> None:
        """Let everything that is watched go well."""
        watched, self.watched = self.watched, []
        for then in watched:
            then(True)


@pytest.fixture
def hands() -> FakeHands:
    return FakeHands()


def at(hands: FakeHands) -> list[list[int]]:
    """Return the slices that each member was sent."""
    return [[call[3] for call in actor.named("run")] for actor in hands.actors]


def send(share: Share, *slices: int) -> None:
    for number in slices:
        share.send(number, number)


def opened(hands: FakeHands, workers: int = 2, most: int = 8) -> tuple[Crew, Share]:
    """Return a crew and a share whose members have all answered."""
    crew = Crew(hands, most)
    share = crew.join("f", workers, "shipment")
    while len(crew.members) < workers:
        crew.start()
    hands.answer()
    return crew, share


def test_the_first_member_is_started_before_there_is_work(hands: FakeHands) -> None:
    Crew(hands, 8).join("f", 2, "shipment")
    assert len(hands.actors) == 1


def test_members_are_started_as_work_needs_them_and_no_more_than_workers(hands: FakeHands) -> None:
    share = Crew(hands, 8).join("f", 2, "shipment")
    send(share, 1, 2, 3, 4)
    assert at(hands) == [[1, 3], [2, 4]]


def test_slices_go_to_who_has_least_to_do(hands: FakeHands) -> None:
    _, share = opened(hands)
    send(share, 1, 2, 3)
    share.done(2, 0.0, well=True)
    send(share, 4, 5)
    assert at(hands) == [[1, 3], [2, 4, 5]]


def test_the_second_slice_waits_at_a_member_that_runs_rather_than_at_one_that_starts(hands: FakeHands) -> None:
    share = Crew(hands, 8).join("f", 2, "shipment")
    hands.answer()
    send(share, 1, 2, 3)
    assert at(hands) == [[1, 2], [3]], "the third would wait for two"


def test_a_slice_that_has_to_be_alone_rather_waits_for_a_member_that_starts(hands: FakeHands) -> None:
    share = Crew(hands, 8).join("f", 2, "shipment")
    hands.answer()
    send(share, 1)
    share.send(2, 2, alone=True)
    assert at(hands) == [[1], [2]]


def test_a_member_that_has_started_takes_over_what_waits(hands: FakeHands) -> None:
    share = Crew(hands, 8).join("f", 2, "shipment")
    hands.answer()
    send(share, 1, 2)
    first, second = hands.actors
    hands.answer()
    assert first.named("drop") == [(1, False)]
    assert share.done(2, 0.0, well=False), "it is still wanted"
    send(share, 2)
    assert second.named("run")[0][:2] == (0, "f")
    share.rebalance()
    assert first.named("drop") == [(1, False)], "nothing waits any more"


def test_what_waits_moves_to_members_that_are_idle_one_for_each(hands: FakeHands) -> None:
    _, share = opened(hands, workers=3)
    send(share, 1, 2, 3, 4, 5, 6)
    for number in (2, 5, 3, 6):
        share.done(number, 0.0, well=True)
    assert at(hands) == [[1, 4], [2, 5], [3, 6]]
    send(share, 7, 8)
    share.rebalance()
    assert hands.actors[0].named("drop") == [], "nobody is idle"
    share.done(7, 0.0, well=True)
    share.rebalance()
    share.rebalance()
    assert hands.actors[0].named("drop") == [(1, False)], "the one that waits, and only once"


def test_what_has_not_begun_is_asked_back(hands: FakeHands) -> None:
    _, share = opened(hands)
    send(share, 1, 2, 3, 4)
    share.hold_back()
    share.hold_back()
    assert at(hands) == [[1, 3], [2, 4]]
    assert [actor.named("drop") for actor in hands.actors] == [[(1, False)], [(1, False)]], "once, and not what runs"


def test_the_shipment_travels_until_a_member_has_run_a_slice(hands: FakeHands) -> None:
    _, share = opened(hands, workers=1)
    send(share, 1, 2)
    share.done(1, 0.0, well=True)
    send(share, 3)
    assert [call[2] for call in hands.actors[0].named("run")] == ["shipment", "shipment", None]


def test_two_flows_do_not_wait_for_each_other(hands: FakeHands) -> None:
    crew, one = opened(hands, workers=1)
    other = crew.join("g", 1, "shipment")
    send(one, 1)
    send(other, 1)
    assert at(hands) == [[1], [1]]


def test_flows_share_members_above_the_limit(hands: FakeHands) -> None:
    crew, one = opened(hands, workers=1, most=1)
    other = crew.join("g", 1, "shipment")
    send(one, 1)
    send(other, 1)
    assert at(hands) == [[1, 1]]


def test_a_member_that_knows_the_flow_is_preferred(hands: FakeHands) -> None:
    _, share = opened(hands)
    send(share, 1, 2)
    share.done(2, 0.0, well=True)
    share.done(1, 0.0, well=False)
    send(share, 3)
    assert at(hands) == [[1], [2, 3]]


def test_of_the_slices_of_a_member_that_died_those_that_may_have_run_are_suspect(hands: FakeHands) -> None:
    crew, share = opened(hands, workers=1)
    send(share, 1, 2, 3)
    assert share.died(3, alone=False), "it cannot have begun"
    assert not share.died(2, alone=False), "the receipt of the first may have been on its way"
    assert not share.died(1, alone=False)
    assert hands.ended == [1]
    for number in (1, 2, 3):
        share.done(number, 0.0, well=False)
    send(share, 1)
    assert [m.number for m in crew.members] == [2]


def test_who_waits_behind_a_slice_that_is_stuck_has_no_part_in_it(hands: FakeHands) -> None:
    crew, share = opened(hands, workers=1)
    send(share, 1, 2)
    share.retire(1)
    assert hands.ended == [1]
    assert not crew.members
    share.done(1, 0.0, well=True)
    assert share.died(2, alone=False)


def test_a_slice_whose_own_call_failed_is_suspect_wherever_it_stood(hands: FakeHands) -> None:
    _, share = opened(hands, workers=1)
    send(share, 1, 2)
    assert not share.died(2, alone=True)
    assert share.died(1, alone=False)


def test_a_member_that_cannot_be_started_is_lost(hands: FakeHands) -> None:
    crew = Crew(hands, 8)
    crew.join("f", 1, "shipment")
    hands.watched.pop()(False)
    assert crew.members == []


def test_an_unwanted_slice_is_told_and_then_ended_with_its_process(hands: FakeHands) -> None:
    crew, share = opened(hands, workers=1)
    send(share, 1, 2)
    share.stop(2, force=False)
    assert hands.actors[0].named("drop") == [(1, True)]
    share.stop(2, force=True)
    assert hands.ended == [], "it does not run: whoever does must not suffer"
    share.stop(1, force=True)
    assert hands.ended == [1]
    assert crew.members == []
    assert share.died(1, alone=False), "nobody is to blame"
    assert not share.done(2, 0.0, well=False), "nobody wants it"


def test_a_flow_that_ends_is_forgotten_by_the_members_that_knew_it(hands: FakeHands) -> None:
    _, share = opened(hands)
    send(share, 1)
    share.done(1, 0.0, well=True)
    assert share.close() == ["forget-result"]
    assert hands.actors[0].named("forget") == [(1, "f")]
    assert hands.actors[1].named("forget") == []


def test_members_that_still_run_slices_of_an_ended_flow_are_ended(hands: FakeHands) -> None:
    crew, share = opened(hands)
    other = crew.join("g", 2, "shipment")
    send(share, 1)
    send(other, 1)
    share.close()
    share.kill()
    assert hands.ended == [1]


def test_idle_members_are_closed_and_ended_but_for_one(hands: FakeHands) -> None:
    crew, share = opened(hands, workers=3)
    send(share, 1)
    crew.sweep(IDLE_SECONDS + 1)
    assert [m.number for m in crew.members] == [1]
    assert hands.actors[1].named("close") == [(0,)]
    assert hands.ended == [], "their routines are closed first"
    hands.answer()
    assert hands.ended == [2, 3]
    share.done(1, IDLE_SECONDS + 1, well=True)
    crew.sweep(10 * IDLE_SECONDS)
    assert [m.number for m in crew.members] == [1]


def test_slices_that_were_asked_back_count_until_they_are_back(hands: FakeHands) -> None:
    crew, share = opened(hands, workers=2)
    for member in crew.members:
        member.knows.add("f")
    send(share, 1, 2, 3, 4)
    share.hold_back()
    share.done(1, 0.0, well=True)
    share.done(3, 0.0, well=False)
    share.rebalance()
    assert hands.actors[1].named("drop") == [(1, False)], "that one comes back anyway"
    share.done(4, 0.0, well=False)
    send(share, 5, 6)
    share.done(5, 0.0, well=True)
    share.rebalance()
    assert hands.actors[1].named("drop") == [(1, False), (2, False)]
