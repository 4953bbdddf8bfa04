from __future__ import annotations

from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing.processes import Died, HostClock, Process, Program, crash
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Rows
from routilux_dist.wire.slices import JobNote, Slice


class Count(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(n=0)

    def logic(self, x: object) -> int:
        self.state["n"] += 1
        return self.state["n"]


class Broken(Count):
    opened = 0

    def open(self) -> None:
        Broken.opened += 1
        if Broken.opened == 1:
            raise OSError("not yet")


def process(routine: Any = None, *, packed: bool = False, pace: float = 0.0) -> Process:
    flow = rd.Flow("counted")
    flow.add_routine(routine if routine is not None else Count(), "count")
    program = Program.of(flow)
    clock = HostClock(lambda: 100.0, pace)
    return Process(program, (0, 0), program.partitions(1), clock, packed, lambda job: False)


def work(number: int = 1, rows: int = 2, packed: bool = False) -> Slice:
    payloads = list(range(rows))
    body: Any = codec.pack(payloads, None) if packed else Rows(payloads)
    block = Block("j", 0, 0, rows, 0, 1, 0, True, "", body)
    return Slice(number, 1, 0, 0, [(number, block)], 1.0, {"j": JobNote()}, {}, 9)


def outputs(receipt: Any) -> list[Any]:
    assert receipt is not None
    return [payload for block in receipt.outputs for payload in codec.unpack(block.body).payloads]


def test_state_stays_while_the_process_lives() -> None:
    one = process()
    assert outputs(one.run(work())) == [1, 2]
    assert outputs(one.run(work(2))) == [3, 4]
    one.close()


def test_a_new_process_knows_nothing() -> None:
    one = process()
    assert outputs(one.run(work())) == [1, 2]
    one.renew()
    assert outputs(one.run(work(2))) == [1, 2]


def test_a_process_dies_at_the_look_that_is_its_last() -> None:
    one = process()
    assert one.run(work(), fatal=4) is None
    assert not one.alive


def test_a_look_that_never_comes_kills_nobody() -> None:
    one = process()
    assert outputs(one.run(work(), fatal=1000)) == [1, 2]
    assert one.alive


def test_budgets_are_spent_by_looking_at_the_clock() -> None:
    receipt = process(pace=0.6).run(work(rows=5))
    assert receipt is not None
    assert len(outputs(receipt)) < 5
    assert sum(block.rows for block in receipt.blocks) == 5 - len(outputs(receipt))


def test_what_travels_is_encoded_if_asked() -> None:
    assert outputs(process(packed=True).run(work(packed=True))) == [1, 2]


def test_a_host_whose_open_failed_is_built_again() -> None:
    Broken.opened = 0
    one = process(Broken())
    receipt = one.run(work())
    assert receipt is not None
    assert receipt.stopped["j"].kind == "open"
    assert outputs(one.run(work(2))) == [1, 2]


class Deadly(Count):
    def logic(self, x: object) -> None:
        crash()


def test_code_can_take_its_process_down() -> None:
    one = process(Deadly())
    assert one.run(work()) is None
    assert not one.alive
    with pytest.raises(Died):
        crash()
