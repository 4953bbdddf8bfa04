"""The journal, from its writer's side."""

from __future__ import annotations

import pytest

from routilux_dist.checkpoint import journal as module
from routilux_dist.checkpoint.journal import Journal, Recovered
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.errors import (
    CheckpointDamagedError,
    CheckpointError,
    FencedError,
    StateError,
    StoreError,
)

KEY = b"k" * 32


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(params=[None, KEY], ids=["plain", "signed"])
def key(request: pytest.FixtureRequest) -> bytes | None:
    return request.param  # type: ignore[no-any-return]


def opened(store: MemoryStore, key: bytes | None = None, keep: int = 3) -> tuple[Journal, Recovered]:
    return Journal.open(store, "run", key=key, keep=keep)


def fill(journal: Journal, start: int, end: int) -> None:
    for number in range(start, end):
        journal.append(b"%d" % number)


def numbers(recovered: Recovered) -> list[int]:
    return [int(record) for record in recovered.records]


# ---- what comes back -------------------------------------------------------------------------------------------------


def test_a_new_journal_is_empty(store: MemoryStore, key: bytes | None) -> None:
    journal, recovered = opened(store, key)
    assert recovered == Recovered(epoch=1)
    assert (journal.seq, journal.synced, journal.sync()) == (0, 0, 0)


def test_what_was_synced_comes_back_in_order(store: MemoryStore, key: bytes | None) -> None:
    journal, _ = opened(store, key)
    fill(journal, 1, 4)
    assert (journal.seq, journal.synced) == (3, 0)
    assert journal.sync() == 3
    fill(journal, 4, 6)
    assert journal.sync() == 5
    journal.append(b"lost")
    again, recovered = opened(store, key)
    assert (numbers(recovered), recovered.seq, recovered.epoch) == ([1, 2, 3, 4, 5], 5, 2)
    fill(again, 6, 8)
    again.close()
    assert numbers(opened(store, key)[1]) == list(range(1, 8))


