"""The store in a directory: what it asks of the operating system, and what it leaves behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from routilux_dist.checkpoint.directory import DirectoryStore, Disk
from routilux_dist.errors import StoreError


class Recording(Disk):
    """A disk that notes what it is asked, and fails when told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failing = ""

    def _note(self, call: str, path: str = "") -> None:
        self.asked.append(f"{call} {os.path.basename(path)}".strip())
        if call == self.failing:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write(self, file: int, data: bytes) -> None:
        self._note("write")
        super().write(file, data)

    def sync(self, file: int) -> None:
        self._note("sync")
        super().sync(file)

    def sync_folder(self, path: str) -> None:
        self._note("sync_folder", path)
        super().sync_folder(path)

    def rename(self, old: str, new: str) -> None:
        self._note("rename", new)
        super().rename(old, new)


@pytest.fixture
def disk() -> Recording:
    return Recording()


@pytest.fixture
def store(tmp_path: Path, disk: Recording) -> DirectoryStore:
    store = DirectoryStore(tmp_path / "root", disk)
    store.replace("run/x", b"")
    disk.asked.clear()
    return store


def test_new_directories_are_synced_in_their_parents(tmp_path: Path, disk: Recording) -> None:
    DirectoryStore(tmp_path / "p" / "root", disk).replace("run/x", b"")
    folders = [call for call in disk.asked if call.startswith("sync_folder")]
    assert folders == [f"sync_folder {tmp_path.name}", "sync_folder p", "sync_folder root", "sync_folder run"]


def test_a_file_and_its_directory_are_synced(store: DirectoryStore, disk: Recording) -> None:
    store.create("run/a", b"1")
    assert disk.asked == ["write", "sync", "sync_folder run"]
    disk.asked.clear()
    store.replace("run/b", b"1")
    assert disk.asked == ["write", "sync", "rename b", "sync_folder run"]
    disk.asked.clear()
    file = store.append("run/c")
    for _ in range(2):
        file.write(b"1")
        file.sync()
    assert disk.asked == ["write", "sync", "sync_folder run", "write", "sync"]


@pytest.mark.parametrize("failing", ["write", "sync", "rename", "sync_folder"])
def test_a_failure_is_told_and_leaves_no_rest(
    store: DirectoryStore, disk: Recording, tmp_path: Path, failing: str
) -> None:
    store.replace("run/keep", b"old")
    disk.failing = failing
    with pytest.raises(StoreError, match=r"cannot replace .*/run/keep: No space left on device"):
        store.replace("run/keep", b"new")
    disk.failing = ""
    assert store.read("run/keep") == (b"new" if failing == "sync_folder" else b"old")
    assert sorted(os.listdir(tmp_path / "root" / "run")) == ["keep", "x"]


def test_a_failed_create_can_be_repeated(store: DirectoryStore, disk: Recording) -> None:
    disk.failing = "write"
    with pytest.raises(StoreError):
        store.create("run/e", b"1")
    disk.failing = ""
    assert store.create("run/e", b"1")


def test_links_are_not_followed(store: DirectoryStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s")
    (tmp_path / "root" / "run" / "link").symlink_to(secret)
    with pytest.raises(StoreError):
        store.read("run/link")


def test_drafts_and_strange_files_are_not_listed(store: DirectoryStore, tmp_path: Path) -> None:
    for name in (".x.draft", "a b", "über"):
        (tmp_path / "root" / "run" / name).write_bytes(b"")
    assert store.list("run") == ["x"]


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot replace"):
        DirectoryStore(tmp_path / "file" / "sub").replace("a", b"")
