"""Messages for one state that become one before they are sent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.flow.state import partition_of
from routilux_dist.testing import Workbench
from tests.unit.workers.conftest import conserves, of

Build = Callable[..., Workbench]
Pair = tuple[str, int]


def spread(pairs: list[Any]) -> Iterator[Any]:
    yield from pairs


def first(pair: Pair) -> str:
    return pair[0]


def add(one: Pair, other: Pair) -> Pair:
    return one[0], one[1] + other[1]


class Sums(rd.Routine):
    """Sums by key."""

    def __init__(self, combine: Any = add, key: Any = first) -> None:
        super().__init__()
        self.combine, self.key = combine, key

    def setup(self) -> None:
        self.add_slot("input", combine=self.combine)
        self.add_event("output")
        self.add_state(total=0, key=self.key)

    def logic(self, pair: Pair) -> None:
        self.state["total"] += pair[1]
        self.emit("output", pair)


def sums(combine: Any = add, key: Any = first) -> rd.Flow:
    return of(("spread", rd.routine(spread)), ("sums", Sums(combine, key)), links=("spread.output sums.input",))


PAIRS = [(name, number) for number in range(5) for name in "abc"]


def test_messages_with_one_key_leave_as_one(workbench: Build) -> None:
    one = workbench(sums(), "spread", homes=3)
    block = one.block("spread.input", [PAIRS])
    receipt = one.run(block)
    assert sorted(one.sent(receipt, "sums.input")) == [("a", 10), ("b", 10), ("c", 10)]
    assert receipt.tally("job").emitted == 3
    assert conserves(one, receipt, block)
    assert len({block.partition for block in receipt.blocks}) == len(receipt.blocks)


def test_it_begins_anew_with_each_slice(workbench: Build) -> None:
    one = workbench(sums(), "spread")
    for _ in range(2):
        assert sorted(one.sent(one.send("spread.input", PAIRS), "sums.input")) == [("a", 10), ("b", 10), ("c", 10)]


def test_jobs_do_not_meet(workbench: Build) -> None:
    one = workbench(sums(), "spread")
    blocks = [one.block("spread.input", [PAIRS], job) for job in ("x", "y", "x")]
    receipt = one.run(*blocks)
    found: dict[str, Counter[str]] = {"x": Counter(), "y": Counter()}
    for block in receipt.blocks:
        for name, number in block.body.payloads:  # type: ignore[union-attr]
            found[block.job][name] += number
    assert found == {"x": Counter(a=20, b=20, c=20), "y": Counter(a=10, b=10, c=10)}
    assert conserves(one, receipt, *blocks)


def test_state_without_a_key_gets_one_message(workbench: Build) -> None:
    one = workbench(sums(key=None), "spread")
    assert one.sent(one.send("spread.input", PAIRS), "sums.input") == [("a", 30)]


def test_the_items_of_a_stream_stay_apart(workbench: Build) -> None:
    """Each is told what became of it."""
    one = workbench(sums(), "spread")
    receipt = one.run(one.block("spread.input", [PAIRS, PAIRS], items=0))
    assert Counter(one.sent(receipt, "sums.input")) == Counter(PAIRS * 2)


def test_what_has_no_key_goes_as_it_is_and_is_told_by_its_home(workbench: Build) -> None:
    one = workbench(sums(), "spread", homes=3)
    receipt = one.send("spread.input", [*PAIRS, 7, 7, ([], 1)])
    sent = one.sent(receipt, "sums.input")
    assert sorted(map(str, sent)) == ["('a', 10)", "('b', 10)", "('c', 10)", "([], 1)", "7", "7"]
    assert receipt.stopped == {}


def test_an_activation_that_raises_adds_nothing(workbench: Build) -> None:
    def half(pairs: list[Pair]) -> Iterator[Pair]:
        yield from pairs
        if len(pairs) == 1:
            raise ValueError("not this one")

    flow = of(
        ("spread", rd.routine(half)),
        ("sums", Sums()),
        links=("spread.output sums.input",),
        error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE),
    )
    one = workbench(flow, "spread")
    receipt = one.send("spread.input", [("a", 1), ("a", 2)], [("a", 100)], [("a", 4), ("b", 8)])
    assert sorted(one.sent(receipt, "sums.input")) == [("a", 7), ("b", 8)]


def stopped(receipt: Any) -> Any:
    (failure,) = receipt.stopped.values()
    assert (failure.routine, failure.slot, failure.kind) == ("sums", "input", "combine")
    return failure


def test_a_function_that_raises_ends_the_job_in_words(workbench: Build) -> None:
    def broken(one: Pair, other: Pair) -> Pair:
        raise SystemExit("cannot add")

    one = workbench(sums(broken), "spread")
    block = one.block("spread.input", [PAIRS])
    receipt = one.run(block)
    assert "cannot add" in stopped(receipt).message
    assert "broken" in stopped(receipt).traceback
    assert conserves(one, receipt, block)
    assert one.run(one.block("spread.input", [[("a", 1)]], "other")).stopped == {}


def test_a_time_out_is_that_of_the_routine_that_sends(workbench: Build) -> None:
    def slow(one: Pair, other: Pair) -> Pair:
        while True:
            time.sleep(0.01)

    flow = of(
        ("spread", rd.routine(timeout=0.2)(spread)),
        ("sums", Sums(slow)),
        links=("spread.output sums.input",),
        error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE),
    )
    one = workbench(flow, "spread")
    receipt = one.send("spread.input", [("a", 1), ("a", 2)])
    assert receipt.stopped == {}
    (letter,) = receipt.letters
    assert (letter.failure.routine, letter.failure.error_type) == ("spread", "TimeoutError")


class Emits(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, pair: Pair) -> None:
        self.emit("output", pair)


def test_it_works_for_no_job(workbench: Build) -> None:
    """What it did would be another activation's doing."""

    def telling(one: Pair, other: Pair) -> Pair:
        rd.current_job().trace("combined")
        return add(one, other)

    flow = of(("emits", Emits()), ("sums", Sums(telling)), links=("emits.output sums.input",))
    one = workbench(flow, "emits")
    receipt = one.run(
        one.block("emits.input", [("a", 1), ("a", 2)], "x"), one.block("emits.input", [("b", 1), ("c", 2)], "y")
    )
    assert list(receipt.stopped) == ["x"]
    assert "works inside a running routine only" in receipt.stopped["x"].message
    assert receipt.traces == []
    flow = of(("spread", rd.routine(spread)), ("sums", Sums(telling)), links=("spread.output sums.input",))
    receipt = workbench(flow, "spread").send("spread.input", [("a", 1), ("a", 2)])
    assert "works inside a running routine only" in stopped(receipt).message
    assert receipt.traces == []


