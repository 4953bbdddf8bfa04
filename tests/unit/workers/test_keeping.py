from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from routilux_dist.wire import codec
from routilux_dist.wire.slices import FINISHED, Kept, Receipt
from routilux_workers import keeping

Build = Callable[..., Workbench]


class Chain(rd.Routine):
    """Its state tells everything it has seen, by user."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(seen=[], count=0, key="user")

    def logic(self, input: dict[str, Any]) -> None:
        if input.get("bad"):
            raise ValueError("no")
        self.state["seen"].append(input["n"])
        self.state["count"] += 1

    def finish(self) -> None:
        self.emit("output", [*self.state["seen"], self.state["count"]])


class Pairs(rd.Routine):
    def setup(self) -> None:
        self.add_slot("left")
        self.add_slot("right", merge="append")
        self.add_event("output")

    def logic(self, left: Any, right: Any) -> None:
        self.emit("output", (left, list(right)))


class Total(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_state(total=0, scope="worker")

    def logic(self, input: int) -> None:
        self.state["total"] += input


class Holds(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_state(thing=None)

    def logic(self, input: int) -> None:
        self.state["thing"] = (n for n in range(input))


def bench_of(routine: rd.Routine, **options: Any) -> Workbench:
    flow = rd.Flow("kept")
    flow.add_routine(routine, "r")
    return Workbench(flow, keeps=True, **options)


def latest(*receipts: Receipt) -> tuple[Kept, ...]:
    """What a coordinator would keep."""
    kept: dict[Any, Kept] = {}
    for receipt in receipts:
        kept.update({(piece.job, piece.routine, piece.cell): piece for piece in receipt.kept})
    return tuple(kept.values())


def message(user: str, n: int, **more: Any) -> dict[str, Any]:
    return {"user": user, "n": n, **more}


def test_a_home_goes_on_where_another_one_was() -> None:
    one, other = bench_of(Chain()), bench_of(Chain())
    first = one.send("r.input", message("ann", 1), message("bob", 2))
    second = one.send("r.input", message("ann", 3))
    assert len(first.kept) == 2
    assert len(second.kept) == 1, "only what was touched"
    other.run(other.block("r.input", [message("ann", 4), message("cid", 5)]), state=latest(first, second))
    done = other.run(other.control("r.(finish)"))
    assert sorted(other.sent(done)) == [[1, 3, 4, 3], [2, 1], [5, 1]]


def test_what_it_had_itself_does_not_count() -> None:
    one, other = bench_of(Chain()), bench_of(Chain())
    kept = latest(one.send("r.input", message("ann", 1)))
    other.send("r.input", message("ann", 7), message("bob", 8))
    done = other.run(other.control("r.(finish)"), state=kept)
    assert other.sent(done) == [[1, 1]]


def test_new_cells_do_not_take_the_numbers_of_old_ones() -> None:
    one, other = bench_of(Chain()), bench_of(Chain())
    first = one.send("r.input", message("ann", 1), message("bob", 2))
    later = other.run(other.block("r.input", [message("cid", 3)]), state=latest(first))
    assert {piece.cell for piece in first.kept} & {piece.cell for piece in later.kept} == set()


def test_a_finish_that_ran_does_not_run_again() -> None:
    one, other = bench_of(Chain()), bench_of(Chain())
    first = one.send("r.input", message("ann", 1))
    ended = one.run(one.control("r.(finish)"))
    assert FINISHED in {piece.cell for piece in ended.kept}
    assert other.sent(other.run(other.control("r.(finish)"), state=latest(first, ended))) == []


def test_each_slice_keeps_the_keys_that_it_finished() -> None:
    one, other = bench_of(Chain()), bench_of(Chain())
    names = [f"name {n}" for n in range(20)]
    first = one.send("r.input", *(message(name, 1) for name in names))
    receipts, told = [], []
    while len(told) < len(names):
        receipts.append(one.run(one.control("r.(finish)"), budget=0.0))  # one part of an ending
        told += one.sent(receipts[-1])
    assert len(receipts) > 2
    for count in range(len(receipts)):
        left = other.run(other.control("r.(finish)"), state=latest(first, *receipts[:count]))
        done = sum(len(one.sent(receipt)) for receipt in receipts[:count])
        assert len(other.sent(left)) == len(names) - done
    pieces = [piece for receipt in receipts for piece in receipt.kept if piece.cell <= FINISHED]
    assert len({piece.cell for piece in pieces}) == len(pieces) == len(receipts)


def test_an_activation_that_raised_is_not_in_what_is_kept() -> None:
    flow = rd.Flow("kept")
    flow.add_routine(Chain(), "r")
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    one = Workbench(flow, keeps=True)
    first = one.send("r.input", message("ann", 1), message("ann", 2, bad=True), message("ann", 3))
    other = bench_of(Chain())
    done = other.run(other.control("r.(finish)"), state=latest(first))
    assert other.sent(done) == [[1, 3, 2]]


def test_messages_that_wait_in_a_join_are_kept() -> None:
    one, other = bench_of(Pairs()), bench_of(Pairs())
    first = one.run(one.block("r.left", [1, 2]))
    second = one.run(one.block("r.right", ["a"]))
    assert one.sent(second) == [(1, ["a"])]
    done = other.run(other.block("r.right", ["b"]), state=latest(first, second))
    assert other.sent(done) == [(2, ["a", "b"])]


def test_state_of_the_running_flow_belongs_to_no_job() -> None:
    one, other = bench_of(Total()), bench_of(Total())
    kept = latest(one.send("r.input", 1, 2, job="j1"), one.send("r.input", 3, job="j2"))
    assert [piece.job for piece in kept] == [""]
    again = other.run(other.block("r.input", [4], "j3"), state=kept)
    assert latest(again) == latest(bench_of(Total()).send("r.input", 10))


def test_state_that_cannot_be_saved_stops_its_job() -> None:
    one = bench_of(Holds())
    receipt = one.send("r.input", 3)
    assert "the state of routine 'r'" in receipt.stopped["job"].message
    assert "open()" in receipt.stopped["job"].message
    assert receipt.kept == []


@pytest.mark.parametrize("keeps", [True, False])
def test_nothing_is_kept_unless_asked(keeps: bool) -> None:
    flow = rd.Flow("kept")
    flow.add_routine(Total(), "r")
    assert bool(Workbench(flow, keeps=keeps).send("r.input", 1).kept) is keeps


def renamed(piece: Kept, *arguments: Any) -> Kept:
    return piece._replace(body=keeping.changed(piece.body, *arguments))


def test_a_cell_goes_on_with_another_state() -> None:
    one, other = bench_of(Chain()), bench_of(Chain())
    kept = latest(one.send("r.input", message("ann", 1)))
    more = tuple(renamed(piece, lambda state: {**state, "count": 70}, True) for piece in kept)
    other.run(other.block("r.input", [message("ann", 2)]), state=more)
    done = other.run(other.control("r.(finish)"))
    assert other.sent(done) == [[1, 2, 71]]


def test_what_waits_in_a_join_does_not_lose_its_slots() -> None:
    one = bench_of(Pairs())
    (piece,) = latest(one.run(one.block("r.left", [1, 2])))
    assert codec.decode(renamed(piece, None, False).body) == codec.decode(piece.body)
    with pytest.raises(ValueError, match="messages wait for each other"):
        renamed(piece, None, True)


class Keeps(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_state(what=None)

    def logic(self, what: Any) -> None:
        self.state["what"] = threading.Lock() if what == "lock" else what


def test_a_state_that_cannot_be_kept_ends_its_job_and_costs_no_other() -> None:
    one = bench_of(Keeps())
    receipt = one.run(*(one.block("r.input", [what], job) for job, what in (("x", "lock"), ("y", 1))))
    assert list(receipt.stopped) == ["x"]
    assert "cannot be saved" in receipt.stopped["x"].message
    assert [piece.job for piece in receipt.kept] == ["y"]
