from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from tests.unit.workers.conftest import conserves, of, stateful

Build = Callable[..., Workbench]
CONTINUE = rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)
LATER = rd.ErrorHandler(rd.ErrorStrategy.RETRY, retry_delay=5.0)


def add(routine: Any, x: Any) -> Any:
    routine.state["n"] += x["x"] if isinstance(x, dict) else x
    if x == 13 or (isinstance(x, dict) and x.get("bad")):
        raise ValueError("thirteen")
    return routine.state["n"]


def push(routine: Any, x: int) -> list[int]:
    routine.state["seen"].append(x)
    if x == 13:
        raise ValueError("thirteen")
    return list(routine.state["seen"])


def test_plain_state_of_a_failed_activation_is_put_back(workbench: Build) -> None:
    one = workbench(of(("s", stateful(add, n=0)), error_handler=CONTINUE))
    assert one.sent(one.send("s.input", 1, 13, 2)) == [1, 3]


def test_nested_state_of_a_failed_activation_is_put_back(workbench: Build) -> None:
    one = workbench(of(("s", stateful(push, seen=[])), error_handler=CONTINUE))
    assert one.sent(one.send("s.input", 1)) == [[1]]
    block = one.block("s.input", [2, 13, 3, 13, 4])
    receipt = one.run(block)
    assert one.sent(receipt) == [[1, 2], [1, 2, 3], [1, 2, 3, 4]]
    assert len(receipt.letters) == 2
    assert conserves(one, receipt, block)
    assert receipt.tallies["job"].routines == {0: [5, 2]}


def test_starting_over_takes_back_every_routine_of_the_host(workbench: Build) -> None:
    """Two routines with one home; the second one's error makes the slice start over."""
    first, second = stateful(lambda r, x: add(r, x) and x, n=0), stateful(push, seen=[])
    flow = of(
        ("a", first), ("b", second), links=("a.output b.input",), error_handler=CONTINUE, execution_mode="sequential"
    )
    one = workbench(flow)
    assert one.sent(one.send("a.input", 1, 2)) == [[1], [1, 2]]
    assert one.sent(one.send("a.input", 4, 13, 5)) == [[1, 2, 4], [1, 2, 4, 5]]
    assert {s.plan.id: s.cell(None).data for s in one.host.wiring.stateful} == {
        "a": {"n": 12},
        "b": {"seen": [1, 2, 4, 5]},
    }


def test_errors_before_the_state_is_reached_leave_the_activation_before_alone(workbench: Build) -> None:
    one = workbench(of(("s", stateful(add, n=0, key="k")), error_handler=CONTINUE))
    payloads = [{"k": 1, "x": 5}, {"no": "key"}, {"k": 1, "x": 2}]
    assert one.sent(one.send("s.input", *payloads)) == [5, 7]


def test_errors_of_a_policy_leave_the_activation_before_alone(workbench: Build) -> None:
    def policy(slots: Any) -> bool:
        if slots["input"].payloads[-1] == "bad":
            raise ValueError("policy")
        return True

    def count(routine: Any, xs: list[Any]) -> int:
        routine.state["n"] += len(xs)
        return routine.state["n"]

    routine = stateful(count, n=0)
    routine.set_activation_policy(policy)
    one = workbench(of(("s", routine), error_handler=CONTINUE))
    assert one.sent(one.send("s.input", 1, "bad", 2)) == [1, 2]


@pytest.mark.parametrize("key", [["list"], {"a": 1}, object()], ids=["list", "dict", "object"])
def test_what_cannot_be_a_key_is_named(workbench: Build, key: Any) -> None:
    one = workbench(of(("s", stateful(add, n=0, key="k")), error_handler=CONTINUE))
    (letter,) = one.send("s.input", {"k": key}).letters
    assert letter.failure.error_type == "ValidationError"
    assert "state key" in letter.failure.message


def test_jobs_and_keys_have_state_of_their_own(workbench: Build) -> None:
    one = workbench(of(("s", stateful(add, n=0, key="k"))))
    for job, key, expected in (("x", 1, 1), ("x", 2, 1), ("x", 1, 2), ("y", 1, 1)):
        assert one.sent(one.send("s.input", {"k": key, "x": 1}, job=job)) == [expected]


