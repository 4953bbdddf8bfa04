"""Which functions of a routine are called, and which have to be awaited."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from routilux_dist.flow.calls import functions, handler_of, is_async, logic_of
from routilux_dist.flow.functions import RoutineFunction
from routilux_dist.flow.routine import Routine


async def coroutine(x: Any) -> Any:
    return x


async def async_generator(x: Any) -> AsyncIterator[Any]:
    yield x


def plain(x: Any) -> Any:
    return x


class AsyncCallable:
    async def __call__(self, x: Any) -> Any:
        return x


class PlainCallable:
    def __call__(self, x: Any) -> Any:
        return x


class Both(Routine):
    def setup(self) -> None:
        self.add_slot("by_name", handler="on_message")
        self.add_slot("by_function", handler=plain)
        self.add_slot("input")

    def on_message(self, x: Any) -> Any:
        return x

    async def logic(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    "function",
    [
        *(coroutine, async_generator, AsyncCallable(), functools.partial(coroutine, 1)),
        *(RoutineFunction(coroutine, {}), Both().logic),
    ],
)
def test_what_has_to_be_awaited(function: Callable[..., Any]) -> None:
    assert is_async(function)


@pytest.mark.parametrize(
    "function", [plain, len, int, print, PlainCallable(), functools.partial(plain, 1), RoutineFunction(plain, {})]
)
def test_what_is_just_called(function: Callable[..., Any]) -> None:
    assert not is_async(function)


def test_handlers_and_logic_are_found() -> None:
    both = Both()
    slots = both._declared.slots
    assert [handler_of(both, slot) for slot in slots.values()] == [both.on_message, plain, None]
    assert logic_of(both) == both.logic
    assert functions(both) == [both.on_message, plain, both.logic]


def test_logic_that_was_set_comes_before_the_method() -> None:
    both = Both()
    both.set_logic(plain)
    assert logic_of(both) is plain


def test_a_routine_may_have_none() -> None:
    assert logic_of(Routine("bare")) is None
    assert functions(Routine("bare")) == []
