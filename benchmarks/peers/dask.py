"""Dask distributed: a task for each item and function."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.environment import CORES

MODULE = "distributed"


@contextmanager
def open_map(
    functions: Sequence[Callable[[Any], Any]], warm: Sequence[Any]
) -> Iterator[Callable[[Iterable[Any]], list[Any]]]:
    from distributed import Client, LocalCluster

    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=CORES,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=folder,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):

        def run(items: Iterable[Any]) -> list[Any]:
            futures = list(items)
            for function in functions:
                futures = client.map(function, futures, pure=False)
            return client.gather(futures)

        run(list(warm) * CORES)
        yield run