def test_a_forgotten_job_starts_afresh(workbench: Build) -> None:
    one = workbench(of(("s", stateful(add, n=0))))
    one.send("s.input", 5)
    assert one.sent(one.run(one.block("s.input", [1]), forget=("job",))) == [1]


def test_state_of_a_running_flow_outlives_its_jobs(workbench: Build) -> None:
    one = workbench(of(("s", stateful(add, n=0, scope="worker"))))
    one.send("s.input", 5, job="x")
    assert one.sent(one.run(one.block("s.input", [1], "y"), forget=("x",))) == [6]


def test_initial_values_are_copied(workbench: Build) -> None:
    one = workbench(of(("s", stateful(push, seen=[]))))
    assert one.sent(one.send("s.input", 1, job="x")) == [[1]]
    assert one.sent(one.send("s.input", 1, job="y")) == [[1]]


def test_state_that_cannot_be_pickled_is_named(workbench: Build) -> None:
    def keep(routine: Any, x: int) -> None:
        routine.state["lock"] = (lambda: x) if x else None

    one = workbench(of(("s", stateful(keep, lock=None)), error_handler=CONTINUE))
    one.send("s.input", 1)
    (letter,) = one.send("s.input", 2).letters
    assert letter.failure.error_type == "StateError"
    assert "lock" in letter.failure.message


# ---- finish ---------------------------------------------------------------------------------------------------------


def finishing(**options: Any) -> rd.Flow:
    return of(("s", stateful(add, lambda r: r.state["n"], n=0, **options)))


def test_finish_runs_once_for_a_job(workbench: Build) -> None:
    one = workbench(finishing())
    one.send("s.input", 5)
    assert one.sent(one.run(one.control("s.(finish)"))) == [5]
    assert one.sent(one.run(one.control("s.(finish)"))) == []


def test_finish_of_a_job_without_messages(workbench: Build) -> None:
    one = workbench(finishing())
    assert one.sent(one.run(one.control("s.(finish)"))) == [0]
    keyed = workbench(finishing(key="k"))
    assert keyed.sent(keyed.run(keyed.control("s.(finish)"))) == []


def test_finish_of_shared_state_runs_once_for_each_job(workbench: Build) -> None:
    one = workbench(finishing(scope="worker"))
    one.send("s.input", 5, job="x")
    for job, expected in (("x", [5]), ("y", [5]), ("x", []), ("y", [])):
        assert one.sent(one.run(one.control("s.(finish)", job))) == expected


@pytest.mark.parametrize("scope", ["job", "worker"])
def test_a_finish_that_fails_had_its_turn(workbench: Build, scope: str) -> None:
    def fail(routine: Any) -> None:
        raise ValueError("finish")

    one = workbench(of(("s", stateful(add, fail, n=0, scope=scope)), error_handler=CONTINUE))
    for job in ("x", "y"):
        assert len(one.run(one.control("s.(finish)", job)).letters) == 1
        assert one.run(one.control("s.(finish)", job)).letters == []


def test_a_finish_is_tried_again_for_its_key_only(workbench: Build) -> None:
    tries: list[int] = []

    def second(routine: Any) -> int:
        if rd.current_job().attempt == 1 and routine.state["n"] == 2:
            raise ValueError("once more")
        tries.append(routine.state["n"])
        return int(routine.state["n"])

    one = workbench(of(("s", stateful(add, second, n=0, key="k")), error_handler=LATER))
    one.send("s.input", {"k": "a", "x": 1}, {"k": "b", "x": 2})
    receipt = one.run(one.control("s.(finish)"))
    assert one.sent(receipt) == [1]
    ((delay, again),) = receipt.retries
    assert (delay, again.rows, again.attempt) == (5.0, 0, 2)
    assert one.sent(one.run(again)) == [2]


