from __future__ import annotations

from collections.abc import Callable
from typing import Any

import routilux_dist as rd
from routilux_dist.testing import Workbench
from routilux_dist.wire.slices import JobNote
from routilux_workers import endings
from tests.unit.workers.conftest import of, stateful

Build = Callable[..., Workbench]


class Pairs(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(seen=0)
        self.set_activation_policy(rd.batch(2, timeout=60))

    def logic(self, xs: list[Any]) -> None:
        self.emit("output", xs)

    def finish(self) -> None:
        self.emit("output", "end")


def asked(one: Workbench, block: Any) -> list[str]:
    """What a control block asks for, by the names of slots."""
    one.host.activity.enter(1, block, JobNote())
    return [step.slot for step, _, _ in endings.messages(one.host, block)]


def test_an_unkeyed_routine_finishes_once_even_if_nothing_came(workbench: Build) -> None:
    one = workbench(of(("a", stateful(lambda r, x: None, lambda r: "end", total=0))))
    assert asked(one, one.control("a.(finish)")) == ["finish"]
    assert one.sent(one.run(one.control("a.(finish)"))) == ["end"]
    assert asked(one, one.control("a.(finish)")) == []


def test_what_waits_is_flushed_before_the_end(workbench: Build) -> None:
    one = workbench(of(("a", Pairs())))
    one.send("a.input", 1, 2, 3)
    assert asked(one, one.control("a.(finish)")) == ["logic", "finish"]
    assert one.sent(one.run(one.control("a.(finish)"))) == [[3], "end"]


def test_an_alarm_asks_for_what_is_due_only(workbench: Build) -> None:
    one = workbench(of(("a", Pairs())))
    one.send("a.input", 1)
    assert asked(one, one.control("a.(wake)")) == []


def test_an_ending_of_many_keys_is_got_ready_in_parts(workbench: Build) -> None:
    def keyed() -> Any:
        return stateful(lambda r, x: None, lambda r: rd.current_job().idempotency_key, n=0, key=lambda x: x)

    one = workbench(of(("a", keyed())))
    count = 2 * endings.PART + 10
    one.send("a.input", *range(count))
    block = one.control("a.(finish)")
    one.host.activity.enter(1, block, JobNote())
    assert [len(part) for part in endings.parts(one.host, block)] == [endings.PART, endings.PART, 10]
    receipt = one.run(block)
    named = set(one.sent(receipt))
    assert len(named) == count, "each has a name of its own"
    assert receipt.blocks == []
    fewer = workbench(of(("a", keyed())))
    fewer.send("a.input", *range(1, count))
    fewer._numbers = one._numbers - 1
    assert set(fewer.sent(fewer.run(fewer.control("a.(finish)")))) < named, "whatever other cells there are"
    again = workbench(of(("a", keyed())))
    again.send("a.input", *range(count))
    names = set()
    for _ in range(count):  # a slice for each
        receipt = again.run(again.control("a.(finish)"), budget=0.0)
        names |= set(again.sent(receipt))
        if not receipt.blocks:
            break
        assert [block.rows for block in receipt.blocks] == [0], "the rest is asked for once"
    assert len(names) == count


def test_a_long_ending_does_not_run_a_finish_beside_its_retry(workbench: Build) -> None:
    def finish(routine: Any) -> Any:
        attempt = rd.current_job().attempt
        if routine.state["k"] == 1 and attempt == 1:
            raise ValueError("once")
        return routine.state["k"], attempt

    def note(routine: Any, x: int) -> None:
        routine.state["k"] = x

    made = stateful(note, finish, k=0, key=lambda x: x)
    later = rd.ErrorHandler(rd.ErrorStrategy.RETRY, retry_delay=5.0)
    one = workbench(of(("a", made), error_handler=later))
    one.send("a.input", 0, 1, 2, 3)
    told, retries, asked = [], [], one.control("a.(finish)")
    while asked is not None:
        receipt = one.run(asked, budget=0.0)
        told += one.sent(receipt)
        retries += receipt.retries
        asked = receipt.blocks[0] if receipt.blocks else None
    assert told == [(0, 1), (2, 1), (3, 1)]
    [(_, again)] = retries
    assert one.sent(one.run(again)) == [(1, 2)]


def test_one_finish_is_tried_again(workbench: Build) -> None:
    keyed = stateful(lambda r, x: None, lambda r: r.state["n"], n=0, key=lambda x: x)
    one = workbench(of(("a", keyed)))
    one.send("a.input", "x", "y")
    one.run(one.control("a.(finish)"))
    assert asked(one, one.control("a.(finish)", key=("y",))) == ["finish"]
