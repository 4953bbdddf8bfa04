"""Plain Ray: a task for each item and function, a reference handed from one to the next."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks import workloads
from benchmarks.environment import CORES

MODULE = "ray"


@contextmanager
def open_map(
    functions: Sequence[Callable[[Any], Any]], warm: Sequence[Any]
) -> Iterator[Callable[[Iterable[Any]], list[Any]]]:
    import ray

    remotes = [ray.remote(function) for function in functions]

    def run(items: Iterable[Any]) -> list[Any]:
        references = list(items)
        for remote in remotes:
            references = [remote.remote(reference) for reference in references]
        return ray.get(references)

    run(list(warm) * CORES)
    yield run


@contextmanager
def open_mixed(items: Sequence[int]) -> Iterator[Callable[[], int]]:
    """The mixed graph: a task per item does all but the fan-in, an actor adds up."""
    import ray

    @ray.remote
    def item(loops: int) -> list[int]:
        return list(workloads.fan_out(workloads.shorten(workloads.heavy(workloads.label(loops)))))

    @ray.remote(num_cpus=0)
    class Sum:
        def __init__(self) -> None:
            self.total = 0

        def add(self, numbers: list[int]) -> None:
            for number in numbers:
                self.total += number

        def tell(self) -> int:
            total, self.total = self.total, 0
            return total

    actor = Sum.remote()

    def run() -> int:
        ray.get([actor.add.remote(item.remote(loops)) for loops in items])
        return ray.get(actor.tell.remote())

    ray.get([item.remote(1) for _ in range(2 * CORES)])
    yield run
    ray.kill(actor)


@contextmanager
def open_count(paths: Sequence[str], batch: int = 100) -> Iterator[Callable[[], int]]:
    """Word count by hand: tasks read and split files, and send batches of words to the actor that owns them."""
    import ray

    @ray.remote(num_cpus=0)
    class Counts:
        def __init__(self) -> None:
            self.counts: dict[str, int] = {}

        def add(self, words: list[str]) -> None:
            counts = self.counts
            for word in words:
                counts[word] = counts.get(word, 0) + 1

        def take(self) -> dict[str, int]:
            counts, self.counts = self.counts, {}
            return counts

    actors = [Counts.remote() for _ in range(CORES)]

    @ray.remote
    def split(paths: Sequence[str], actors: Sequence[Any]) -> None:
        piles: list[list[str]] = [[] for _ in actors]
        calls = []
        for path in paths:
            for word in workloads.words_of(path):
                place = zlib.crc32(word.encode()) % len(actors)
                pile = piles[place]
                pile.append(word)
                if len(pile) == batch:
                    calls.append(actors[place].add.remote(pile))
                    piles[place] = []
            if len(calls) > 1000:
                ray.get(calls)
                calls.clear()
        calls += [actor.add.remote(pile) for actor, pile in zip(actors, piles) if pile]
        ray.get(calls)

    def run() -> int:
        ray.get([split.remote(paths[start :: 4 * CORES], actors) for start in range(4 * CORES)])
        found = ray.get([actor.take.remote() for actor in actors])
        return sum(sum(counts.values()) for counts in found)

    ray.get([split.remote(paths[:1], actors) for _ in range(CORES)])
    ray.get([actor.take.remote() for actor in actors])
    yield run
    for actor in actors:
        ray.kill(actor)
