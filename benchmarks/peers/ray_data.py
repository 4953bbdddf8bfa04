"""Ray Data: a data set made of the items, one `map` per function (which it fuses), and all rows taken back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

MODULE = "ray.data"


class Row:
    """A function of an item, as a function of a row."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"item": self.function(row["item"])}


@contextmanager
def open_map(
    functions: Sequence[Callable[[Any], Any]], warm: Sequence[Any], blocks: int | None = None
) -> Iterator[Callable[[Iterable[Any]], list[Any]]]:
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False

    def run(items: Iterable[Any]) -> list[Any]:
        rows = list(items)
        data = ray.data.from_items(rows, override_num_blocks=None if blocks is None else min(blocks, len(rows)))
        for function in functions:
            data = data.map(Row(function))
        return [row["item"] for row in data.iter_rows()]

    run(list(warm))
    yield run
