from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from routilux_dist.coordinator.commands import Deliver, Report
from routilux_dist.coordinator.events import ControlAsked, Posted
from routilux_dist.plan.plan import GroupKind
from routilux_dist.testing.ledger import Broken, Ledger
from routilux_dist.wire.block import Block, Rows
from routilux_dist.wire.slices import Receipt, Slice


def block(*payloads: object, job: str = "j", items: Any = None) -> Block:
    return Block(job, 0, 0, len(payloads), 0, 1, 0, True, "", Rows(list(payloads), items))


PLAN: Any = SimpleNamespace(
    ports=[SimpleNamespace(group=0, routine="r")], groups=[SimpleNamespace(kind=GroupKind.TASKS)]
)


def machine(**jobs: Any) -> Any:
    return SimpleNamespace(jobs=jobs, find=jobs.get)


def posted(*payloads: object, **fields: Any) -> Ledger:
    ledger = Ledger(PLAN)
    ledger.posted(Posted(job="j", blocks=(block(*payloads),), **fields), machine(), refused=False)
    return ledger


def work(*payloads: object, number: int = 1) -> Slice:
    return Slice(number, 1, 0, 0, [(number, block(*payloads))], 1.0, {}, {}, 9)


def report(status: str = "completed") -> Report:
    return Report(client="", job="j", status=status)


def test_a_message_goes_its_way() -> None:
    ledger = posted("a", "b")
    sent = work("a", "b")
    ledger.dispatched(sent)
    ledger.finished(sent, Receipt(1, 1, blocks=[block("c")]))
    ledger.check(machine(j=SimpleNamespace(stage=0, pending=1, flying=0)))
    again = work("c", number=2)
    ledger.dispatched(again)
    ledger.finished(again, Receipt(2, 1))
    ledger.reported(report())
    assert [one.status for one in ledger.all] == ["completed"]


def test_a_message_cannot_be_dispatched_twice() -> None:
    ledger = posted("a")
    ledger.dispatched(work("a"))
    with pytest.raises(Broken, match="do not wait"):
        ledger.dispatched(work("a", number=2))


def test_lost_messages_wait_again_and_blame_counts() -> None:
    ledger = posted("a")
    sent = work("a")
    ledger.dispatched(sent)
    ledger.lost(sent, machine(j=SimpleNamespace(letters=[])), {}, innocent=False)
    assert ledger.alive["j"].losses == 1
    ledger.dispatched(work("a", number=2))


def test_a_lost_message_may_become_a_dead_letter() -> None:
    ledger = posted("a")
    sent = work("a")
    ledger.dispatched(sent)
    letter = SimpleNamespace(block=sent.blocks[0][1])
    ledger.lost(sent, machine(j=SimpleNamespace(letters=[letter])), {"j": 0}, innocent=False)
    with pytest.raises(Broken, match="do not wait"):
        ledger.dispatched(work("a", number=2))


def test_nothing_is_sent_for_paused_or_ended_jobs() -> None:
    ledger = posted("a")
    ledger.asked(ControlAsked("j", "pause"))
    with pytest.raises(Broken, match="paused"):
        ledger.dispatched(work("a"))
    ledger.asked(ControlAsked("j", "resume"))
    ledger.asked(ControlAsked("j", "cancel"))
    ledger.reported(report("cancelled"))
    with pytest.raises(Broken, match="has ended"):
        ledger.dispatched(work("a"))


def test_ends_have_to_be_true() -> None:
    with pytest.raises(Broken, match="1 of its messages are somewhere"):
        posted("a").reported(report())
    with pytest.raises(Broken, match="not closed"):
        posted(last=False).reported(report())
    with pytest.raises(Broken, match="nobody asked"):
        posted().reported(report("cancelled"))
    ledger = posted()
    ledger.reported(report())
    with pytest.raises(Broken, match="not alive"):
        ledger.reported(report())
    with pytest.raises(Broken, match="were delivered"):
        ledger.delivered(Deliver(client="", job="j", outputs=(), items=None, letters=()))


def test_refusals_have_to_be_right() -> None:
    ledger = posted()
    with pytest.raises(Broken, match="was refused"):
        ledger.posted(Posted(job="j"), machine(), refused=True)
    ledger.reported(report())
    with pytest.raises(Broken, match="was taken"):
        ledger.posted(Posted(job="j"), machine(), refused=False)
    ledger.asked(ControlAsked("j", "release"))
    ledger.posted(Posted(job="j"), machine(), refused=False)
    assert [one.name for one in ledger.all] == ["j", "j"]


def test_counts_of_the_machine_are_compared() -> None:
    ledger = posted("a")
    with pytest.raises(Broken, match="1 messages wait and 0 are with workers; the machine counts 0 and 0"):
        ledger.check(machine(j=SimpleNamespace(stage=0, pending=0, flying=0)))
    with pytest.raises(Broken, match="has vanished"):
        ledger.check(machine())


def test_items_of_streams_are_counted() -> None:
    ledger = Ledger(PLAN)
    ledger.posted(Posted(job="j", blocks=(block("a", "b", items=0),), stream=True), machine(), refused=False)
    sent = work("a", "b")
    ledger.dispatched(sent)
    ledger.finished(sent, Receipt(1, 1, blocks=[block("c", items=[1])]))
    ledger.delivered(Deliver(client="", job="j", outputs=(), items=([(0, 2)], [], [1]), letters=()))
    assert ledger.alive["j"].open_items == {0: 0, 1: 1}
    more = work("c", number=2)
    ledger.dispatched(more)
    ledger.finished(more, Receipt(2, 1))
    with pytest.raises(Broken, match="open items"):
        ledger.reported(report())
