"""News and the calls that wait for them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from routilux_dist.cluster import inbox
from routilux_dist.cluster.inbox import Answer, Inbox, Line
from routilux_dist.coordinator.commands import Advise

LONG = 30.0


def news(number: int) -> Advise:
    return Advise({0: number})


def run(scenario: Callable[[Inbox], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(scenario(Inbox()), LONG)

    asyncio.run(main())


async def until_it_waits() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_what_is_there_is_returned_at_once_and_numbered() -> None:
    async def scenario(inbox: Inbox) -> None:
        inbox.add(news(1))
        inbox.add(news(2))
        assert len(inbox) == 2
        assert await inbox.fetch(LONG) == Answer(0, [news(1), news(2)])
        inbox.add(news(3))
        assert await inbox.fetch(0.0) == Answer(1, [news(3)])

    run(scenario)


def test_nothing_has_no_number() -> None:
    async def scenario(inbox: Inbox) -> None:
        assert await inbox.fetch(0.0) == Answer(None, [])
        assert await inbox.fetch(0.001) == Answer(None, [])
        inbox.add(news(1))
        assert inbox.take() == Answer(0, [news(1)])

    run(scenario)


def test_the_newest_call_gets_what_is_new_and_the_older_waits_on() -> None:
    async def scenario(inbox: Inbox) -> None:
        older = asyncio.ensure_future(inbox.fetch(LONG))
        await until_it_waits()
        newer = asyncio.ensure_future(inbox.fetch(LONG))
        await until_it_waits()
        for number in (1, 2):
            inbox.add(news(number))
            inbox.ring()
        assert await newer == Answer(0, [news(1), news(2)])
        assert not older.done()
        inbox.add(news(3))
        inbox.ring()
        assert await older == Answer(1, [news(3)])

    run(scenario)


def test_closing_lets_everybody_go() -> None:
    async def scenario(inbox: Inbox) -> None:
        calls = [asyncio.ensure_future(inbox.fetch(LONG)) for _ in range(3)]
        await until_it_waits()
        inbox.add(news(1))
        inbox.close()
        answers = await asyncio.gather(*calls)
        assert [answer for answer in answers if answer.news] == [Answer(0, [news(1)])]

    run(scenario)


@pytest.mark.parametrize("arrival", list(itertools.permutations(range(4))), ids=str)
def test_calls_have_their_turn_in_the_order_of_their_numbers(arrival: tuple[int, ...]) -> None:
    async def main() -> None:
        line, order = Line(), []

        async def call(number: int) -> None:
            await line.turn(number)
            order.append(number)
            await asyncio.sleep(0)

        calls = []
        for number in arrival:
            calls.append(asyncio.ensure_future(call(number)))
            await until_it_waits()
            assert order == sorted(order)
        await asyncio.wait_for(asyncio.gather(*calls), LONG)
        assert order == [0, 1, 2, 3]

    asyncio.run(main())


def test_a_call_whose_predecessor_does_not_come_goes_on_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MISSING_SECONDS", 0.01)

    async def main() -> None:
        line, order = Line(), []

        async def call(number: int) -> None:
            await line.turn(number)
            order.append(number)

        await asyncio.wait_for(asyncio.gather(call(2), call(4), call(1)), LONG)
        assert order == [1, 2, 4]
        await asyncio.wait_for(asyncio.gather(call(0), call(3), call(5)), LONG)
        assert order == [1, 2, 4, 0, 3, 5]

    asyncio.run(main())


def test_calls_that_wait_for_their_turn_are_let_go_at_the_end() -> None:
    async def main() -> None:
        line = Line()
        calls = [asyncio.ensure_future(line.turn(number)) for number in (1, 3)]
        await until_it_waits()
        line.close()
        await asyncio.wait_for(asyncio.gather(*calls, line.turn(7)), LONG)

    asyncio.run(main())


def test_a_call_that_was_given_up_does_not_hurt_the_one_before_it() -> None:
    async def main() -> None:
        line = Line()
        follower = asyncio.ensure_future(line.turn(1))
        await until_it_waits()
        follower.cancel()
        await line.turn(0)
        await asyncio.wait_for(line.turn(2), LONG)

    asyncio.run(main())