def test_an_ending_in_many_slices_comes_to_its_end(workbench: Build) -> None:
    one = workbench(finishing(key="k"))
    one.send("s.input", *({"k": k, "x": k} for k in range(5)))
    found, control = [], one.control("s.(finish)")
    for _ in range(5):
        receipt = one.run(control, budget=0.0)
        found += one.sent(receipt)
        if not receipt.blocks:
            break
        (control,) = receipt.blocks
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert not receipt.blocks


# ---- joins, batches, time -------------------------------------------------------------------------------------------


class Join(rd.Routine):
    def __init__(self, merge: Any = None) -> None:
        super().__init__()
        self.merge = merge

    def setup(self) -> None:
        self.add_slot("left")
        self.add_slot("right", merge=self.merge)
        self.add_event("output")

    def logic(self, left: Any, right: Any) -> Any:
        if left == "bad":
            raise ValueError("bad")
        return left, right


def test_a_join_waits_and_says_so(workbench: Build) -> None:
    one = workbench(of(("j", Join())))
    receipt = one.send("j.left", 1, 2)
    assert receipt.tallies["job"].waiting == {0: 2}
    assert receipt.tallies["job"].done == 2
    receipt = one.send("j.right", "a")
    assert one.sent(receipt) == [(1, "a")]
    assert receipt.tallies["job"].waiting == {0: -1}


def test_a_failed_join_is_one_message_of_its_own(workbench: Build) -> None:
    one = workbench(of(("j", Join()), error_handler=CONTINUE))
    blocks = one.block("j.left", ["bad"]), one.block("j.right", [1])
    receipt = one.run(*blocks)
    assert conserves(one, receipt, *blocks)
    (letter,) = receipt.letters
    assert letter.block.body.payloads == [(None, ["bad", 1])]  # type: ignore[union-attr]
    assert letter.failure.payload == "{'left': 'bad', 'right': 1}"


def test_a_failed_join_is_tried_again_as_a_whole(workbench: Build) -> None:
    one = workbench(of(("j", Join()), error_handler=LATER))
    receipt = one.run(one.block("j.left", ["bad"]), one.block("j.right", [1]))
    ((_, again),) = receipt.retries
    assert again.port == one.plan.routines["j"].logic_port
    receipt = one.run(again)
    ((delay, third),) = receipt.retries
    assert (delay, third.attempt) == (10.0, 3)
    assert conserves(one, receipt, again)


@pytest.mark.parametrize(
    ("merge", "expected"),
    [("append", [("x", [1, 2])]), ("override", [("x", 2)]), (lambda so_far, new: so_far + new, [("x", 3)])],
    ids=["append", "override", "function"],
)
def test_merged_messages_collapse(workbench: Build, merge: Any, expected: list[Any]) -> None:
    one = workbench(of(("j", Join(merge))))
    receipt = one.run(one.block("j.right", [1, 2]), one.block("j.left", ["x", "y"]))
    assert one.sent(receipt) == expected
    assert one.sent(one.send("j.right", 5))[0][0] == "y"


def batching(size: int, timeout: float | None = None) -> rd.Routine:
    made = rd.Routine("batches")
    made.add_slot("input")
    made.add_event("output")
    made.set_activation_policy(rd.batch(size, timeout=timeout))
    made.set_logic(list)
    return made


def test_batches_and_the_rest_at_the_end(workbench: Build) -> None:
    one = workbench(of(("b", batching(2))))
    receipt = one.send("b.input", *range(5))
    assert one.sent(receipt) == [[0, 1], [2, 3]]
    assert receipt.wakes == []
    receipt = one.run(one.control("b.(finish)"))
    assert one.sent(receipt) == [[4]]
    assert receipt.tallies["job"].waiting == {0: -1}


def test_one_wake_for_a_home_however_many_keys(workbench: Build) -> None:
    now = [100.0]
    made = batching(2, 5.0)
    made.add_state(key=lambda x: x)
    one = workbench(of(("b", made)))
    (routine,) = one.host.wiring.stateful
    routine.now = lambda: now[0]
    wake = one.plan.routines["b"].wake_port
    assert one.send("b.input", "x").wakes == [("job", wake, 5.0)]
    now[0] = 103.0
    assert one.send("b.input", "y").wakes == []
    now[0] = 105.0
    receipt = one.run(one.control("b.(wake)"))
    assert one.sent(receipt) == [["x"]]
    assert receipt.wakes == [("job", wake, 3.0)]
    now[0] = 108.0
    assert one.sent(one.run(one.control("b.(wake)"))) == [["y"]]


