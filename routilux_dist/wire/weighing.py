"""How much memory msgpack bytes will need, before they are decoded.

A byte such as 0x80 (an empty map) becomes an object of 64 bytes: one megabyte of them would need seventy. Small inputs need
little anyway; of large ones an upper bound is taken at the speed of C, and only where that is too much are the headers walked.
"""

from __future__ import annotations

from routilux_dist.errors import SerializationError

#: What decoding may need: so many bytes per byte of input, and so many for all.
GROWTH = 10
ALLOWANCE = 64 << 20
#: Inputs up to this size cannot need more than `ALLOWANCE`: the worst header (a map of one entry) needs 130 times its size.
SMALL = 480 << 10

_LIST, _MAP, _TEXT, _NUMBER, _OBJECT = 72, 248, 60, 40, 300
#: Bytes of an entry in a map that has grown, and entries before it does.
_ENTRY, _ROOM = 64, 5


def _tables() -> tuple[list[int], list[int], list[int]]:
    """Return (bytes of memory, bytes of input, width of a length field) by header byte."""
    cost, size, width = [8] * 256, [1] * 256, [0] * 256
    for byte in range(0xE0, 0xFB):  # small negative numbers that Python does not share
        cost[byte] = _NUMBER
    for byte in range(0x80, 0x90):
        cost[byte] = _MAP + _ENTRY * max(0, (byte & 15) - _ROOM)
    for byte in range(0x90, 0xA0):
        cost[byte] = _LIST
    for byte in range(0xA0, 0xC0):
        cost[byte], size[byte] = _TEXT, 1 + (byte & 31)
    for byte, length in ((0xCA, 4), (0xCB, 8), (0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)):
        cost[byte], size[byte] = _NUMBER, 1 + length
    for byte, length in ((0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)):
        cost[byte], size[byte] = _NUMBER, 1 + length
    for byte, length in ((0xD4, 1), (0xD5, 2), (0xD6, 4), (0xD7, 8), (0xD8, 16)):
        cost[byte], size[byte] = _OBJECT, 2 + length
    for first, wide in (
        (0xC4, 1),
        (0xC5, 2),
        (0xC6, 4),
        (0xC7, 1),
        (0xC8, 2),
        (0xC9, 4),
        (0xD9, 1),
        (0xDA, 2),
        (0xDB, 4),
    ):
        cost[first], width[first] = (_OBJECT if 0xC7 <= first <= 0xC9 else _TEXT), wide
    for first, wide in ((0xDC, 2), (0xDD, 4), (0xDE, 2), (0xDF, 4)):
        cost[first], width[first] = (_LIST if first < 0xDE else _MAP), wide
    return cost, size, width


_COST, _SIZE, _WIDTH = _tables()
_MAPS = bytes(range(0x80, 0x81 + _ROOM))
_BIG_MAPS = bytes([*range(0x81 + _ROOM, 0x90), 0xDE, 0xDF])
_OBJECTS = bytes(range(0xC7, 0xCA)) + bytes(range(0xD4, 0xD9))
_MIDDLING = bytes([*range(0x90, 0xC0), *range(0xC4, 0xC7), *range(0xCA, 0xD4), *range(0xD9, 0xDE), *range(0xE0, 0xFB)])


def check(data: bytes | memoryview, nodes: int) -> None:
    """Refuse bytes whose value would need too much memory.

    Args:
        data: One msgpack value.
        nodes: Most values in it.

    Raises:
        SerializationError: They would; or they hold too many values.
    """
    size = len(data)
    if size <= SMALL and size <= nodes:
        return
    ceiling = GROWTH * size + ALLOWANCE
    if size <= nodes and _bound(bytes(data)) <= ceiling:
        return
    _walk(data, ceiling, nodes)


def _bound(data: bytes) -> int:
    """Return an upper bound: every byte is taken for the worst that it may be."""
    size = len(data)

    def count(headers: bytes) -> int:
        return size - len(data.translate(None, headers))

    # Of a map with a length field, the entries count as if each had but the two bytes that it must have.
    grown = (_MAP + 15 * _ENTRY) * count(_BIG_MAPS) + (_ENTRY // 2) * size * (b"\xde" in data or b"\xdf" in data)
    return 8 * size + _MAP * count(_MAPS) + grown + _OBJECT * count(_OBJECTS) + _LIST * count(_MIDDLING)


def _walk(data: bytes | memoryview, ceiling: int, nodes: int) -> None:
    cost, sizes, width = _COST, _SIZE, _WIDTH
    place, end, total, count = 0, len(data), 0, 0
    while place < end:
        byte = data[place]
        total += cost[byte] + 8
        count += 1
        wide = width[byte]
        if not wide:
            place += sizes[byte]
        else:
            length = int.from_bytes(data[place + 1 : place + 1 + wide], "big")
            place += 1 + wide
            if byte < 0xDC:
                place += length + (0xC7 <= byte <= 0xC9)
            elif byte > 0xDD:
                total += _ENTRY * min(length, end - place)
        if total > ceiling:
            raise SerializationError(
                f"{end} bytes would need more than {ceiling >> 20} MiB of memory as a value (limit: {GROWTH} times the bytes "
                f"and {ALLOWANCE >> 20} MiB); send large data as an array or as bytes"
            )
        if count > nodes:
            raise SerializationError(
                f"more than {nodes} values in one body (limit 'nodes'); send smaller pieces, or an array"
            )
