"""Signatures: whether functions can be called as they will be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from routilux_dist.compiler.facts import look
from routilux_dist.compiler.signatures import Answers, misfit, misfits
from routilux_dist.flow.functions import as_routine
from routilux_dist.flow.routine import Routine


class Bare(Routine):
    """A routine with one slot and whatever `logic` it is given."""

    def setup(self) -> None:
        self.add_slot("input")


def found(routine: Routine) -> list[str]:
    return list(misfits(look("it", routine), {}))


def with_logic(logic: Callable[..., Any], *more_slots: str) -> Routine:
    made = Bare()
    for slot in more_slots:
        made.add_slot(slot)
    made.set_logic(logic)
    return made


class Method(Bare):
    def logic(self, input: Any, **kwargs: Any) -> None: ...


class Starred(Bare):
    def logic(self, *args: Any) -> None: ...


class AsyncMethod(Bare):
    async def logic(self, x: Any, y: Any = None) -> None: ...


@pytest.mark.parametrize(
    "made",
    [
        *(Method(), Starred(), AsyncMethod(), Bare()),
        *(with_logic(len), with_logic(max), with_logic(lambda a, b: a, "b"), with_logic(lambda *a: a, "b", "c")),
        *(as_routine(lambda x, y: x), as_routine(len), as_routine(int)),
    ],
)
def test_logic_that_fits(made: Routine) -> None:
    assert found(made) == []


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (with_logic(lambda: 1), "logic <lambda>() cannot take its slot (input): too many positional arguments"),
        (with_logic(lambda a: a, "b"), "cannot take its 2 slots (input, b): too many positional arguments"),
        (with_logic(lambda a, b: a), "missing a required argument: 'b'"),
        (with_logic(lambda a, *, key: a), "missing a required argument: 'key'"),
        (with_logic(len, "b"), "logic len(obj, /) cannot take its 2 slots"),
    ],
)
def test_logic_that_does_not(made: Routine, says: str) -> None:
    [fault] = found(made)
    assert says in fault
    assert fault.endswith("logic has one parameter per slot without a handler, in the order of declaration")


def test_a_routine_function_that_was_given_a_second_slot_takes_both() -> None:
    made = as_routine(lambda x: x)
    made.add_slot("more")
    assert "cannot take its 2 slots (input, more)" in found(made)[0]


def test_handlers_take_one_payload() -> None:
    made = Method()
    made.add_slot("fine", handler=lambda payload, more=1: payload)
    made.add_slot("wrong", handler=lambda a, b: a)
    [fault] = found(made)
    assert (
        "the handler of slot 'wrong', <lambda>(a, b), cannot take the payload: missing a required argument: 'b'"
        in fault
    )


def test_what_else_is_called() -> None:
    made = Method()
    made.add_slot("merged", len, merge=lambda new: new)
    made.set_activation_policy(lambda: True)
    made.add_state(count=0, key=lambda: 1)
    faults = found(made)
    assert [fault.split(",")[0].split(" <")[0] for fault in faults] == [
        "merge= of slot 'merged'",
        "the activation policy",
        "key= of add_state",
    ]


class Life(Bare):
    def logic(self, x: Any) -> None: ...

    def open(self, path: str) -> None:  # type: ignore[override]
        ...

    async def close(self) -> None:  # type: ignore[override]
        ...

    def finish(self, job: Any) -> None:  # type: ignore[override]
        ...


def test_open_close_and_finish_take_nothing_and_are_not_awaited() -> None:
    opened, closed, finished = found(Life())
    assert "open() is called without arguments, but open(path: 'str') -> 'None' needs some" in opened
    assert "close() is called and not awaited: write def close(self)" in closed
    assert "finish() is called without arguments" in finished


def test_an_answer_is_looked_up_once_per_function_and_class() -> None:
    answers: Answers = {}
    for _ in range(3):
        list(misfits(look("it", Method()), answers))
    assert len(answers) == 1
    assert misfit(Method.logic, 2, answers) == ""
    assert len(answers) == 2


def test_a_callable_that_cannot_be_a_key_is_asked_each_time() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, x: Any) -> Any: ...

    answers: Answers = {}
    assert misfit(Unhashable(), 1, answers) == ""
    assert "too many" in misfit(Unhashable(), 2, answers)
    assert answers == {}
