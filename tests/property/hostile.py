"""Hostile and honest bytes for everything that reads what was stored, in a process of its own.

`python -m tests.property.hostile memory` says how much memory each takes (`memory few`: of a part of them), and
`python -m tests.property.hostile events 500` opens, recovers and looks at whole checkpoints while an audit hook listens.
"""

from __future__ import annotations

import gc
import json
import os
import pathlib
import random
import resource
import sys
from collections.abc import Callable, Iterator
from typing import Any

import msgpack

from routilux_dist.checkpoint import frames, segments, snapshots
from routilux_dist.checkpoint.blobs import Blobs
from routilux_dist.checkpoint.directory import DirectoryStore
from routilux_dist.checkpoint.frames import Checks
from routilux_dist.checkpoint.inspection import inspect
from routilux_dist.checkpoint.journal import Journal, Recovered
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.driver import durable, looking, records
from routilux_dist.errors import RoutiluxError
from routilux_dist.wire import codec, typed, weighing

RUN, CHECKS = "run", Checks("run")
MIB = 1 << 20
#: An input, and what reads it.
Attack = tuple[int, Callable[[], object]]

# ---- memory ----------------------------------------------------------------------------------------------------------


def array(unit: bytes, values: int, size: int) -> bytes:
    """A list of as many units as fit."""
    count = size // len(unit)
    return b"\xdd" + (count * values).to_bytes(4, "big") + unit * count


def marked(letter: bytes, content: bytes) -> bytes:
    """A compound whose content is a whole list in msgpack."""
    count = int.from_bytes(content[1:5], "big") + 1
    return b"\xdd" + count.to_bytes(4, "big") + b"\xd4\x00" + letter + content[5:]


def registered(name: str, state: Any) -> bytes:
    packed: bytes = msgpack.packb([msgpack.ExtType(0, b"R"), name, 1, state])
    return packed


#: What needs much memory and is let through.
_MOST = ("sets", "receipts", "blocks", "maps of one", "tuples", "errors")


