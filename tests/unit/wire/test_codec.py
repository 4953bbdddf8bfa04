"""The codec: values come back as they were, large buffers are not copied, refusals say why."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routilux_dist.errors import SerializationError
from routilux_dist.wire.block import Packed, Rows, Stored
from routilux_dist.wire.codec import OUT_OF_BAND_BYTES, PICKLE, Codec, decode, encode, pack, typed, unpack
from tests.meta.repo import python

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
VALUES = st.recursive(
    SCALARS,
    lambda v: st.lists(v) | st.tuples(v, v) | st.dictionaries(st.text(), v) | st.frozensets(SCALARS, max_size=3),
    max_leaves=20,
)


@settings(deadline=None)
@given(VALUES)
def test_what_goes_in_comes_out(value: Any) -> None:
    packed = encode(value)
    assert decode(packed) == value
    assert packed.nbytes == len(packed.data)


def test_the_same_object_stays_the_same_object() -> None:
    inner = [1]
    a, b = decode(encode((inner, inner)))
    assert a is b


# ---- large buffers -------------------------------------------------------------------------------------------------


def test_a_large_array_travels_beside_the_pickle_without_a_copy() -> None:
    array = np.arange(OUT_OF_BAND_BYTES, dtype=np.uint8)
    packed = encode({"x": array})
    assert len(packed.buffers) == 1
    assert len(packed.data) < 1000
    assert packed.nbytes == len(packed.data) + array.nbytes
    assert np.shares_memory(decode(packed)["x"], array)


def test_a_small_array_travels_inside() -> None:
    packed = encode(np.zeros(OUT_OF_BAND_BYTES - 1, dtype=np.uint8))
    assert packed.buffers == ()
    assert decode(packed).nbytes == OUT_OF_BAND_BYTES - 1


@pytest.mark.parametrize("order", ["C", "F"])
def test_shape_and_order_are_kept(order: Any) -> None:
    array = np.asarray(np.arange(90_000.0).reshape(300, 300), order=order)
    again = decode(encode(array))
    assert again.flags["F_CONTIGUOUS"] == array.flags["F_CONTIGUOUS"]
    assert (again == array).all()


def test_a_view_with_gaps_travels_too() -> None:
    array = np.arange(100_000)[::3]
    assert (decode(encode(array)) == array).all()


def test_what_arrives_in_foreign_memory_is_read_only() -> None:
    """As in an object store: many processes may look at it."""
    packed = encode(np.zeros(OUT_OF_BAND_BYTES, dtype=np.uint8))
    arrived = Packed(packed.data, tuple(bytes(b) for b in packed.buffers))
    with pytest.raises(ValueError, match="read-only"):
        decode(arrived)[0] = 1


def test_buffers_are_collected_once_if_a_second_attempt_is_needed() -> None:
    """The first pickle fails at the lambda, after it has met the array."""
    array = np.zeros(OUT_OF_BAND_BYTES, dtype=np.uint8)
    packed = encode([array, lambda: 1])
    assert len(packed.buffers) == 1
    again, function = decode(packed)
    assert (again.nbytes, function()) == (array.nbytes, 1)


# ---- what only this process knows ----------------------------------------------------------------------------------


def test_functions_inside_functions_travel_by_value() -> None:
    factor = 7
    assert decode(encode(lambda x: factor * x))(6) == 42


def test_what_a_module_holds_travels_by_name() -> None:
    assert decode(encode(Path.exists)) is Path.exists
    assert len(encode(subprocess.run).data) < 100


def test_a_class_of_main_travels_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process has another `__main__`."""
    module = ModuleType("__main__")
    exec("class Point:\n    def __init__(self, x): self.x = x", module.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", module)
    packed = encode(module.Point(3))
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    assert decode(packed).x == 3


def test_text_that_mentions_main_is_still_text() -> None:
    assert decode(encode("__main__")) == "__main__"


# ---- refusals ------------------------------------------------------------------------------------------------------


class Refuses:
    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (threading.Lock, "TypeError: cannot pickle '_thread.lock' object"),
        (Refuses, "RuntimeError: not me"),
        (lambda: (x for x in ()), "cannot pickle 'generator' object"),
    ],
)
def test_a_refusal_says_why(make: Any, why: str) -> None:
    with pytest.raises(SerializationError, match=why) as caught:
        encode([make()])
    assert caught.value.__cause__ is not None


def test_a_value_without_an_end_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(SerializationError, match="recursion"):
        encode(nested)


# ---- rows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("items", [None, 5, [1, 2, 5]])
def test_rows_are_packed_and_unpacked(items: Any) -> None:
    assert unpack(pack(["a", None, {}], items)) == Rows(["a", None, {}], items)


def test_rows_of_this_process_stay_as_they_are() -> None:
    rows = Rows([object()])
    assert unpack(rows) is rows


def test_a_stored_body_is_fetched_first() -> None:
    with pytest.raises(SerializationError, match="a Stored body has to be fetched before it is opened"):
        unpack(Stored("ref", 0))


# ---- two codecs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [PICKLE, typed(), typed(allow_pickle=True)])
def test_a_body_knows_how_it_is_opened(codec: Codec) -> None:
    value = {"a": (1, {2}), "b": np.arange(OUT_OF_BAND_BYTES)}
    packed = codec.encode(value)
    assert packed.form == codec.form
    assert len(packed.buffers) == 1
    again = decode(packed)
    assert again["a"] == value["a"]
    assert np.shares_memory(again["b"], value["b"])
    for items in (None, 3, [1, (2, 1)]):
        assert unpack(codec.pack(["x", None], items)) == Rows(["x", None], items)
    assert cloudpickle.loads(cloudpickle.dumps(codec)) == codec


def test_only_a_codec_that_allows_pickles_makes_and_opens_them() -> None:
    packed = typed(allow_pickle=True).encode([threading.Thread])
    assert decode(packed) == [threading.Thread]
    with pytest.raises(SerializationError, match="allow_pickle"):
        decode(packed._replace(form=typed().form))
    with pytest.raises(SerializationError, match=r"value\[0\]: type type is not registered"):
        typed().encode([threading.Thread])


def test_a_row_that_cannot_be_typed_is_named_from_its_payload_on() -> None:
    with pytest.raises(SerializationError, match=r"^payload\['lock'\]: type _thread.lock is not registered"):
        typed().pack([1, {"lock": threading.Lock()}], None)


def test_a_codec_takes_its_types_along() -> None:
    done = python(
        "import cloudpickle, dataclasses, sys\n"
        "from routilux_dist.wire import codec, registry\n"
        "@registry.register_type\n@dataclasses.dataclass\nclass Item:\n    n: int\n"
        "sent = cloudpickle.dumps((codec.typed(), codec.typed().encode(Item(5)).data)).hex()\n"
        "sys.stdout.write(sent)"
    )
    assert done.returncode == 0, done.stderr
    there = python(
        "import cloudpickle\nfrom routilux_dist.wire import codec, typed\n"
        f"_, data = cloudpickle.loads(bytes.fromhex({done.stdout!r}))\n"
        "assert typed.loads(data).n == 5\n"
    )
    assert there.returncode == 0, there.stderr
