"""Items of a `flow.map` on their way out: how many go together."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from routilux_dist.client import streams
from routilux_dist.client.results import Failed
from routilux_dist.client.streams import Stream
from routilux_dist.coordinator.events import Posted
from routilux_dist.errors import SerializationError
from routilux_dist.wire.block import Block, Rows

PORT: Any = SimpleNamespace(index=3)


class Worker:
    """A running flow that keeps what is posted; an item is as large as it says."""

    width = 2
    client_id = "client"
    most_blocks = 4096

    def __init__(self, rows: int) -> None:
        self.advice = {PORT.index: rows}
        self.posts: list[Posted] = []
        self.session = SimpleNamespace(post=self.posts.append)

    def open_stream(self, job: str, tell: Callable[[Any], None]) -> None:
        pass

    def block(self, port: Any, payloads: list[int], items: Any) -> Block:
        if -1 in payloads:
            raise SerializationError("this one cannot be sent")
        return Block("", port.index, 0, len(payloads), sum(payloads), 1, 0, True, "", Rows(payloads, items))


def stream(worker: Worker, buffersize: int | None = None, tell: Callable[[Any], None] = lambda news: None) -> Stream:
    which: Any = worker
    return Stream(which, PORT, buffersize, False, "raise", tell)


def posted(worker: Worker) -> list[list[tuple[int, list[int]]]]:
    """The first item and the items of each block, by post."""
    return [[(block.body.items, block.body.payloads) for block in post.blocks] for post in worker.posts]  # type: ignore[union-attr]


def test_items_go_in_blocks_of_the_advised_size_and_in_one_post() -> None:
    worker = Worker(rows=4)
    stream(worker).send(10, list(range(10)))
    assert posted(worker) == [[(10, [0, 1, 2, 3]), (14, [4, 5, 6, 7]), (18, [8, 9])]]


def test_nothing_is_posted_twice_when_one_item_cannot_be_sent() -> None:
    worker, told = Worker(rows=2), []
    stream(worker, tell=told.append).send(0, [1, 2, 3, -1, 5])
    assert posted(worker) == [[(0, [1, 2]), (2, [3]), (4, [5])]]
    assert [(news.number, news.item) for news in told if isinstance(news, Failed)] == [(3, -1)]


@pytest.mark.parametrize(
    ("rows", "size", "most"),
    [
        (1, 10, streams.POST_BLOCKS),
        (5, 10, 5 * streams.POST_BLOCKS),
        (20, 10, streams.POST_ITEMS),
        (1000, 10, 1000),
        (1, streams.POST_BYTES // 3, 3),
        (1, 100 * streams.POST_BYTES, 1),
    ],
)
def test_a_post_holds_several_blocks_of_few_small_items(rows: int, size: int, most: int) -> None:
    some = stream(Worker(rows))
    assert some.most() == rows  # nobody knows yet how large they are
    some.send(0, [size])
    assert some.most() == most


@pytest.mark.parametrize(("rows", "window"), [(1, 64), (10, 640), (300, 8192), (8192, 24 * 8192)])
def test_heavier_items_may_be_out_in_more_blocks(rows: int, window: int) -> None:
    worker = Worker(rows)
    assert stream(worker).window(0) == window * worker.width
    assert stream(worker, buffersize=5).window(0) == 5


def test_what_may_be_out_does_not_fill_the_running_flow() -> None:
    assert streams.widest(10, workers=8, most_blocks=4096) == 8 * 640
    assert streams.widest(10, workers=128, most_blocks=4096) == 128 * 240


def test_items_that_become_large_are_not_posted_together() -> None:
    worker = Worker(rows=2)
    some = stream(worker)
    some.send(0, [10] * 8)
    assert some.most() == 2 * streams.POST_BLOCKS
    some.send(8, [streams.POST_BYTES] * 6)
    assert [[block.rows for block in post.blocks] for post in worker.posts] == [[2, 2, 2, 2], [2], [2], [2]]
    assert some.most() == 2
