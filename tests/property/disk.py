"""A disk that crashes, after the idea of SQLite's test6.c.

Writes wait until their file is synced; new names, renames and deletions wait until their directory is synced. What waits when the
power goes is kept, dropped or garbled, each piece on its own.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from routilux_dist.checkpoint.directory import Disk

#: Bytes that are garbled together. Small, so that records of a few bytes meet it as large ones meet real sectors.
SECTOR = 32


@dataclass(eq=False)
class File:
    durable: bytes = b""
    #: Writes that wait: (offset, bytes).
    waiting: list[tuple[int, bytes]] = field(default_factory=list)

    def content(self) -> bytes:
        return _laid(self.durable, self.waiting)

    def after_crash(self, draw: random.Random, odds: tuple[float, float]) -> bytes:
        if not self.waiting:
            return self.durable
        kept = []
        for offset, data in self.waiting:
            luck = draw.random()
            if luck < odds[0]:
                kept.append((offset, data))
            elif luck < odds[1]:
                kept.append((offset, _garbled(data, draw)))
        return _laid(self.durable, kept)


def _laid(base: bytes, writes: list[tuple[int, bytes]]) -> bytes:
    if not writes:
        return base
    content = bytearray(base)
    for offset, data in writes:
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data
    return bytes(content)


def _garbled(data: bytes, draw: random.Random) -> bytes:
    """Some sectors written, some not (zeros), some full of something else, some missing at the end."""
    content = bytearray(data)
    for start in range(0, len(content), SECTOR):
        luck, size = draw.random(), min(SECTOR, len(content) - start)
        if luck < 0.25:
            content[start : start + size] = bytes(size)
        elif luck < 0.5:
            content[start : start + size] = draw.randbytes(size)
    return bytes(content[: draw.randrange(len(content) + 1)]) if draw.random() < 0.3 else bytes(content)


_split = lru_cache(1 << 16)(os.path.split)


@lru_cache(1 << 16)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)


Change = Callable[[dict[str, "File | Folder"]], None]


@dataclass(eq=False)
class Folder:
    durable: dict[str, File | Folder] = field(default_factory=dict)
    waiting: list[Change] = field(default_factory=list)
    now: dict[str, File | Folder] = field(default_factory=dict)

    def change(self, change: Change) -> None:
        self.waiting.append(change)
        change(self.now)

    def sync(self) -> None:
        self.durable = dict(self.now)
        self.waiting.clear()


class CrashDisk(Disk):
    """A disk in memory.

    Attributes:
        watch: Called after each change, also in the midst of an operation of the store: the moment for a crash.
        fails: Asked before each change whether it fails.
    """

    def __init__(self) -> None:
        self._root = Folder()
        self._open: dict[int, File] = {}
        self.watch: Callable[[], None] = lambda: None
        self.fails: Callable[[str], bool] = lambda what: False
        self.draw = random.Random(0)

    def after_crash(self, draw: random.Random) -> CrashDisk:
        """Return what a crash at this moment may leave."""
        disk = CrashDisk()
        whole = draw.random()
        keep = draw.choice((0.0, 0.3, 0.7, 1.0))
        odds = (1.0, 1.0) if whole < 0.1 else (keep, keep + (1 - keep) * draw.choice((0.0, 0.5, 1.0)))
        entries = draw.choice((0.0, 0.5, 1.0))
        seen: dict[File, File] = {}

        def copied(folder: Folder) -> Folder:
            names = dict(folder.durable)
            for change in folder.waiting:
                if draw.random() < entries:
                    change(names)
            for name, one in names.items():
                if type(one) is Folder:
                    names[name] = copied(one)
                else:
                    file = seen.get(one)
                    if file is None:
                        file = seen[one] = File(one.after_crash(draw, odds))
                    names[name] = file
            return Folder(names, [], dict(names))

        disk._root = copied(self._root)
        return disk

    # ---- what a store asks ---------------------------------------------------------------------------------------

    def _find(self, path: str) -> File | Folder | None:
        here: File | Folder | None = self._root
        for part in _parts(path):
            if type(here) is Folder:
                here = here.now.get(part)
        return here

    def _home(self, path: str) -> tuple[Folder, str]:
        folder, name = _split(path)
        home = self._find(folder)
        if not isinstance(home, Folder):
            raise FileNotFoundError(errno.ENOENT, "No such directory", folder)
        return home, name

    def _fail(self, what: str) -> None:
        if self.fails(what):
            raise OSError(errno.EIO, f"{what} failed")

    def create(self, path: str) -> int:
        self._fail("create")
        home, name = self._home(path)
        if name in home.now:
            raise FileExistsError(errno.EEXIST, "File exists", path)
        file = File()
        home.change(lambda names: names.update({name: file}))
        number = len(self._open) + 1
        self._open[number] = file
        self.watch()
        return number

    def write(self, file: int, data: bytes) -> None:
        opened = self._open[file]
        end = len(opened.content())
        if self.fails("write"):
            opened.waiting.append((end, data[: self.draw.randrange(len(data) + 1)]))
            raise OSError(errno.ENOSPC, "No space left on device")
        opened.waiting.append((end, bytes(data)))
        self.watch()

    def sync(self, file: int) -> None:
        opened = self._open[file]
        if self.fails("sync"):  # the kernel drops what it could not write, and will not say so again
            opened.durable = opened.after_crash(self.draw, (0.3, 0.7))
            opened.waiting.clear()
            raise OSError(errno.EIO, "Input/output error")
        opened.durable, opened.waiting = opened.content(), []
        self.watch()

    def close(self, file: int) -> None:
        pass

    def sync_folder(self, path: str) -> None:
        self._fail("sync_folder")
        folder = self._find(path)
        assert isinstance(folder, Folder)
        folder.sync()
        self.watch()

    def make_folder(self, path: str) -> bool:
        home, name = self._home(path)
        if name in home.now:
            return False
        folder = Folder()
        home.change(lambda names: names.update({name: folder}))
        self.watch()
        return True

    def is_folder(self, path: str) -> bool:
        return isinstance(self._find(path), Folder)

    def rename(self, old: str, new: str) -> None:
        self._fail("rename")
        home, name = self._home(old)
        file, target = home.now[name], os.path.basename(new)

        def change(names: dict[str, File | Folder]) -> None:
            names.pop(name, None)
            names[target] = file

        home.change(change)
        self.watch()

    def delete(self, path: str) -> None:
        self._fail("delete")
        home, name = self._home(path)
        if name not in home.now:
            raise FileNotFoundError(errno.ENOENT, "No such file", path)
        home.change(lambda names: names.pop(name, None) and None)
        self.watch()

    def read(self, path: str) -> bytes:
        file = self._find(path)
        if not isinstance(file, File):
            raise FileNotFoundError(errno.ENOENT, "No such file", path)
        return file.content()

    def names(self, path: str) -> list[str]:
        folder = self._find(path)
        if not isinstance(folder, Folder):
            raise FileNotFoundError(errno.ENOENT, "No such directory", path)
        return list(folder.now)
