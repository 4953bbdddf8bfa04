"""Contenders that map items: ours, the peers', the ceiling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks import ceiling
from benchmarks.measuring import OURS, Contender, Run, Setup, Values, seconds
from benchmarks.peers import dask, loky, pool, ray_data, ray_tasks, routilux
from benchmarks.workloads import Chain, flow_of

#: Makes the items of a case.
Items = Callable[[Setup], Sequence[Any]]
#: Makes figures from (number of items, seconds).
Tell = Callable[[int, float], Values]


def in_seconds(count: int, taken: float) -> Values:
    """The figure "time"."""
    return {"time": taken}


class Mapping:
    """A case whose items go through functions, and everybody who can do that.

    Args:
        functions: The functions.
        items: Makes the items.
        tell: Makes figures.
        warm: Items for warming up.
    """

    def __init__(
        self, functions: Sequence[Callable[[Any], Any]], items: Items, tell: Tell, warm: Sequence[Any]
    ) -> None:
        self.functions, self.items, self.tell, self.warm = functions, items, tell, warm

    def ours(self, name: str = OURS, *, fresh: bool = False, backend: str = "ray") -> Contender:
        """`flow.map`, unordered. With `fresh`, each round has a new flow, of which nothing is known yet."""

        @contextmanager
        def open_(setup: Setup) -> Iterator[Run]:
            items = self.items(setup)
            expected = self._expected(setup, items)
            runtime = setup.runtime(backend)
            flow = flow_of(self.functions)

            def run() -> Values:
                one = flow_of(self.functions) if fresh else flow
                call = lambda: sum(one.map(items, ordered=False, runtime=runtime))  # noqa: E731
                return self.tell(len(items), seconds(call, expected))

            list(flow.map(list(self.warm) * 8, ordered=False, runtime=runtime))
            if not fresh:
                run()
            yield run

        return Contender(name, open_)

    def pool(self, chunk: int | None = 1) -> Contender:
        """`multiprocessing.Pool` with a chunk size, None for the best one."""

        def open_map(setup: Setup) -> AbstractContextManager[Any]:
            items = self.items(setup)
            size = chunk or setup.once("best chunk", lambda: pool.best_chunk(self.functions, items))
            return pool.open_map(self.functions, self.warm, size)

        return self._peer("Pool, best chunk" if chunk is None else f"Pool, chunk {chunk}", open_map, pool.MODULE)

    def joblib(self) -> Contender:
        return self._peer("joblib", lambda _: loky.open_map(self.functions, self.warm), loky.MODULE, brief=True)

    def dask(self, share: float = 1.0) -> Contender:
        return self._peer("Dask", lambda _: dask.open_map(self.functions, self.warm), dask.MODULE, share, brief=True)

    def ray_tasks(self, share: float = 1.0) -> Contender:
        return self._peer("Ray tasks", lambda _: ray_tasks.open_map(self.functions, self.warm), ray_tasks.MODULE, share)

    def ray_data(self, blocks: int | None = None) -> Contender:
        return self._peer("Ray Data", lambda _: ray_data.open_map(self.functions, self.warm, blocks), ray_data.MODULE)

    def routilux(self, share: float = 1.0) -> Contender:
        return self._peer(
            "Routilux", lambda _: routilux.open_map(self.functions, self.warm), routilux.MODULE, share, brief=True
        )

    def ceiling(
        self, name: str = "ceiling", costs: Callable[[Sequence[Any]], Sequence[int]] | None = None
    ) -> Contender:
        """Bare processes; `costs` of the items are known to them."""

        @contextmanager
        def open_(setup: Setup) -> Iterator[Run]:
            items = self.items(setup)
            expected = self._expected(setup, items)
            function = Chain(self.functions) if len(self.functions) > 1 else self.functions[0]
            with ceiling.split(function, items, costs(items) if costs is not None else [1] * len(items)) as call:
                yield lambda: self.tell(len(items), seconds(call, expected))

        return Contender(name, open_)

    def _peer(
        self,
        name: str,
        open_map: Callable[[Setup], AbstractContextManager[Any]],
        module: str,
        share: float = 1.0,
        brief: bool = False,
    ) -> Contender:
        @contextmanager
        def open_(setup: Setup) -> Iterator[Run]:
            items = self.items(setup)
            items = items[: max(8, int(len(items) * share))]
            expected = self._expected(setup, items)
            with open_map(setup) as call:
                yield lambda: self.tell(len(items), seconds(lambda: sum(call(items)), expected))

        return Contender(name, open_, module, brief, f"{share:.2g} of the items" if share < 1 else "")

    def _expected(self, setup: Setup, items: Sequence[Any]) -> Any:
        """Return the sum of the results; `burn` and the like return what they are given, so that this costs nothing."""
        if getattr(self.functions[0], "__name__", "") in ("burn", "sleep_a_little"):
            return sum(items)
        key = f"expected of {len(items)}"
        return setup.once(key, lambda: sum(map(Chain(self.functions), items)))
