"""Waiting for async functions where activations are served one by one."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any

from routilux_workers.timing import Watchdog


class Loop:
    """An event loop that lives as long as its host, so that what `open()` made on it stays usable.

    Args:
        watchdog: Ends code that does not let the loop keep the time.
    """

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, awaitable: Any, seconds: float | None = None, label: str = "") -> Any:
        """Run an awaitable to its end, however it ends: nothing of it goes on when the loop runs again.

        Args:
            awaitable: What to wait for.
            seconds: How long it may take, or None.
            label: The routine, for the error's text.

        Raises:
            TimeoutError: It took longer, and was cancelled.
        """
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        if seconds is not None:
            awaitable = timely(self._watchdog.steps(awaitable, seconds, label))
        task = asyncio.ensure_future(awaitable, loop=self._loop)
        late = False

        def expire() -> None:
            nonlocal late
            late = task.cancel()

        timer = None if seconds is None else self._loop.call_later(seconds, expire)
        try:
            return self._loop.run_until_complete(task)
        except BaseException:  # also what broke off the loop itself
            if not task.done():
                task.cancel()
                self._loop.run_until_complete(asyncio.wait({task}))
            raise
        finally:
            if timer is not None:
                timer.cancel()
            if late:  # whatever it made of being cancelled
                raise TimeoutError(f"routine {label!r} ran longer than its timeout of {seconds:g} s") from None

    def waiting(self, call: Callable[..., Any], seconds: float | None = None, label: str = "") -> Callable[..., Any]:
        """Wrap a call: what it returns is awaited, an async generator becomes a list of its items' emission.

        Args:
            call: What to wrap.
            seconds: How long the wait may take, or None.
            label: The routine, for the error's text.
        """

        @functools.wraps(call)
        def wait(*args: Any) -> Any:
            result = call(*args)
            if inspect.isasyncgen(result):
                return _items(self.run(_collect(result), seconds, label))
            return self.run(result, seconds, label) if inspect.isawaitable(result) else result

        return wait

    def close(self) -> None:
        """Cancel what still runs and close the loop."""
        if self._loop is None:
            return
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
        self._loop = None


async def timely(steps: Any) -> Any:
    """Return a coroutine of an awaitable: the loop makes tasks of coroutines."""
    return await steps


async def _collect(generator: Any) -> list[Any]:
    return [item async for item in generator]


def _items(collected: list[Any]) -> Any:
    # A generator, because that is what tells "emit each" from "emit this list".
    yield from collected
