"""Waiting for async functions where activations are served one by one."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any


class Loop:
    """An event loop that lives as long as its host, so that what `open()` made on it stays usable."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, awaitable: Any) -> Any:
        """Run an awaitable to its end."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(awaitable)

    def waiting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a call: what it returns is awaited, an async generator becomes a list of its items' emission."""

        @functools.wraps(call)
        def wait(*args: Any) -> Any:
            result = call(*args)
            if inspect.isasyncgen(result):
                return _items(self.run(_collect(result)))
            return self.run(result) if inspect.isawaitable(result) else result

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


async def _collect(generator: Any) -> list[Any]:
    return [item async for item in generator]


def _items(collected: list[Any]) -> Any:
    # A generator, because that is what tells "emit each" from "emit this list".
    yield from collected