def test_records_may_be_empty_and_large(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, _ = opened(store)
    for body in (b"", b"x" * 5_000_000, b""):
        journal.append(body)
    journal.sync()
    assert opened(store)[1].records == [b"", b"x" * 5_000_000, b""]
    monkeypatch.setattr(module.frames, "MAX_BODY", 10)
    with pytest.raises(CheckpointError, match="put large bytes into a blob"):
        opened(store)[0].append(b"x" * 11)


def test_a_small_record_costs_at_most_forty_bytes(store: MemoryStore, key: bytes | None) -> None:
    journal, _ = opened(store, key)

    def size() -> int:
        return sum(map(len, store.files.values()))

    before = size()
    for _ in range(10):
        journal.append(b"x")
        journal.sync()
    assert (size() - before) / 10 - 1 <= 40


def test_a_segment_that_has_grown_is_followed_by_another(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 200)
    journal, _ = opened(store)
    for number in range(1, 60):
        journal.append(b"%d" % number)
        journal.sync()
    assert len(store.list("run/segments")) > 3
    assert numbers(opened(store)[1]) == list(range(1, 60))


def test_runs_in_one_store_do_not_mix(store: MemoryStore) -> None:
    one, _ = Journal.open(store, "one")
    two, _ = Journal.open(store, "two")
    one.append(b"1")
    two.append(b"2")
    one.sync()
    two.sync()
    assert Journal.open(store, "one")[1].records == [b"1"]
    assert Journal.open(store, "two")[1].records == [b"2"]


@pytest.mark.parametrize(
    ("run", "options", "said"),
    [("../x", {}, "no name of a run"), ("run", {"keep": 0}, "keep=0"), ("run", {"key": b"short"}, "16 bytes")],
)
def test_what_cannot_be_opened(store: MemoryStore, run: str, options: dict[str, int], said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        Journal.open(store, run, **options)  # type: ignore[arg-type]


def test_a_closed_journal_takes_nothing(store: MemoryStore) -> None:
    journal, _ = opened(store)
    journal.append(b"1")
    journal.close()
    journal.close()
    with pytest.raises(StateError, match="is closed"):
        journal.append(b"2")
    assert opened(store)[1].records == [b"1"]


# ---- snapshots -------------------------------------------------------------------------------------------------------


def test_a_snapshot_replaces_what_is_before_it(store: MemoryStore, key: bytes | None) -> None:
    journal, _ = opened(store, key)
    fill(journal, 1, 4)
    assert journal.snapshot(b"1-3") == 3
    fill(journal, 4, 6)
    journal.sync()
    again, recovered = opened(store, key)
    assert (recovered.snapshot, numbers(recovered), recovered.seq) == (b"1-3", [4, 5], 5)
    again.snapshot(b"1-5")
    recovered = opened(store, key)[1]
    assert (recovered.snapshot, recovered.records, recovered.seq) == (b"1-5", [], 5)


def test_named_snapshots_stay_and_others_go(store: MemoryStore) -> None:
    journal, _ = opened(store, keep=2)
    for number in range(1, 11):
        journal.append(b"%d" % number)
        journal.snapshot(b"state %d" % number, name="good" if number in (2, 3) else None)
    assert journal.checkpoints == {"good": 3}
    assert journal.load("good") == (3, b"state 3")
    assert [int(name.split("-")[0]) for name in store.list("run/snapshots")] == [3, 9, 10]
    assert len(store.list("run/segments")) == 1
    again, recovered = opened(store)
    assert (recovered.snapshot, recovered.checkpoints) == (b"state 10", {"good": 3})
    assert again.load("good") == (3, b"state 3")
    with pytest.raises(CheckpointError, match="no checkpoint 'bad'; it has: good"):
        again.load("bad")
    with pytest.raises(CheckpointError, match="checkpoint name"):
        again.snapshot(b"", name="../x")


def test_a_damaged_snapshot_is_made_up_for_by_the_one_before_it(store: MemoryStore, key: bytes | None) -> None:
    journal, _ = opened(store, key)
    for number in range(1, 6):
        journal.append(b"%d" % number)
        journal.snapshot(b"state %d" % number)
    fill(journal, 6, 8)
    journal.sync()
    newest = store.list("run/snapshots")[-1]
    store.files[f"run/snapshots/{newest}"] = store.files[f"run/snapshots/{newest}"][:-1]
    recovered = opened(store, key)[1]
    assert (recovered.snapshot, numbers(recovered)) == (b"state 4", [5, 6, 7])
    assert f"run/snapshots/{newest} is damaged; an older one was used" in recovered.notes
    for name in store.list("run/snapshots"):
        store.files[f"run/snapshots/{name}"] = b""
    with pytest.raises(CheckpointDamagedError, match=r"no file holds record 3, .*is damaged"):
        opened(store, key)


# ---- damage ----------------------------------------------------------------------------------------------------------


def filled(store: MemoryStore, key: bytes | None = None) -> list[str]:
    """Three segments of two records; return their files."""
    for start in (1, 3, 5):
        journal, _ = opened(store, key)
        fill(journal, start, start + 2)
        journal.close()
    return [f"run/segments/{name}" for name in store.list("run/segments")]


def test_a_missing_segment_is_named(store: MemoryStore) -> None:
    files = filled(store)
    del store.files[files[1]]
    with pytest.raises(CheckpointDamagedError, match="record 4, which is missing or damaged; up to record 2") as caught:
        opened(store)
    assert (caught.value.file, caught.value.intact) == (files[0], 2)


def test_a_damaged_record_in_the_middle_is_named(store: MemoryStore) -> None:
    files = filled(store)
    data = bytearray(store.files[files[1]])
    data[-20] ^= 1
    store.files[files[1]] = bytes(data)
    with pytest.raises(CheckpointDamagedError) as caught:
        opened(store)
    assert caught.value.file == files[1]
    assert 0 < caught.value.offset < len(data)
    assert f"{files[1]}, byte {caught.value.offset}" in str(caught.value)


def test_a_snapshot_without_any_log_is_not_enough(store: MemoryStore) -> None:
    journal, _ = opened(store)
    journal.append(b"1")
    journal.snapshot(b"1")
    for name in store.list("run/segments"):
        del store.files[f"run/segments/{name}"]
    with pytest.raises(CheckpointDamagedError, match="does not fit the log, which ends with record 0"):
        opened(store)


def test_swapped_doubled_and_stale_segments_are_noticed(store: MemoryStore) -> None:
    files = filled(store)
    good = dict(store.files)
    for one in files:
        for two in files:
            if one == two:
                continue
            store.files = {**good, one: good[two]}
            with pytest.raises(CheckpointDamagedError):
                opened(store)
            store.files = {**good, one: good[two], two: good[one]}
            with pytest.raises(CheckpointDamagedError):
                opened(store)
    store.files = {**good, "run/segments/00000003-000002": good[files[0]]}
    with pytest.raises(CheckpointDamagedError):
        opened(store)


def test_with_a_key_nothing_unsigned_passes(store: MemoryStore) -> None:
    filled(store)
    with pytest.raises(CheckpointDamagedError, match="not signed, and a key is set"):
        opened(store, KEY)
    signed = MemoryStore()
    filled(signed, KEY)
    with pytest.raises(CheckpointError, match="give the one it was written with"):
        opened(signed)
    with pytest.raises(CheckpointError, match="another key"):
        opened(signed, b"q" * 32)
    assert numbers(opened(signed, KEY)[1]) == [1, 2, 3, 4, 5, 6]


def test_files_of_another_run_do_not_pass(store: MemoryStore) -> None:
    filled(store, KEY)
    store.files = {name.replace("run/", "other/", 1): data for name, data in store.files.items()}
    with pytest.raises(CheckpointDamagedError):
        Journal.open(store, "other", key=KEY)


# ---- two writers -----------------------------------------------------------------------------------------------------


def test_an_earlier_writer_is_fenced(store: MemoryStore) -> None:
    zombie, _ = opened(store)
    fill(zombie, 1, 3)
    zombie.sync()
    zombie.append(b"3")
    heir, recovered = opened(store)
    assert numbers(recovered) == [1, 2]
    with pytest.raises(
        FencedError, match=r"this writer has epoch 1, epoch 2 has begun; .* after record 2 does not count"
    ) as caught:
        zombie.sync()
    assert (caught.value.epoch, caught.value.newer) == (1, 2)
    for call in (zombie.sync, lambda: zombie.append(b""), lambda: zombie.snapshot(b""), lambda: zombie.put_blob(b"")):
        with pytest.raises(FencedError):
            call()
    zombie.close()
    heir.append(b"30")
    heir.sync()
    assert numbers(opened(store)[1]) == [1, 2, 30]


def test_a_zombie_that_goes_on_writing_changes_nothing(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    zombie, _ = opened(store)
    zombie.append(b"1")
    zombie.sync()
    heir, _ = opened(store)
    monkeypatch.setattr(zombie, "_check_epoch", lambda: None)
    for number in range(2, 6):  # more than the heir
        zombie.append(b"%d" % -number)
        zombie.sync()
    zombie._leave()
    zombie.append(b"-6")
    zombie.sync()
    heir.append(b"2")
    heir.sync()
    assert numbers(opened(store)[1]) == [1, 2]
    assert numbers(opened(store)[1]) == [1, 2]


def test_an_heir_that_is_overtaken_while_it_opens(store: MemoryStore) -> None:
    first, _ = opened(store)
    first.append(b"1")
    first.sync()

    def overtake(operation: str, name: str) -> None:
        if operation == "append" and "00000002-" in name:
            store.fault = None
            third, recovered = opened(store)
            assert numbers(recovered) == [1]
            third.append(b"2")
            third.sync()

    store.fault = overtake
    with pytest.raises(FencedError):
        opened(store)
    assert numbers(opened(store)[1]) == [1, 2]


def test_of_two_that_open_at_once_the_later_claim_wins(store: MemoryStore) -> None:
    def claim_too(operation: str, name: str) -> None:
        if operation == "create" and name.endswith("epochs/00000001"):
            store.fault = None
            assert opened(store)[1].epoch == 1

    store.fault = claim_too
    assert opened(store)[1].epoch == 2


# ---- a store that fails ----------------------------------------------------------------------------------------------


class Failing:
    """Fails the n-th operation of a kind."""

    def __init__(self, store: MemoryStore, operation: str, after: int = 0) -> None:
        self.operation, self.after = operation, after
        store.fault = self

    def __call__(self, operation: str, name: str) -> None:
        if operation == self.operation:
            self.after -= 1
            if self.after < 0:
                raise OSError(28, "No space left on device")


@pytest.mark.parametrize("operation", ["write", "sync", "list"])
def test_a_failed_sync_loses_nothing_and_is_not_trusted(store: MemoryStore, key: bytes | None, operation: str) -> None:
    journal, _ = opened(store, key)
    fill(journal, 1, 3)
    journal.sync()
    fill(journal, 3, 5)
    Failing(store, operation)
    for _ in range(3):
        with pytest.raises(StoreError, match="No space left"):
            journal.sync()
    assert (journal.synced, journal.seq) == (2, 4)
    fill(journal, 5, 6)
    store.fault = None
    segments = len(store.list("run/segments"))
    assert journal.sync() == 5
    assert len(store.list("run/segments")) == segments + 1
    assert numbers(opened(store, key)[1]) == [1, 2, 3, 4, 5]


def test_every_operation_of_a_life_may_fail_once(store: MemoryStore) -> None:
    """Whatever fails, the same call goes through when it is made again."""
    for operation in ("list", "read", "create", "replace", "delete", "append", "write", "sync"):
        for after in range(40):
            store = MemoryStore()
            failing = Failing(store, operation, after)
            failures = 0
            journal: Journal | None = None
            steps = 0
            while steps < 8:
                try:
                    if journal is None:
                        journal, _ = opened(store, keep=1)
                    if journal.seq <= steps:
                        journal.append(b"%d" % (steps + 1))
                    journal.snapshot(b"s") if steps % 3 == 2 else journal.sync()
                    steps += 1
                except StoreError:
                    failures += 1
                    failing.after = 10**6
            store.fault = None
            recovered = opened(store)[1]
            assert (recovered.snapshot, numbers(recovered), failures <= 1) == (b"s", [7, 8], True)


def test_a_writer_without_room_keeps_its_anchor(store: MemoryStore) -> None:
    """The one segment that says how far the history goes is not deleted, even if a failed one follows it."""
    journal, _ = opened(store, keep=1)
    journal.append(b"1")
    journal.sync()
    journal.append(b"2")
    Failing(store, "sync")
    with pytest.raises(StoreError):
        journal.sync()
    store.fault = None
    journal.sync()
    journal.snapshot(b"1-2")
    journal.snapshot(b"1-2")
    recovered = opened(store)[1]
    assert (recovered.snapshot, recovered.records, recovered.seq) == (b"1-2", [], 2)


# ---- blobs -----------------------------------------------------------------------------------------------------------


def test_blobs(store: MemoryStore) -> None:
    journal, _ = opened(store)
    one, two = journal.put_blob(b"1" * 100), journal.put_blob(b"2")
    assert opened(store)[0].get_blob(one) == b"1" * 100
    with pytest.raises(FencedError):
        journal.retain_blobs([two])
    heir, _ = opened(store)
    assert heir.retain_blobs([two]) == 1
    with pytest.raises(CheckpointDamagedError):
        heir.get_blob(one)
