"""joblib with its loky processes. It has no stages: the functions are joined by hand. It chooses its batches itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.environment import CORES
from benchmarks.workloads import Chain

MODULE = "joblib"


@contextmanager
def open_map(
    functions: Sequence[Callable[[Any], Any]], warm: Sequence[Any]
) -> Iterator[Callable[[Iterable[Any]], list[Any]]]:
    import joblib
    from joblib.externals.loky import get_reusable_executor

    function = joblib.delayed(Chain(functions) if len(functions) > 1 else functions[0])
    with joblib.Parallel(n_jobs=CORES, return_as="generator_unordered") as parallel:
        list(parallel(function(item) for item in list(warm) * CORES))
        yield lambda items: list(parallel(function(item) for item in items))
    get_reusable_executor().shutdown(wait=True)
