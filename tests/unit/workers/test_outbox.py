from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from routilux_dist.errors import SerializationError
from routilux_dist.flow.state import partition_of
from routilux_dist.testing import Workbench
from routilux_dist.wire import codec
from routilux_dist.wire.block import Form
from routilux_dist.wire.codec import typed
from routilux_workers.outbox import Packer, Pile
from tests.unit.workers.conftest import of, stateful

Build = Callable[..., Workbench]


def pile(payloads: list[Any], items: list[int] | None = None) -> Pile:
    made = Pile("j", 3, 1)
    made.payloads, made.items = payloads, items or []
    return made


@pytest.mark.parametrize("packed", [False, True])
def test_piles_are_cut_by_rows_and_keep_their_order(packed: bool) -> None:
    blocks = list(Packer(packed, 1 << 20).cut(pile(list(range(7)), list(range(10, 17))), 3))
    assert [b.rows for b in blocks] == [3, 3, 1]
    rows = [codec.unpack(b.body) for b in blocks]
    assert [p for r in rows for p in r.payloads] == list(range(7))
    assert [i for r in rows for i in r.items] == list(range(10, 17))  # type: ignore[union-attr]
    assert {(b.job, b.port, b.partition) for b in blocks} == {("j", 3, 1)}


def test_packed_blocks_are_bounded_in_bytes() -> None:
    blocks = list(Packer(True, 1000).cut(pile(["x" * 400] * 10), 8192))
    assert sum(b.rows for b in blocks) == 10
    assert all(b.nbytes <= 1000 for b in blocks)


def test_a_message_larger_than_a_block_goes_alone() -> None:
    blocks = list(Packer(True, 100).cut(pile(["x" * 400] * 2), 8192))
    assert [b.rows for b in blocks] == [1, 1]


def test_bad_rows_are_found() -> None:
    import threading

    packer = Packer(True, 1000)
    payloads = [1, threading.Lock(), 3]
    with pytest.raises(SerializationError):
        list(packer.cut(pile(payloads), 10))
    assert set(packer.bad_rows(payloads, [])) == {1}


def test_a_payload_that_is_too_large_is_refused_with_its_size_and_the_limit() -> None:
    packer = Packer(True, 1 << 20, max_payload=1000)
    fine = list(packer.cut(pile(["x" * 400] * 5), 8192))
    assert sum(b.rows for b in fine) == 5, "it is the message that is measured, not the block"
    payloads = ["x" * 400, "y" * 2000]
    with pytest.raises(SerializationError, match=r"2,0\d\d bytes .* 1,000 bytes; .*max_payload_bytes"):
        list(packer.cut(pile(payloads, [0, 1]), 8192))
    assert set(packer.bad_rows(payloads, [0, 1])) == {1}
    back = pile(payloads)
    back.new = False
    assert sum(b.rows for b in packer.cut(back, 8192)) == 2, "what came in may go back"


def test_whatever_its_size_a_payload_is_refused_or_found_to_be_bad() -> None:
    for size in range(900, 1010):
        packer, payloads = Packer(True, 1 << 20, max_payload=1000), [b"z" * size]
        try:
            list(packer.cut(pile(payloads, [7]), 10))
        except SerializationError:
            assert set(packer.bad_rows(payloads, [7])) == {0}
        else:
            assert packer.bad_rows(payloads, [7]) == {}


def act(routine: Any, x: Any) -> None:
    return None


def test_messages_go_to_the_home_of_their_key(workbench: Build) -> None:
    flow = of(("a", lambda x: x), ("s", stateful(act, n=0, key="k")), links=("a.output s.input",))
    one = workbench(flow, "a", homes=4)
    receipt = one.send("a.input", *({"k": k} for k in range(20)), {"no": "key"})
    for block in receipt.blocks:
        keys = [p["k"] for p in codec.unpack(block.body).payloads if "k" in p]
        assert {partition_of(k, 4) for k in keys} <= {block.partition}
    assert sum(b.rows for b in receipt.blocks) == 21


@pytest.mark.parametrize(("scope", "owner"), [("job", "job"), ("worker", "")])
def test_messages_without_key_go_to_the_home_of_the_job_or_flow(workbench: Build, scope: str, owner: str) -> None:
    flow = of(("a", lambda x: x), ("s", stateful(act, n=0, scope=scope)), links=("a.output s.input",))
    one = workbench(flow, "a", homes=4)
    (block,) = one.send("a.input", 1).blocks
    homes = one.plan.groups[one.plan.routines["s"].group].partitions or 4
    assert block.partition == partition_of(owner, homes)


def test_what_a_home_sends_to_itself_stays_there(workbench: Build) -> None:
    first = stateful(lambda routine, x: x, n=0)
    second = stateful(lambda routine, x: ("second", x), n=0)
    flow = of(("a", first), ("b", second), links=("a.output b.input",))
    home = partition_of("job", 3)
    one = workbench(flow, "a", homes=3, partition=home)
    receipt = one.send("a.input", 1)
    assert one.sent(receipt) == [("second", 1)]
    assert receipt.blocks == []


def test_typed_blocks() -> None:
    packer = Packer(True, 1 << 20, typed())
    (block,) = packer.cut(pile([{"a": {1}}], [3]), 5)
    assert block.body.form == Form.TYPED
    assert codec.unpack(block.body).payloads == [{"a": {1}}]
    (bad,) = packer.bad_rows([1, {"f": len}], []).values()
    assert str(bad).startswith("payload['f']: type builtin_function_or_method is not registered")
