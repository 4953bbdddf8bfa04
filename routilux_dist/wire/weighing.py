"""How much memory msgpack bytes will need, before they are decoded.

A byte such as 0x80 (an empty map) becomes an object of 64 bytes: one megabyte of them would need seventy. Small inputs need
little anyway; of large ones an upper bound is taken at the speed of C, and only where that is too much are the headers walked.
"""

from __future__ import annotations

from routilux_dist.errors import SerializationError

#: What decoding may need: so many bytes per byte of input, and so many for all.
GROWTH = 10
ALLOWANCE = 64 << 20
#: The worst header (a map of one entry) needs so many times its size.
_WORST = 140
#: Inputs up to this size cannot need more than `ALLOWANCE`.
SMALL = ALLOWANCE // (_WORST - GROWTH)
_ENDLESS = 1 << 62

_LIST, _MAP, _TEXT, _NUMBER, _OBJECT = 72, 248, 72, 40, 300
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


def room_for(size: int) -> int:
    """Return how much memory the value of so many bytes may need."""
    return GROWTH * size + ALLOWANCE


def check(data: bytes | memoryview, nodes: int, room: int | None = None) -> int:
    """Refuse bytes whose value would need too much memory.

    Args:
        data: One msgpack value.
        nodes: Most values in it.
        room: Memory that it may need; what its size allows if None.

    Returns:
        What it needs at most.

    Raises:
        SerializationError: They would; or they hold too many values.
    """
    size = len(data)
    room = room_for(size) if room is None else room
    if size <= nodes and _WORST * size <= room:
        return _WORST * size
    if size <= nodes and (bound := _bound(bytes(data))) <= room:
        return bound
    return _walk(data, room, nodes)


def need(data: bytes | memoryview) -> int:
    """Return how much memory a value needs at most; closely, if that is more than its size allows."""
    room = room_for(len(data))
    if _WORST * len(data) <= room:
        return _WORST * len(data)
    bound = _bound(bytes(data))
    return bound if bound <= room else _walk(data, _ENDLESS, _ENDLESS)


class Room:
    """What a value's parts may need besides the lists and texts that msgpack makes: sets, and records with many fields.

    Args:
        data: One msgpack value.
        nodes, room: See `check`.

    Raises:
        SerializationError: See `check`.
    """

    __slots__ = ("_data", "_left", "_room", "_rough")

    def __init__(self, data: bytes | memoryview, nodes: int, room: int | None = None) -> None:
        self._data, self._room = data, room_for(len(data)) if room is None else room
        self._rough = check(data, nodes, self._room)
        self._left = self._room - self._rough

    def spend(self, nbytes: int) -> None:
        """Take so many bytes.

        Raises:
            SerializationError: There are not so many left.
        """
        self._left -= nbytes
        if self._left < 0 and self._rough:  # look closely, once
            self._left += self._rough - _walk(self._data, _ENDLESS, _ENDLESS)
            self._rough = 0
        if self._left < 0:
            raise SerializationError(_too_much(len(self._data), self._room))


def set_bytes(members: int) -> int:
    """Return the memory of a set's table, and of the one that it has outgrown."""
    before, size = 0, 8
    while members * 5 >= (size - 1) * 3:
        full = -(-(size - 1) * 3 // 5)
        before, size = size, 1 << (full * (2 if full > 50_000 else 4)).bit_length()
    return 16 * (before + size)


def _bound(data: bytes) -> int:
    """Return an upper bound: every byte is taken for the worst that it may be."""
    size = len(data)

    def count(headers: bytes) -> int:
        return size - len(data.translate(None, headers))

    # Of a map with a length field, the entries count as if each had but the two bytes that it must have.
    grown = (_MAP + 15 * _ENTRY) * count(_BIG_MAPS) + (_ENTRY // 2) * size * (b"\xde" in data or b"\xdf" in data)
    return 8 * size + _MAP * count(_MAPS) + grown + _OBJECT * count(_OBJECTS) + _LIST * count(_MIDDLING)


def _too_much(size: int, room: int) -> str:
    return (
        f"{size} bytes would need more than {room >> 20} MiB of memory as a value (limit: {GROWTH} times the bytes and "
        f"{ALLOWANCE >> 20} MiB); send large data as an array or as bytes"
    )


def _walk(data: bytes | memoryview, ceiling: int, nodes: int) -> int:
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
            raise SerializationError(_too_much(end, ceiling))
        if count > nodes:
            raise SerializationError(
                f"more than {nodes} values in one body (limit 'nodes'); send smaller pieces, or an array"
            )
    return total
