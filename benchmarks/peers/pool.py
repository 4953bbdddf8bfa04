"""`multiprocessing.Pool`. It has no stages: the functions are joined by hand."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.environment import CORES
from benchmarks.workloads import Chain

MODULE = "multiprocessing"
#: Chunks that `best_chunk` tries.
CHUNKS = (2, 8, 32, 128, 512, 2048, 8192)


@contextmanager
def open_map(
    functions: Sequence[Callable[[Any], Any]], warm: Sequence[Any], chunk: int = 1, workers: int = CORES
) -> Iterator[Callable[[Iterable[Any]], list[Any]]]:
    # "spawn": this process has threads (Ray's), and forking those is asking for trouble.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        function = Chain(functions) if len(functions) > 1 else functions[0]
        pool.map(function, list(warm) * workers, chunksize=1)
        yield lambda items: list(pool.imap_unordered(function, items, chunksize=chunk))


def best_chunk(functions: Sequence[Callable[[Any], Any]], items: Sequence[Any]) -> int:
    """Return the chunk size that is fastest for these items, by trying."""
    tried = {}
    for chunk in CHUNKS:
        if chunk * CORES > len(items):
            break
        with open_map(functions, items[:2], chunk) as run:
            started = time.perf_counter()
            run(items)
            tried[chunk] = time.perf_counter() - started
    return min(tried, key=lambda chunk: tried[chunk]) if tried else 1
