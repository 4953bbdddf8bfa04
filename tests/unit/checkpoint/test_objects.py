"""The store in fsspec: files that grow as numbered objects, and drivers that raise what they like."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from routilux_dist.checkpoint.objects import ObjectStore
from routilux_dist.errors import ConfigurationError, StoreError

fsspec = pytest.importorskip("fsspec")
_numbers = itertools.count()


@pytest.fixture
def files() -> Any:
    return fsspec.filesystem("memory")


@pytest.fixture
def store(files: Any) -> ObjectStore:
    return ObjectStore(files, f"/objects-{next(_numbers)}")


def test_each_sync_is_an_object(store: ObjectStore, files: Any) -> None:
    file = store.append("run/log")
    for data in (b"ab", b"", b"c"):
        file.write(data)
        file.sync()
    assert sorted(name.rsplit("/", 1)[-1] for name in files.ls(f"{store.url}/run", detail=False)) == ["log+1", "log+2"]
    assert store.read("run/log") == b"abc"


def test_two_that_append_to_one_file_do_not_mix(store: ObjectStore) -> None:
    one, two = store.append("run/log"), store.append("run/log")
    one.write(b"1")
    two.write(b"2")
    one.sync()
    with pytest.raises(StoreError, match="somebody else writes"):
        two.sync()
    assert store.read("run/log") == b"1"


def test_a_part_that_is_missing_ends_the_file(store: ObjectStore, files: Any) -> None:
    file = store.append("run/log")
    for _ in range(3):
        file.write(b"x")
        file.sync()
    files.rm_file(f"{store.url}/run/log+2")
    assert store.read("run/log") == b"x"


def test_a_driver_that_knows_no_exclusive_creation(
    store: ObjectStore, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = type(files).pipe_file

    def pipe_file(self: Any, path: str, value: bytes) -> None:
        plain(self, path, value)

    monkeypatch.setattr(type(files), "pipe_file", pipe_file)
    assert store.create("a", b"1")
    assert not store.create("a", b"2")
    assert store.read("a") == b"1"


def test_what_a_driver_raises_arrives_as_a_store_error(
    store: ObjectStore, files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise RuntimeError("503 slow down")

    monkeypatch.setattr(type(files), "pipe_file", refuse)
    with pytest.raises(StoreError, match=r"cannot replace .*/a: RuntimeError: 503 slow down"):
        store.replace("a", b"")


def test_an_unknown_scheme_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        ObjectStore.at("nosuch://bucket")