def test_a_key_that_raises_anything_is_the_affair_of_its_home(workbench: Build) -> None:
    def key(pair: Pair) -> str:
        if pair[1] == 2:
            raise SystemExit("no key")
        return pair[0]

    for routine in (Emits(), rd.routine(spread)):
        one = workbench(of(("s", routine), ("sums", Sums(key=key)), links=("s.output sums.input",)), "s", homes=3)
        pairs = [("a", 1), ("a", 2), ("a", 3)]
        receipt = one.send("s.input", *(pairs if isinstance(routine, Emits) else [pairs]))
        assert sorted(one.sent(receipt, "sums.input")) == [("a", 2), ("a", 4)]
        assert receipt.stopped == {}


def test_what_was_not_combined_may_have_any_key(workbench: Build) -> None:
    nan = float("nan")
    one = workbench(sums(), "spread")
    receipt = one.send("spread.input", [(nan, 1), ("a", 2)])
    assert receipt.stopped == {}
    assert [number for _, number in one.sent(receipt, "sums.input")] == [1, 2]


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


def test_a_key_without_a_text_is_told(workbench: Build) -> None:
    one = workbench(sums(lambda one, other: (Hostile(), 3)), "spread")
    assert "whose text cannot be made" in stopped(one.send("spread.input", [("a", 1), ("a", 2)])).message


def test_blocks_of_one_job_meet(workbench: Build) -> None:
    one = workbench(sums(), "spread")
    names = ["".join(["jo", "b"]) for _ in range(3)]
    assert names[0] is not names[1]
    receipt = one.run(*(one.block("spread.input", [PAIRS], name) for name in names))
    assert sorted(one.sent(receipt, "sums.input")) == [("a", 30), ("b", 30), ("c", 30)]


@pytest.mark.parametrize("routine", [Emits, lambda: rd.routine(lambda pair: iter_one(pair))])
def test_messages_of_several_activations_meet(workbench: Build, routine: Any) -> None:
    flow = of(("emits", routine()), ("sums", Sums()), links=("emits.output sums.input",))
    one = workbench(flow, "emits")
    receipt = one.send("emits.input", *PAIRS)
    assert sorted(one.sent(receipt, "sums.input")) == [("a", 10), ("b", 10), ("c", 10)]


def iter_one(pair: Pair) -> Iterator[Pair]:
    yield pair


@pytest.mark.parametrize(
    ("combine", "says"),
    [
        (lambda one, other: ("b", 1), r"combine= made \('b', 1\) of messages with the key 'a': its key is 'b'; return"),
        (lambda one, other: None, "not subscriptable"),
    ],
)
def test_what_it_makes_belongs_to_the_same_state(workbench: Build, combine: Any, says: str) -> None:
    import re

    one = workbench(sums(combine), "spread", homes=3)
    receipt = one.send("spread.input", [("a", 1), ("a", 2)])
    assert re.search(says, stopped(receipt).message)


def test_a_slice_that_starts_over_forgets_what_it_had_combined(workbench: Build) -> None:
    """A home that sends to another routine's homes, and has to take back what is not plain."""

    class Collect(rd.Routine):
        def setup(self) -> None:
            self.add_slot("input")
            self.add_event("output")
            self.add_state(seen=[])
            self.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))

        def logic(self, pair: Pair) -> None:
            self.state["seen"].append(pair)
            self.emit("output", pair)
            if pair[1] == 3:
                raise ValueError("three")

    flow = of(("collect", Collect()), ("sums", Sums()), links=("collect.output sums.input",))
    one = workbench(flow, "collect", homes=2, partition=1 - partition_of("a", 2))
    receipt = one.send("collect.input", ("a", 1), ("a", 2), ("a", 3), ("a", 4))
    assert one.sent(receipt, "sums.input") == [("a", 7)]
