from __future__ import annotations

import pytest

from routilux_dist.wire import names
from routilux_dist.wire.block import Block, Rows, cut, split
from routilux_dist.wire.names import Run


def block(rows: int = 5, origin: str = "", part: tuple[int, int] | None = None) -> Block:
    return Block("j", 0, 0, rows, 0, 1, 0, False, origin, Rows([None] * rows), part)


def called(number: int, one: Block) -> list[str]:
    return [names.name_of(number, one, row) for row in range(one.rows)]


def test_a_committed_block_gives_its_messages_their_names() -> None:
    assert called(7, block(2)) == ["j/7.0", "j/7.1"]
    assert called(9, block(2, part=(3, 7))) == ["j/7.3", "j/7.4"]


def test_a_single_message_is_called_what_its_block_says() -> None:
    assert called(7, block(1, "j/5.3.2")) == ["j/5.3.2"]


RUNS = [Run("5", 3, 2), Run("5.3/7", 0, 3), Run("6", 9, 1), Run("6", 9, 2, 4)]
NAMES = ["j/5.3", "j/5.4", "j/5.3/7.0", "j/5.3/7.1", "j/5.3/7.2", "j/6.9", "j/6.9.4", "j/6.10.4"]


def test_runs_name_each_message_wherever_its_block_is_cut() -> None:
    one = block(8, names.origin(RUNS))
    assert called(8, one) == NAMES
    for size in range(1, 8):
        assert [name for part in cut(8, one, size) for name in called(80, part)] == NAMES
        head, tail = split(8, one, size)
        assert called(8, head) + called(9, tail) == NAMES
        assert called(8, block(8 - size, names.origin(names.rest(8, one, size)))) == NAMES[size:]


@pytest.mark.parametrize("sizes", [[8], [1] * 8, [3, 5], [2, 1, 4, 1], [0, 8], [5]])
def test_runs_are_shared_out_like_the_names_in_them(sizes: list[int]) -> None:
    shares = [called(8, block(size, names.origin(found))) for size, found in zip(sizes, names.shares(RUNS, sizes))]
    assert [name for share in shares for name in share] == NAMES[: sum(sizes)]
    assert [len(share) for share in shares] == sizes


def test_names_that_follow_each_other_become_a_run() -> None:
    runs: list[Run] = []
    for name in (*NAMES, "j/6.11.4", "j/6.13.4", "k/~ab.1"):
        names.add(runs, names.parse(name))
    assert runs == [*RUNS[:3], Run("6", 9, 3, 4), Run("6", 13, 1, 4), Run("~ab", 1, 1)]


def test_the_rest_of_a_block_keeps_its_names() -> None:
    assert names.rest(7, block(5), 2) == [Run("7", 2, 3)]
    assert names.rest(9, block(5, part=(10, 7)), 2) == [Run("7", 12, 3)]
    assert names.rest(9, block(1, "j/5.3.2"), 0) == [Run("5", 3, 1, 2)]


def test_what_follows_one_message_is_counted_from_its_root_on() -> None:
    assert names.onward("j/5.3", 0) == "j/5.3"
    assert names.onward("j/5.3", 2) == names.onward(names.onward("j/5.3", 1), 1) == "j/5.3.2"
    assert names.onward(names.onward("j/5.3/7.0", 1), 4) == "j/5.3/7.0.5"


def test_a_name_does_not_grow_for_ever() -> None:
    name, seen = "j/5.3", set()
    for _ in range(1000):
        name = f"j/{names.head_of(names.onward(name, 1))}/7.1"
        seen.add(name)
    assert len(seen) == 1000
    assert max(map(len, seen)) <= names.MAX_HEAD + 10
    assert all(one.startswith("j/") for one in seen)