def bodies(few: bool) -> Iterator[tuple[str, bytes]]:
    """Messages in msgpack: as much as is let through, and more."""
    units = {
        "maps": b"\x80", "maps of one": b"\x81\x00\x00", "lists": b"\x90", "texts": b"\xa2ab", "numbers": b"\xcd\x01\x00",
        "floats": b"\xcb" + b"\x40" * 8, "marks": b"\xd4\x00T", "binaries": b"\xc4\x00", "integers": b"\xc7\x09\x01" + bytes(9),
        "decimals": b"\xd5\x0315", "complex": b"\xd8\x06" + b"\x01" * 16, "dates": b"\xd6\x08\x07\xe8\x01\x01",
        "paths": b"\xc7\x04\x05\0a/b", "times": b"\xd6\xff\0\0\0\0", "deltas": b"\xc7\x0c\x09" + b"\0" * 12,
        "tuples": b"\x92\xd4\x00T\x01", "sets": b"\x93\xd4\x00S\x01\x02", "receipts": registered("r", [1, 1]),
        "tallies": registered("t", []), "posts": registered("eP", ["j", []]),
        "blocks": b"\xc7\x1e\x64" + bytes(20) + b"\4\1\0jabcdef", "bodies": b"\xd5\x65\x01a",
        "letters": registered("l", [None, None]), "errors": b"\x93\xd4\x00E\xaaValueError\x90",
    }  # fmt: skip
    for name, unit in units.items():
        unpacker = msgpack.Unpacker(strict_map_key=False)
        unpacker.feed(unit)
        values = sum(1 for _ in unpacker)
        for size in (400 << 10,) if few else (400 << 10, 4 * MIB):
            yield f"{name}, {size >> 10} KiB", array(unit, values, size)
        # Beside something that makes room for much.
        room = b"\xc6" + (8 * MIB).to_bytes(4, "big") + bytes(8 * MIB)
        for size in ((MIB,) if name in _MOST else ()) if few else (MIB // 2, MIB, 3 * MIB):
            yield f"{name} beside 8 MiB, {size >> 10} KiB", b"\x92" + room + array(unit, values, size)
    for size in (MIB, 4 * MIB):
        numbers = b"".join(b"\xce" + n.to_bytes(4, "big") for n in range(1 << 16, (1 << 16) + size // 5))
        content = b"\xdd" + (size // 5).to_bytes(4, "big") + numbers
        yield f"a set, {size >> 20} MiB", marked(b"S", content)
        yield f"a tuple, {size >> 20} MiB", marked(b"T", content)
    for head in (b"\xdd", b"\xdf", b"\xc6", b"\xdb", b"\xc9"):
        yield f"a length that is not there, {head[0]:x}", head + b"\xff" * 4 + b"\0" * MIB
    yield "nested lists", b"\x91" * MIB
    yield "a zone", b"\xd8\x0a" + b"../../../../etc/"
    yield "wide text", b"\xdb" + (4 * MIB + 4).to_bytes(4, "big") + b"a" * (4 * MIB) + "🙂".encode()


def segment(data: bytes, first: int = 1) -> bytes:
    head = segments.Head(1, 1, first, CHECKS.start, first - 1, CHECKS.start)
    return segments.pack_head(CHECKS, head) + data


def chain(body: bytes, size: int) -> bytes:
    """Small records that are all good."""
    packed, check, total = [], CHECKS.start, 0
    while total < size:
        frame, check = frames.pack(CHECKS, check, frames.RECORD, body)
        packed.append(frame)
        total += len(frame)
    return b"".join(packed)


def stores() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Files of a run."""
    log, kept = f"{RUN}/segments/00000001-000001", f"{RUN}/snapshots/{0:016d}-00000001"
    claim = {f"{RUN}/epochs/00000001": b""}
    for body in (b"", b"a", b"ab", b"x" * 40):
        yield f"records of {len(body)} bytes", {**claim, log: segment(chain(body, 2 * MIB))}
    huge = b"\xa5B\x01\x01" + b"\x3f\xff\xff\xff"
    yield "a record that is said to be long", {**claim, log: segment(huge + bytes(4 * MIB))}
    yield "records with numbers beyond all", {**claim, log: segment(chain(b"abc", MIB), first=1 << 62)}
    yield "nothing but beginnings", {**claim, log: segment(b"\xa5B" * MIB)}
    yield "one beginning for every eight bytes", {**claim, log: segment(huge * (MIB // 8))}
    yield "noise", {**claim, log: random.Random(1).randbytes(4 * MIB), kept: random.Random(2).randbytes(4 * MIB)}
    place = snapshots.Place(0, 1, "")
    for size in (0, 1 << 16, 1 << 40, (1 << 64) - 1):
        head = snapshots._HEAD.pack(snapshots.MAGIC, 1, 0, 1, 0, min(size, 65535), size)
        yield f"a snapshot said to have {size} bytes", {**claim, kept: head + bytes(4 * MIB)}
    yield "a snapshot", {**claim, kept: snapshots.pack(CHECKS, place, CHECKS.start, bytes(8 * MIB))}


def attacks(few: bool) -> Iterator[tuple[str, Attack]]:
    """Everything that reads, with what it may be given."""
    for name, body in bodies(few):
        for mark in (1,) if few else (0, 1):
            data = b"\xc1\x01" + bytes([mark]) + body
            yield f"typed.loads {mark}: {name}", (len(data), lambda data=data: typed.loads(data))
        if few and not name.startswith(_MOST):
            continue
        yield f"a record: {name}", (len(data), lambda data=data: records.loads(data, no_blob))
        if few and "beside" in name:
            continue
        outer = b"\x92" + b"\xc4\x00" + body
        yield f"names of blobs: {name}", (len(outer), lambda outer=outer: records.loads(outer, no_blob))
    for name, files in stores():
        size = sum(map(len, files.values()))
        yield f"open: {name}", (size, lambda files=files: Journal.open(holding(files), RUN))
        yield f"inspect: {name}", (size, lambda files=files: inspect(holding(files), RUN))
        yield f"jobs: {name}", (size, lambda files=files: jobs_of(files))
    blob = bytes(4 * MIB)
    path = f"{RUN}/blobs/aa/{'a' * 64}"
    yield "a blob", (len(blob), lambda: Blobs(holding({path: blob}), RUN).get("a" * 64))


def no_blob(digest: str) -> bytes:
    return Blobs(MemoryStore(), RUN).get(digest)


def holding(files: dict[str, bytes]) -> MemoryStore:
    store = MemoryStore()
    store.files = dict(files)
    return store


def jobs_of(files: dict[str, bytes]) -> object:
    """Look at the jobs of a store, as `routilux-dist inspect` does."""
    MemoryStore.named("hostile").files = dict(files)
    return looking.jobs_in("memory://hostile", RUN)


def grown(call: Callable[[], object]) -> tuple[int, str]:
    """Return by how many bytes a call makes a process grow at most, and how it ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        before = resident()
        end = outcome(call)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        os.write(writer, json.dumps([peak - before, end]).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    nbytes, end = json.loads(said) if said else (1 << 62, "it died")
    return nbytes, end


def resident() -> int:
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def outcome(call: Callable[[], object]) -> str:
    try:
        call()
    except RoutiluxError as exc:
        return type(exc).__name__
    except Exception as exc:
        return f"! {type(exc).__name__}: {exc}"
    return "read"


def memory(few: bool) -> None:
    """Print each attack that needs more than ten times its bytes and 64 MiB, and how many there were."""
    count, faults, worst = 0, 0, (0.0, "")
    gc.freeze()
    for name, (size, call) in attacks(few):
        nbytes, end = grown(call)
        count += 1
        share = nbytes / weighing.room_for(size)
        worst = max(worst, (share, f"{name}: {nbytes >> 20} MiB for {size >> 10} KiB, {end}"))
        if share > 1 or (end.startswith(("!", "it")) and not name.startswith("jobs")):
            faults += 1
            sys.stdout.write(f"{name}: {nbytes >> 20} MiB for {size >> 10} KiB, {end}\n")
    sys.stdout.write(f"{count} inputs, the most is {worst[0]:.2f} of what is allowed: {worst[1]}\n")
    sys.exit(bool(faults))


# ---- what is run -----------------------------------------------------------------------------------------------------

FORBIDDEN = (
    "pickle.", "import", "exec", "compile", "os.system", "os.exec", "os.posix_spawn", "subprocess", "ctypes", "code.", "marshal",
)  # fmt: skip


def saved_jobs() -> dict[str, bytes]:
    """The files of a saved job."""
    home = pathlib.Path(__file__).parents[1] / "upgrade" / "golden"
    newest = max(path for path in home.iterdir() if path.is_dir())
    there = DirectoryStore(newest / "jobs")
    return {
        f"folded/{folder}/{name}": there.read(f"folded/{folder}/{name}") or b""
        for folder in ("epochs", "segments", "snapshots")
        for name in there.list(f"folded/{folder}")
    }


def look(files: dict[str, bytes], key: bytes | None = None) -> bool:
    """Open, recover and inspect; return whether it was read."""

    def everything() -> None:
        inspect(holding(files), "folded", key)
        MemoryStore.named("hostile").files = dict(files)
        looking.jobs_in("memory://hostile", "folded", key)
        journal, found = Journal.open(holding(files), "folded", key)
        durable.read(found, journal.get_blob)

    return outcome(everything) == "read"


def again(snapshot: bytes, body: bytes) -> dict[str, bytes]:
    """A journal whose checks are right, whatever it says."""
    store = MemoryStore()
    journal, _ = Journal.open(store, "folded")
    journal.snapshot(snapshot)
    journal.append(body)
    journal.close()
    return store.files


def events(count: int) -> None:
    """Print how many whole checkpoints were read and refused; end with an error if anything was run on the way."""
    files, draw = saved_jobs(), random.Random(5)
    _, past = Journal.open(holding(files), "folded")
    pickled = records.dumps([1.0, [codec.typed(allow_pickle=True).encode(lambda: 1)]], no_blob)  # type: ignore[arg-type]
    assert look(files), "what an honest one needs is imported now"
    look({name: data[: len(data) // 2] for name, data in files.items()})
    seen: list[Any] = []
    sys.addaudithook(lambda event, args: seen.append((event, args)) if event.startswith(FORBIDDEN) else None)
    done = [0, 0]
    for name, data in files.items():  # checks that are wrong
        for bit in range(0, 8 * len(data), 61):
            altered = bytearray(data)
            altered[bit // 8] ^= 1 << bit % 8
            done[look({**files, name: bytes(altered)})] += 1
    for _ in range(count):  # and that are right
        snapshot, body = altered_somewhere(past, draw)
        done[look(again(snapshot, body))] += 1
    for body in (pickled, b"cos\nsystem\n(S'true'\ntR.", msgpack.packb([b"builtins.eval", ["x"]])):
        assert past.snapshot is not None
        assert not look(again(past.snapshot, body))
        assert not look(again(body, b""))
    sys.stdout.write(f"{done[1]} {done[0]}\n")
    if seen:
        sys.exit(f"seen: {seen[:3]}")


def altered_somewhere(found: Recovered, draw: random.Random) -> tuple[bytes, bytes]:
    """A snapshot and a record with a few bytes that are others."""
    assert found.snapshot is not None
    parts = [bytearray(found.snapshot), bytearray(draw.choice(found.records))]
    for _ in range(draw.randrange(1, 4)):
        part = draw.choice(parts)
        part[draw.randrange(3, len(part))] = draw.choice((draw.randrange(256), 0x64, 0xC7, 0xD4))
    return bytes(parts[0]), bytes(parts[1])


if __name__ == "__main__":
    events(int(sys.argv[2])) if sys.argv[1] == "events" else memory(few="few" in sys.argv)
