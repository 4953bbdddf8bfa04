"""Blocks: headers that anybody may read, bodies that travel without being opened."""

from __future__ import annotations

import pickle

import numpy as np

from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Form, Packed, Rows, Stored, cut


def block(body: Rows | Packed | Stored) -> Block:
    return Block("job", 3, 1, 2, 10, 1, 4, True, "", body)


def test_parts_of_a_block_share_its_body() -> None:
    whole = Block("j", 0, 0, 5, 0, 1, 0, True, "", Rows(list("abcde"), 10))
    parts = cut(7, whole, 2)
    assert [codec.rows_of(part) for part in parts] == [(["a", "b"], 10), (["c", "d"], 12), (["e"], 14)]
    assert all(part.body is whole.body for part in parts)
    (second, third) = cut(9, parts[1], 1)
    assert (second.part, third.part) == ((2, 7), (3, 7))
    assert codec.rows_of(third) == (["d"], 13)
    marked = whole._replace(body=Rows(list("abcde"), [(1,), (2,), (3,), (4,), (5,)]))
    assert codec.rows_of(cut(7, marked, 4)[1]) == (["e"], [(5,)])


def test_a_block_travels_whatever_its_body() -> None:
    for body in (Rows(["a", 1], [0, 4]), codec.pack(["a", 1], None), Stored("ref", 7)):
        assert pickle.loads(pickle.dumps(block(body), protocol=5)) == block(body)


def test_a_body_is_carried_on_without_being_opened() -> None:
    """What arrived lies in memory of its own; sent on, it is neither decoded nor changed."""
    array = np.arange(100_000)
    packed = codec.pack([array], 0)
    for _ in range(3):
        packed = sent(packed)
    [again] = codec.unpack(packed).payloads
    assert (again == array).all()


def sent(packed: Packed) -> Packed:
    """What arrives elsewhere: the buffers travel beside the pickle."""
    buffers: list[bytes] = []
    data = pickle.dumps(packed, protocol=5, buffer_callback=lambda buffer: buffers.append(bytes(buffer)))
    assert len(data) < 2000
    arrived: Packed = pickle.loads(data, buffers=[memoryview(b) for b in buffers])
    return arrived


def test_sizes_count_what_travels_beside() -> None:
    assert Packed(b"12345").nbytes == 5
    assert Packed(b"12345", (bytes(10), memoryview(bytes(20)), pickle.PickleBuffer(np.zeros(3)))).nbytes == 59


def test_a_stored_body_says_which_element_it_is() -> None:
    body = Stored("ref", 7)
    assert (body.ref, body.place) == ("ref", 7)


def test_a_body_keeps_its_form_on_the_way() -> None:
    for form in Form:
        again = sent(Packed(b"x", (b"y",), form))
        assert (again.data, again.form) == (b"x", form)