def test_every_gives_all_that_waits(workbench: Build) -> None:
    now = [0.0]
    made = batching(1)
    made.set_activation_policy(rd.every(2.0))
    one = workbench(of(("b", made)))
    one.host.wiring.stateful[0].now = lambda: now[0]
    assert one.sent(one.send("b.input", 1, 2, 3)) == []
    now[0] = 2.0
    assert one.sent(one.run(one.control("b.(wake)"))) == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(True, [[1], [2]]), (None, []), ({"input": 1}, [[1], [2]]), ({"input": -1}, []), ({"input": 99}, [[1], [2]])],
)
def test_answers_of_a_policy(workbench: Build, answer: Any, expected: list[Any]) -> None:
    made = batching(1)
    made.set_activation_policy(lambda slots: answer)
    one = workbench(of(("b", made)))
    assert one.sent(one.send("b.input", 1, 2)) == expected


def test_a_policy_that_asks_for_an_unknown_slot(workbench: Build) -> None:
    made = batching(1)
    made.set_activation_policy(lambda slots: {"inptu": 1})
    one = workbench(of(("b", made), error_handler=CONTINUE))
    (letter,) = one.send("b.input", 1).letters
    assert "'inptu'" in letter.failure.message


def test_immediate_runs_for_any_slot(workbench: Build) -> None:
    made = Join()
    made.set_activation_policy(rd.immediate())
    made.add_state(n=0)
    one = workbench(of(("j", made)))
    assert one.sent(one.run(one.block("j.right", [1]), one.block("j.left", [2]))) == [(None, 1), (2, None)]


class Merging(rd.Routine):
    """Keeps state beside merged values; fails on what it is told to fail on."""

    def __init__(self, merge: Any) -> None:
        super().__init__()
        self.merge = merge

    def setup(self) -> None:
        self.add_slot("input", merge=self.merge)
        self.add_event("output")
        self.add_state(n=0)

    def logic(self, merged: Any) -> Any:
        self.state["n"] += 1
        last = merged[-1] if isinstance(merged, list) else merged
        if last == 13:
            raise ValueError("thirteen")
        return (merged if not isinstance(merged, list) else tuple(merged)), self.state["n"]


@pytest.mark.parametrize(
    ("merge", "told"), [("append", [((1,), 1), ((1, 2), 2)]), (lambda so_far, new: so_far + new, [(1, 1), (3, 2)])]
)
def test_the_first_merged_message_is_taken_back_with_the_state(workbench: Build, merge: Any, told: Any) -> None:
    one = workbench(of(("s", Merging(merge)), error_handler=CONTINUE))
    assert one.sent(one.send("s.input", 13, 1, 2)) == told


class Shy:
    """Cannot be pickled the first time."""

    asked = 0

    def __reduce__(self) -> Any:
        Shy.asked += 1
        if Shy.asked == 1:
            raise ValueError("not now")
        return Shy, ()


def test_a_cell_whose_picture_failed_is_noted_by_the_next_activation(workbench: Build) -> None:
    def count(routine: Any, x: int) -> int:
        routine.state["n"] += 1
        if x == 13:
            raise ValueError("thirteen")
        return routine.state["n"]  # type: ignore[no-any-return]

    Shy.asked = 1  # initial state is copied
    one = workbench(of(("s", stateful(count, n=0, shy=Shy())), error_handler=CONTINUE))
    one.send("s.input", 1)
    Shy.asked = 0
    receipt = one.send("s.input", 1, 2, 13, 4)
    # The first message fails, the third one has the slice start over, and then the picture can be taken.
    assert [letter.failure.error_type for letter in receipt.letters] == ["ValueError"]
    assert one.sent(receipt) == [2, 3, 4]
    assert one.sent(one.send("s.input", 5)) == [5]
