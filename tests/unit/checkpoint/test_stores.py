"""One suite for every store; names and URLs."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from routilux_dist.checkpoint.directory import DirectoryStore
from routilux_dist.checkpoint.inspection import inspect, list_runs
from routilux_dist.checkpoint.journal import Journal
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.checkpoint.objects import ObjectStore
from routilux_dist.checkpoint.stores import Store, open_store
from routilux_dist.errors import CheckpointError, ConfigurationError, FencedError, StoreError

_numbers = itertools.count()

#: Makes another view of the same store at each call.
Maker = Callable[[], Store]


@pytest.fixture(params=["memory", "directory", "fsspec-memory", "fsspec-file"])
def maker(request: pytest.FixtureRequest, tmp_path: Path) -> Maker:
    kind = request.param
    name = f"store-{os.getpid()}-{next(_numbers)}"
    if kind == "memory":
        return lambda: open_store(f"memory://{name}")
    if kind == "directory":
        return lambda: open_store(str(tmp_path / "a" / "b"))
    fsspec = pytest.importorskip("fsspec")
    if kind == "fsspec-memory":
        return lambda: ObjectStore(fsspec.filesystem("memory"), f"/{name}/prefix")
    return lambda: ObjectStore(fsspec.filesystem("file"), str(tmp_path / "c"))


@pytest.fixture
def store(maker: Maker) -> Store:
    return maker()


def test_an_empty_store(store: Store) -> None:
    assert store.list("") == []
    assert store.list("run/epochs") == []
    assert store.read("run/x") is None
    store.delete("run/x")


def test_create_is_for_the_first_one_only(maker: Maker) -> None:
    assert maker().create("run/epochs/1", b"a")
    assert not maker().create("run/epochs/1", b"b")
    assert maker().read("run/epochs/1") == b"a"


def test_of_many_that_create_the_same_file_one_wins(maker: Maker, store: Store) -> None:
    if isinstance(store, ObjectStore):
        pytest.skip("these drivers of fsspec look first and create then, as the module says")
    for round_ in range(50):
        wins: list[bool] = []
        go = threading.Barrier(4)

        def race(name: str = f"run/{round_}", go: threading.Barrier = go, wins: list[bool] = wins) -> None:
            mine = maker()
            go.wait()
            wins.append(mine.create(name, b""))

        threads = [threading.Thread(target=race) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(wins) == [False, False, False, True]


def test_replace(maker: Maker) -> None:
    maker().replace("run/s/1", b"a" * 1000)
    maker().replace("run/s/1", b"b")
    maker().replace("run/s/2", b"")
    assert maker().read("run/s/1") == b"b"
    assert maker().read("run/s/2") == b""
    assert maker().list("run/s") == ["1", "2"]


def test_list_shows_what_is_directly_inside_sorted(maker: Maker) -> None:
    store = maker()
    for name in ("b/2", "b/10", "b/c/d", "a/1", "bb/1"):
        store.replace(name, b"")
    assert maker().list("") == ["a", "b", "bb"]
    assert maker().list("b") == ["10", "2", "c"]
    assert maker().list("b/c/d") == []


def test_delete_leaves_the_others(maker: Maker) -> None:
    store = maker()
    for name in ("x", "x1", "y/x"):
        store.replace(name, b"1")
    store.delete("x")
    assert (maker().read("x"), maker().read("x1"), maker().read("y/x")) == (None, b"1", b"1")
    assert store.create("x", b"again")


def test_append(maker: Maker) -> None:
    store = maker()
    file = store.append("run/log/1")
    file.write(b"ab")
    file.write(b"c")
    file.sync()
    assert maker().read("run/log/1") == b"abc"
    file.write(b"d" * 100_000)
    file.sync()
    file.sync()
    file.close()
    assert maker().read("run/log/1") == b"abc" + b"d" * 100_000
    assert maker().list("run/log") == ["1"]
    with pytest.raises(StoreError, match="exists"):
        maker().append("run/log/1")
    store.delete("run/log/1")
    assert maker().read("run/log/1") is None
    assert maker().list("run/log") == []


def test_two_files_that_grow(maker: Maker) -> None:
    one, two = maker().append("run/1"), maker().append("run/2")
    for _ in range(3):
        one.write(b"1")
        two.write(b"2")
        one.sync()
        two.sync()
    assert (maker().read("run/1"), maker().read("run/2")) == (b"111", b"222")


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", "a/.b", "a\\b", "%2e%2e/x", "a\0b", "~", "~root/x", "a b",
        "x" * 129, "ａ", "a/-x", "a\n",
    ],
)  # fmt: skip
def test_names_that_could_lead_elsewhere_are_refused(store: Store, name: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.read(name), lambda: store.create(name, b""), lambda: store.replace(name, b""), lambda: store.delete(name),
        lambda: store.append(name),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(CheckpointError, match="is no name in a store"):
            call()
    assert store.list("") == []


def test_a_journal_lives_in_every_store(maker: Maker) -> None:
    journal, _ = Journal.open(maker(), "run", keep=1)
    digest = journal.put_blob(b"blob")
    for number in range(1, 6):
        journal.append(b"%d" % number)
        journal.sync() if number != 3 else journal.snapshot(b"1-3", "good")
    heir, recovered = Journal.open(maker(), "run")
    assert (recovered.snapshot, recovered.records, recovered.checkpoints) == (b"1-3", [b"4", b"5"], {"good": 3})
    assert heir.get_blob(digest) == b"blob"
    with pytest.raises(FencedError):
        journal.sync()
    heir.close()
    said = inspect(maker(), "run")
    assert (list_runs(maker()), said["seq"], said["damage"]) == (["run"], 5, None)


# ---- URLs ------------------------------------------------------------------------------------------------------------


def test_urls(tmp_path: Path) -> None:
    assert isinstance(open_store("memory://one"), MemoryStore)
    assert open_store("memory://one") is open_store("memory://one")
    assert open_store("memory://one") is not open_store("memory://two")
    path = tmp_path / "with space"
    for url in (str(path), f"file://{str(path).replace(' ', '%20')}"):
        store = open_store(url)
        assert isinstance(store, DirectoryStore)
        store.replace("x", b"1")
        assert (path / "x").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "has to be a path or a URL"),
        (None, "has to be a path or a URL"),
        ("file://elsewhere/path", "names a path on this machine"),
        ("nosuch://x/y", "cannot be opened|needs fsspec"),
        ("memory://../x", "is no name"),
    ],
)
def test_urls_that_are_refused(url: str, said: str) -> None:
    with pytest.raises((ConfigurationError, CheckpointError), match=said):
        open_store(url)


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "../x",
        "../../etc",
        "/etc/x",
        "a/b",
        "a/../b",
        "",
        ".x",
        "a\\b",
        "a\0b",
        "~",
        "%2e%2e",
        "é",
        "x" * 200,
    ],
)
def test_no_name_of_a_run_or_of_a_checkpoint_leads_anywhere(maker: Maker, tmp_path: Path, name: str) -> None:
    journal, _ = Journal.open(maker(), "run")
    files = sorted(path for path in tmp_path.rglob("*"))
    with pytest.raises(CheckpointError, match="no name of a run"):
        Journal.open(maker(), name)
    with pytest.raises(CheckpointError, match="no name of a run"):
        inspect(maker(), name)
    with pytest.raises(CheckpointError, match="checkpoint name"):
        journal.snapshot(b"", name)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        journal.load(name)
    with pytest.raises(CheckpointError, match="no digest"):
        journal.get_blob(name)
    assert sorted(path for path in tmp_path.rglob("*")) == files
    assert list_runs(maker()) == ["run"]
