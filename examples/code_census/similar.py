"""Near-duplicate functions, by MinHash and banding.

A function is the set of its *shingles*: every run of five tokens. The likeness of two functions is the Jaccard index
of their sets. A *signature* holds, for each of 128 hash functions, the smallest hash of any shingle: two signatures
agree at a position with a probability that is the Jaccard index (Broder, "On the resemblance and containment of
documents", 1997). Of each smallest hash one byte is enough (Li and König, "b-Bit Minwise Hashing", 2010): unrelated
functions agree at half a position more. To find the alike without comparing all pairs, signatures are cut into 32
*bands* of 4 bytes: functions that are 80 % alike share a whole band almost certainly (1 - (1 - 0.8**4)**32), and are
then compared in full.

Every hash is a fixed function of the tokens, so signatures are the same in all processes and on all machines.
"""

from __future__ import annotations

import hashlib
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

from examples.code_census.measure import Function

SHINGLE = 5
HASHES = 128
BAND = 4
ALIKE = 0.8
SMALLEST = 40
"""Functions of fewer tokens than this (some four or five lines) are alike by chance and are left out."""

_row = struct.Struct(f"<{HASHES}I")


class Signed(NamedTuple):
    """A function that is large enough to be compared."""

    path: str
    line: int
    name: str
    length: int
    signature: bytes


def signatures(path: str, found: Iterable[Function]) -> list[tuple[Any, ...]]:
    """Sign the functions of one file that are large enough to be compared; plain tuples of `Signed`'s fields."""
    return [
        (path, each.line, each.name, each.length, signature(each.tokens))
        for each in found
        if len(each.tokens) >= SMALLEST
    ]


def signature(tokens: Sequence[str]) -> bytes:
    """Return the MinHash signature of a token sequence, one byte for each hash function."""
    shingles = {" ".join(tokens[start : start + SHINGLE]) for start in range(max(1, len(tokens) - SHINGLE + 1))}
    return bytes([min(column) & 0xFF for column in zip(*map(_hashes, shingles), strict=True)])


def likeness(one: bytes, other: bytes) -> float:
    """Estimate the Jaccard index of two functions from their signatures."""
    return sum(map(int.__eq__, one, other)) / HASHES


def groups(signed: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Group functions that are near-duplicates, where a group reaches over several files.

    Functions are in one group if a chain of near-duplicates connects them. The order of `signed` does not matter.

    Args:
        signed: The functions of all files, each the fields of a `Signed`.

    Returns:
        One dict for each group: its `functions` (by path and line), how many `files` they are in, `repeated_lines` (all
        but the longest copy), and the smallest `likeness` of a function to the longest copy.
    """
    alike: defaultdict[bytes, list[Signed]] = defaultdict(list)
    for each in sorted(Signed(*row) for row in signed):
        alike[each.signature].append(each)
    found = [[each for key in component for each in alike[key]] for component in _components(list(alike))]
    return sorted(
        (_described(sorted(group)) for group in found if len({each.path for each in group}) > 1),
        key=lambda group: (-group["repeated_lines"], group["functions"][0]["path"], group["functions"][0]["line"]),
    )


def _described(group: list[Signed]) -> dict[str, Any]:
    longest = max(group, key=lambda each: each.length)
    return {
        "files": len({each.path for each in group}),
        "repeated_lines": sum(each.length for each in group) - longest.length,
        "likeness": round(min(likeness(longest.signature, each.signature) for each in group), 3),
        "functions": [
            {"path": each.path, "line": each.line, "name": each.name, "length": each.length} for each in group
        ],
    }


def _components(distinct: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Split distinct signatures into the connected components of the relation "alike" (by union-find)."""
    parent = {each: each for each in distinct}

    def root(each: bytes) -> bytes:
        while parent[each] != each:
            parent[each] = each = parent[parent[each]]
        return each

    for one, other in _candidates(distinct):
        if root(one) != root(other) and likeness(one, other) >= ALIKE:
            parent[root(one)] = root(other)

    components: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for each in distinct:
        components[root(each)].append(each)
    yield from components.values()


def _candidates(distinct: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Pair the signatures that share a band. A pair that shares several comes several times."""
    for start in range(0, HASHES, BAND):
        buckets: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for each in distinct:
            buckets[each[start : start + BAND]].append(each)
        for bucket in buckets.values():
            yield from combinations(bucket, 2)


@lru_cache(maxsize=1 << 14)
def _hashes(shingle: str) -> tuple[int, ...]:
    """Hash a shingle by 128 independent functions: the consecutive words of one long digest."""
    return _row.unpack(hashlib.shake_128(shingle.encode("utf-8", "surrogatepass")).digest(_row.size))
