"""What a client has still to be told, the calls it waits with, and the order of those that it made."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from routilux_dist.driver.driver import News

#: Seconds that a call waits for one that was made before it and has not come: they pass each other within milliseconds.
MISSING_SECONDS = 5.0


class Answer(NamedTuple):
    """News for a client. Several calls may bring them; their numbers say in which order they belong, None if there are none."""

    number: int | None
    news: list[News]


class Line:
    """The order of a client's calls: Ray starts those of an actor with a loop as they come, and they may pass each other."""

    def __init__(self) -> None:
        self._next = 0
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._closed = False

    async def turn(self, number: int) -> None:
        """Wait until all calls with smaller numbers have had their turn; this one's lasts until it waits for something.

        A number whose call does not come is passed over after a while: whoever had it was interrupted.
        """
        if number > self._next and not self._closed:
            loop = asyncio.get_running_loop()
            waiting = self._waiting[number] = loop.create_future()
            timer = loop.call_later(MISSING_SECONDS, self._release, number)
            try:
                await waiting
            finally:
                timer.cancel()
                self._waiting.pop(number, None)
        self._next = max(self._next, number + 1)
        self._release(self._next)

    def _release(self, number: int) -> None:
        """Let the call with this number have its turn, if it waits; those that wait before it go first."""
        for waiting in sorted(n for n in self._waiting if n <= number):
            if not self._waiting[waiting].done():
                self._waiting[waiting].set_result(None)

    def close(self) -> None:
        """Let all calls go that wait."""
        self._closed = True
        self._release(max(self._waiting, default=0))


class Inbox:
    """News for one client."""

    def __init__(self) -> None:
        #: The order of its calls.
        self.line = Line()
        self._news: list[News] = []
        self._number = 0
        #: Calls that wait for news, newest last: the call that brought a message is the fastest way back.
        self._waiters: list[asyncio.Future[None]] = []
        #: Whether one of them was told already that there are some.
        self._rung = False

    def __len__(self) -> int:
        return len(self._news)

    def add(self, news: News) -> None:
        """Add news, without telling anybody."""
        self._news.append(news)

    def ring(self) -> None:
        """Let one of the waiting calls return."""
        if self._waiters and not self._rung:
            self._rung = True
            self._waiters.pop().set_result(None)

    def close(self) -> None:
        """Let all waiting calls return, and those go on that wait for their turn."""
        self.line.close()
        while self._waiters:
            self._waiters.pop().set_result(None)

    async def fetch(self, seconds: float) -> Answer:
        """Return what there is; wait for it if there is nothing."""
        if not self._news and seconds > 0:
            loop = asyncio.get_running_loop()
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.append(waiter)
            timer = loop.call_later(seconds, self._expire, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
        return self.take()

    def _expire(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            self._waiters.remove(waiter)
            waiter.set_result(None)

    def take(self) -> Answer:
        """Return what there is."""
        self._rung = False
        if not self._news:
            return Answer(None, [])
        news, self._news = self._news, []
        self._number += 1
        return Answer(self._number - 1, news)
