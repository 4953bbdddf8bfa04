from __future__ import annotations

import dataclasses
from typing import Any

import msgpack
import numpy as np
import pytest

from routilux_dist.coordinator import events, picture
from routilux_dist.driver import records
from routilux_dist.errors import RoutiluxError, SerializationError, StoreError
from routilux_dist.plan.plan import Needs
from routilux_dist.testing import Bench
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Packed, Rows
from routilux_dist.wire.failure import Failure, Letter
from routilux_dist.wire.slices import Kept, Receipt, Tally
from tests.unit.coordinator.conftest import ring, summing

TYPED = codec.typed()


def no_blob(data: bytes) -> str:
    raise AssertionError("nothing here is large")


def again(value: Any) -> Any:
    return records.loads(records.dumps(value, no_blob), no_blob)  # type: ignore[arg-type]


def block(payload: Any = 1, how: codec.Codec = TYPED) -> Block:
    return Block("j", 3, 1, 1, 9, 2, 4, True, "key", how.pack([payload], None), (5, 7))


def test_what_goes_in_comes_out() -> None:
    failure = Failure(job="j", routine="r", message="no", attempts=2, item=3)
    receipt = Receipt(
        1,
        2,
        untouched=[4],
        blocks=[block()],
        outputs=[block("x")],
        retries=[(0.5, block())],
        letters=[Letter(failure, block())],
        failures=[failure],
        stopped={"j": failure},
        tallies={"j": Tally(1, 2, 3, {0: [1, 0]}, {1: -1})},
        data={"j": {"n": ("sum", 2), "o": ("last", TYPED.encode({1, 2}))}},
        traces=[("j", 0, "text")],
        kept=[Kept("j", 1, -1, TYPED.encode(["k"]))],
        costs={0: (3, 0.1)},
    )
    told = [
        events.Posted(job="j", blocks=(block(),), client="c", metadata=TYPED.encode({"a": 1}), request=4),
        events.SliceFinished(receipt),
        events.SliceLost(1, 1, "gone", innocent=True),
        events.TimerFired(("wake", "j", 3, 0)),
        events.ControlAsked("j", "checkpoint", "here", "c"),
        events.RetryAsked("j", (0, 2)),
        events.CapacityChanged(3, {1: 2}),
        events.Restarted(2, {0: 1}),
    ]
    assert again([12.5, told]) == [12.5, told]


@pytest.mark.parametrize("flow", [summing, ring])
def test_plans_and_pictures_come_out(flow: Any) -> None:
    one = Bench(flow(), keeps=True)
    one.post("j", "a.input", 3, last=False)
    plan = one.machine.plan
    assert again(plan) == plan
    taken = picture.take(one.machine)
    found = again({**taken, "lanes": [], "flights": [], "jobs": []})
    assert found["costs"] == taken["costs"]


def test_options_for_ray_are_left_out() -> None:
    assert again(Needs(num_cpus=2.0, extra=(("strategy", object()),))) == Needs(num_cpus=2.0)


def test_an_exception_that_only_pickles_is_left_out() -> None:
    failure = Failure(job="j", routine="r", exception=codec.encode(ValueError("no")))
    assert again(failure) == dataclasses.replace(failure, exception=None)


def test_pickled_bodies_are_refused_on_either_side() -> None:
    with pytest.raises(SerializationError, match="pickled body"):
        records.dumps(block(how=codec.PICKLE), no_blob)
    trusted = records.dumps(block(how=codec.typed(allow_pickle=True)), no_blob)
    with pytest.raises(SerializationError, match="allow_pickle=True"):
        records.loads(trusted, no_blob)  # type: ignore[arg-type]
    assert codec.rows_of(records.loads(trusted, no_blob, allow_pickle=True)._replace(part=None)).payloads == [1]  # type: ignore[arg-type]


def test_control_blocks_stay_as_they_are() -> None:
    assert again(Rows([None])) == Rows([None])


def test_large_buffers_become_blobs() -> None:
    blobs: dict[str, bytes] = {}

    def put(data: bytes) -> str:
        blobs[f"d{len(blobs)}"] = data
        return f"d{len(blobs) - 1}"

    array = np.arange(100_000)
    data = records.dumps(block(array), put)
    assert records.blobs_of(data) == ["d0"]
    assert len(data) < 1000
    found = records.loads(data, blobs.__getitem__)
    assert (codec.unpack(found.body).payloads[0] == array).all()
    assert records.blobs_of(records.dumps(block(), no_blob)) == []


def test_a_blob_that_cannot_be_stored_now_waits_inside() -> None:
    def away(data: bytes) -> str:
        raise StoreError("away")

    array = np.arange(100_000)
    data = records.dumps(block(array), away)
    assert (codec.unpack(records.loads(data, no_blob).body).payloads[0] == array).all()  # type: ignore[arg-type]


