from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import GeneratorType

import pytest

from routilux_workers.timing import Watchdog
from routilux_workers.waiting import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop(Watchdog())
    yield made
    made.close()


def test_async_functions_are_waited_for_and_others_left_alone(loop: Loop) -> None:
    async def double(x: int) -> int:
        await asyncio.sleep(0)
        return 2 * x

    assert loop.waiting(double)(4) == 8
    assert loop.waiting(lambda x: x)(4) == 4


def test_an_async_generator_becomes_a_generator(loop: Loop) -> None:
    async def count(n: int) -> AsyncIterator[int]:
        for x in range(n):
            yield x

    result = loop.waiting(count)(3)
    assert isinstance(result, GeneratorType)
    assert list(result) == [0, 1, 2]


def test_the_loop_stays_the_same_and_what_runs_on_it_is_cancelled_at_the_end() -> None:
    made, seen = Loop(Watchdog()), []

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cancelled")

    async def start(x: int) -> asyncio.AbstractEventLoop:
        seen.append(asyncio.ensure_future(background()))
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    call = made.waiting(start)
    assert call(1) is call(2)
    made.close()
    made.close()
    assert seen[2:] == ["cancelled", "cancelled"]


def test_what_takes_too_long_is_cancelled_and_never_goes_on(loop: Loop) -> None:
    seen = []

    async def slow(x: int) -> int:
        await asyncio.sleep(0.05)
        seen.append(x)
        return x

    async def stubborn(x: int) -> int:
        try:
            return await slow(x)
        except asyncio.CancelledError:
            return -1

    async def each(x: int) -> AsyncIterator[int]:
        yield await slow(x)

    for call in (slow, stubborn, each):
        with pytest.raises(TimeoutError, match=r"routine 'r' ran longer than its timeout of 0\.01 s"):
            loop.waiting(call, 0.01, "r")(1)
    loop.run(asyncio.sleep(0.1))
    assert seen == []
    assert loop.waiting(slow, 60.0, "r")(2) == 2


def test_a_wait_that_is_broken_off_leaves_nothing_behind(loop: Loop) -> None:
    seen = []

    async def broken() -> None:
        asyncio.get_running_loop().call_soon(leave)
        try:
            await asyncio.sleep(0.01)
            seen.append("went on")
        finally:
            seen.append("ended")

    def leave() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        loop.run(broken())
    assert seen == ["ended"]
