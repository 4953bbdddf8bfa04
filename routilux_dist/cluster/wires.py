"""Sockets between processes of one node: a call through Ray costs its two sides a millisecond of CPU, whatever it says.

A hub opens a doorway; members of its crew and clients come through it, each with a key of its own that it got in a call of Ray's.
What is sent are pickles, read by nobody who has not shown a key. Everything else stays Ray's: who lives and who has died, large
bodies, and all that goes from one node to another.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import io
import os
import pickle
import secrets
import socket
import struct
import threading
import traceback
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple, cast

import ray

#: Before each message: its size in bytes.
_SIZE = struct.Struct("!Q")
_NOTHING = bytes(_SIZE.size)
KEY_BYTES = 32
#: Seconds in which Ray has to tell of a process's death when its socket has ended.
VERDICT_SECONDS = 5.0
#: What a hub says to who has shown a key, and that one answers: without it, neither could tell whether the other still listens.
_WELCOME = b"!"
#: Seconds that a doorway has to take a connection in, and connections that may wait for it.
DIAL_SECONDS, BACKLOG = 5.0, 4096


class Door(NamedTuple):
    """How one process may connect.

    Attributes:
        node: Where that is possible.
        name: Of an abstract socket: there is no file that could be left behind.
        key: What it has to say first.
    """

    node: str
    name: str
    key: bytes


class NotLightError(TypeError):
    """A message holds what has to go by Ray.

    References: Ray has to see where they go, or it forgets what they stand for. Classes and functions of a script: Ray sends
    them as they are, other processes have no such script. And whatever cannot be pickled without its help.
    """


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        of_a_script = isinstance(value, (type, FunctionType)) and value.__module__ == "__main__"
        if of_a_script or isinstance(value, ray.ObjectRef):
            raise NotLightError(f"{value} cannot be sent through a socket")
        return NotImplemented


def pack(message: Any) -> bytes:
    """Return the bytes of a message as they are sent.

    Raises:
        NotLightError: It has to go by Ray.
    """
    stream = io.BytesIO(_NOTHING)
    stream.seek(_SIZE.size)
    try:
        _Pickler(stream, pickle.HIGHEST_PROTOCOL).dump(message)
    except NotLightError:
        raise
    except Exception as exc:  # Ray's pickler takes more
        raise NotLightError(f"it cannot be pickled: {exc}") from exc
    stream.seek(0)
    stream.write(_SIZE.pack(stream.getbuffer().nbytes - _SIZE.size))
    return stream.getvalue()


class End(asyncio.Protocol):
    """A hub's end of a connection, in its event loop."""

    def __init__(self, admit: Callable[[bytes], Callable[[End], None] | None]) -> None:
        self._admit = admit
        #: Who is told when it is there: once it has shown a key, and has heard that this was seen.
        self._then: Callable[[End], None] | None = None
        self._there = False
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        #: Called with each message, and when there will be none any more; whoever admits it sets them.
        self.hear: Callable[[Any], None] = lambda message: None
        self.ended: Callable[[], None] = lambda: None

    @property
    def open(self) -> bool:
        """Whether the other side can be reached."""
        return self._transport is not None

    def send(self, message: Any) -> None:
        """Send a message; waits for nothing. One that cannot be sent any more is lost: `ended` tells.

        Raises:
            NotLightError: It has to go by Ray.
        """
        data = pack(message)
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """End the connection, once all is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Its type is not asked: Ray takes uvloop where that is installed, whose transports are of no class of asyncio's.
        transport = cast("asyncio.Transport", transport)
        if _is_mine(transport.get_extra_info("socket")):
            self._transport = transport
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._then is None and len(self._received) >= KEY_BYTES:
            self._then = self._admit(bytes(self._received[:KEY_BYTES]))
            del self._received[:KEY_BYTES]
            if self._transport is not None:
                self._transport.abort() if self._then is None else self._transport.write(_WELCOME)
        if self._then is not None and not self._there and self._received:
            del self._received[: len(_WELCOME)]
            self._there = True
            self._then(self)
        if self._there:
            self._hear()

    def _hear(self) -> None:
        at = 0
        try:
            while len(self._received) - at >= _SIZE.size:
                (size,) = _SIZE.unpack_from(self._received, at)
                end = at + _SIZE.size + size
                if len(self._received) < end:
                    break
                with memoryview(self._received) as view:
                    message = pickle.loads(view[at + _SIZE.size : end])  # noqa: S301 - it has shown its key
                at = end
                self.hear(message)
        finally:
            del self._received[:at]

    def connection_lost(self, exc: BaseException | None) -> None:
        self._transport = None
        self.ended()


class Doorway:
    """A hub's socket."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._name = f"routilux-{secrets.token_hex(16)}"
        self._socket = _listen(self._name)
        #: Keys that nobody has used yet, and who is told when somebody does.
        self._expected: dict[bytes, Callable[[End], None]] = {}
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Take in whoever connects."""
        if self._socket is not None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(lambda: End(self._admit), sock=self._socket, backlog=BACKLOG)

    def expect(self, then: Callable[[End], None]) -> Door:
        """Return a door for one connection; `then` is called when it is there."""
        key = secrets.token_bytes(KEY_BYTES)
        self._expected[key] = then
        return Door(self._node, self._name, key)

    def forget(self, door: Door) -> None:
        """Nobody is to come through a door any more."""
        self._expected.pop(door.key, None)

    def close(self) -> None:
        """Let nobody connect any more."""
        if self._server is not None:
            self._server.close()
        elif self._socket is not None:
            self._socket.close()

    def _admit(self, key: bytes) -> Callable[[End], None] | None:
        for expected in self._expected:
            if hmac.compare_digest(expected, key):
                return self._expected.pop(expected)
        return None


def _listen(name: str) -> socket.socket | None:
    """Return a socket that others can connect to; None where the system has none that are abstract."""
    try:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(f"\0{name}")
        listening.listen(BACKLOG)
    except (OSError, AttributeError):
        return None
    return listening


class Wire:
    """The other end of a connection, in a process that has threads."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._sending = threading.Lock()
        self._process = os.getpid()

    def send(self, message: Any) -> None:
        """Send a message.

        Raises:
            OSError: The hub is gone.
            NotLightError: It has to go by Ray.
        """
        self.post(pack(message))

    def post(self, data: bytes) -> None:
        """Send a message that is packed already; see `send`."""
        if os.getpid() == self._process:  # a child that user code has forked is not whom the hub knows
            with self._sending:
                self._socket.sendall(data)

    def listen(self, hear: Callable[[Any], None], ended: Callable[[], None], name: str) -> threading.Thread:
        """Have a thread call `hear` with each message, and `ended` when there will be none any more."""
        thread = threading.Thread(target=self._listen, args=(hear, ended), name=name, daemon=True)
        thread.start()
        return thread

    def _listen(self, hear: Callable[[Any], None], ended: Callable[[], None]) -> None:
        try:
            with contextlib.suppress(OSError), self._socket.makefile("rb", 1 << 16) as stream:
                while len(size := stream.read(_SIZE.size)) == _SIZE.size:
                    wanted = _SIZE.unpack(size)[0]
                    data = stream.read(wanted)
                    if len(data) < wanted:
                        break
                    hear(pickle.loads(data))  # noqa: S301 - from the hub, whose door it came through
        except Exception:  # a connection that nobody listens to must not stay
            traceback.print_exc()
        finally:
            with self._sending:
                self._socket.close()
            ended()

    def close(self) -> None:
        """End the connection."""
        if os.getpid() == self._process:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def dial(door: Door | None, node: str) -> Wire | None:
    """Connect to a hub; None if that is on another node, or cannot be reached in this way."""
    if door is None or door.node != node or not hasattr(socket, "AF_UNIX"):
        return None
    dialled = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        dialled.settimeout(DIAL_SECONDS)
        dialled.connect(f"\0{door.name}")
        if not _is_mine(dialled):
            raise OSError("somebody else listens there")
        dialled.sendall(door.key)
        if dialled.recv(len(_WELCOME)) != _WELCOME:
            raise OSError("it was not admitted")
        dialled.sendall(_WELCOME)
        dialled.settimeout(None)
    except OSError:
        dialled.close()
        return None
    return Wire(dialled)


def _is_mine(connected: Any) -> bool:
    """Whether the process at the other end belongs to the same user."""
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 3 * 4)
    _, user, _ = struct.unpack("3i", credentials)
    return bool(user == os.getuid())