LONG_FORM = {
    "a long name": block()._replace(job="j" * 300),
    "a long origin": block()._replace(origin="k" * 300),
    "no name in UTF-8": block()._replace(job="\ud800"),
    "very many rows": block()._replace(rows=1 << 40, nbytes=1 << 50),
    "a long body": block("x" * 40_000),
    "a buffer": block(np.arange(10_000)),
}


@pytest.mark.parametrize("name", LONG_FORM)
def test_blocks_that_need_the_long_form(name: str) -> None:
    found = again([LONG_FORM[name], block()])
    assert found[0]._replace(body=None) == LONG_FORM[name]._replace(body=None)  # type: ignore[arg-type]
    assert codec.unpack(found[0].body).payloads[0] is not None
    assert found[1] == block()


@pytest.mark.parametrize("part", [None, (0, 1 << 40)])
@pytest.mark.parametrize("entry", [True, False])
def test_small_blocks_take_few_bytes(part: tuple[int, int] | None, entry: bool) -> None:
    one = block()._replace(part=part, entry=entry, job="größe", origin="")
    assert again(one) == one
    assert len(records.dumps(one, no_blob)) < len(one.body.data) + (38 if part is None else 54)  # type: ignore[union-attr]


def test_an_altered_small_block_is_a_block_or_refused() -> None:
    data = records.dumps([block()], no_blob)
    for place in range(3, len(data)):
        for byte in (0, 1, 0x7F, 0xFF):
            altered = data[:place] + bytes([byte]) + data[place + 1 :]
            try:
                found = records.loads(altered, no_blob)  # type: ignore[arg-type]
            except RoutiluxError:
                continue
            assert type(found) is list
    for end in range(len(data)):
        with pytest.raises(RoutiluxError):
            records.loads(data[:end], no_blob)  # type: ignore[arg-type]


def test_a_hundred_thousand_messages_that_wait_one_by_one() -> None:
    """A snapshot of them was refused, and its run with it: as objects they need more than ten times their bytes."""
    small = Block("j", 0, 0, 1, 1, 1, 0, True, "", Packed(b"", (), codec.Form.TYPED))
    queue = [[n, small] for n in range(130_000)]
    assert again({"queue": queue})["queue"] == queue


def test_what_needs_more_than_ten_times_its_bytes_is_filled_up() -> None:
    value: list[dict[str, Any]] = [{}] * 600_000
    data = records.dumps(value, no_blob)
    assert len(data) > 1_000_000
    assert records.loads(data, no_blob) == value  # type: ignore[arg-type]
    assert records.blobs_of(data) == []
    with pytest.raises(RoutiluxError, match="would need more than"):
        records.loads(b"\xc1\x01\x00" + msgpack.packb(value), no_blob)  # type: ignore[arg-type]


def test_a_small_message_takes_few_bytes() -> None:
    small = block({"n": 1})._replace(job="job-0123456789ab", origin="", part=None)
    posted = events.Posted(job="job-0123456789ab", blocks=(small,), client="client-0123456789ab", request=7)
    assert again(posted) == posted
    assert len(records.dumps([1e9, [posted]], no_blob)) < 90


@pytest.mark.parametrize("fields", [{}, {"metadata": TYPED.encode({"a": 1})}, {"must_exist": True}, {"ordered": True}])
def test_a_post_keeps_what_it_says(fields: dict[str, Any]) -> None:
    posted = events.Posted(job="k", blocks=(block(), block()._replace(job="k", part=None)), last=False, **fields)
    assert again(posted) == posted


def test_a_pickled_body_in_a_post_is_refused() -> None:
    trusted = block(how=codec.typed(allow_pickle=True))._replace(part=None)
    data = records.dumps(events.Posted(job="j", blocks=(trusted,)), no_blob)
    with pytest.raises(SerializationError, match="allow_pickle=True"):
        records.loads(data, no_blob)  # type: ignore[arg-type]
    assert records.loads(data, no_blob, allow_pickle=True).blocks == (trusted,)  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xc1\x01\x00", b"\x92\xc0\x90", b"nonsense"])
def test_nonsense_is_refused(data: bytes) -> None:
    with pytest.raises(RoutiluxError):
        records.loads(data, no_blob)  # type: ignore[arg-type]


def test_a_body_is_never_opened() -> None:
    packed = Packed(b"not even msgpack", (), 1)
    assert again(packed) == packed


def test_older_records_lack_what_was_added_since() -> None:
    entry = records._entry(events.SliceLost, "lost")
    assert entry.decode([1, 1, "gone"]) == events.SliceLost(1, 1, "gone")
    with pytest.raises(SerializationError, match=r"SliceLost .*use a newer one"):
        entry.decode([1, 1, "gone", False, False, 0.0, "more"])
