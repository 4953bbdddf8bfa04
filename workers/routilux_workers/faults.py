"""A user's exception becomes a record, however hostile it is."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Any

from routilux_dist.errors import ValidationError
from routilux_dist.wire.block import Packed
from routilux_dist.wire.codec import PICKLE, Codec, decode
from routilux_dist.wire.failure import Failure

#: Bounds of what is kept of an error's text, payload and pickle.
TEXT_CHARS = 4096
TRACEBACK_CHARS = 16384
PAYLOAD_CHARS = 200
EXCEPTION_BYTES = 64 << 10

_NO_MEMORY = "its process could not get the memory that it asked for; work on smaller pieces, or let fewer run at once"

#: Frames of these modules are the engine's, not the user's.
_ENGINE = ("routilux_workers.", "routilux_dist.")


def safe_text(value: Any, limit: int, convert: Any = str) -> str:
    """Return the text of anything, bounded; a conversion that raises is named instead."""
    if type(value) in (str, bytes, bytearray):
        value = value[: limit + 1]  # it may be huge
    try:
        text = convert(value)
        if not isinstance(text, str):
            raise TypeError(f"{convert.__name__} returned {type(text).__name__}")
    except BaseException as exc:  # a user's __str__ may raise anything
        text = f"<{type(value).__name__} whose text cannot be made: {type(exc).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def describe(exc: BaseException, codec: Codec = PICKLE) -> tuple[str, str, str, Packed | None]:
    """Return (type name, message, formatted traceback, encoded exception or None)."""
    if type(exc) is MemoryError and not exc.args:  # Python itself says nothing
        exc.args = (_NO_MEMORY,)
    return type(exc).__name__, safe_text(exc, TEXT_CHARS), user_traceback(exc), carry(exc, codec)


def user_traceback(exc: BaseException) -> str:
    """Format the exception with the user's frames only, root cause last."""
    chain: list[BaseException] = []
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        chain.append(current)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    parts = [_format_one(one) for one in chain]
    text = "\nwhich was raised because of:\n\n".join(parts)
    return text if len(text) <= TRACEBACK_CHARS else "…" + text[-TRACEBACK_CHARS:]


def _format_one(exc: BaseException) -> str:
    frames = _user_frames(exc.__traceback__)
    head = f"Traceback (most recent call last):\n{frames}" if frames else ""
    try:
        last = "".join(traceback.format_exception_only(type(exc), exc))
    except BaseException:  # a user's __str__ may raise anything
        last = f"{type(exc).__name__}: {safe_text(exc, TEXT_CHARS)}\n"
    return head + last


def _user_frames(tb: TracebackType | None) -> str:
    kept: list[traceback.FrameSummary] = []
    for frame, line in traceback.walk_tb(tb):
        module = str(frame.f_globals.get("__name__", ""))
        if not module.startswith(_ENGINE):
            kept.extend(traceback.StackSummary.extract(iter([(frame, line)]), lookup_lines=True))
    if len(kept) > 40:  # deep recursion: the ends tell the story
        omitted = len(kept) - 40
        return "".join(
            (*traceback.format_list(kept[:20]), f"  … {omitted} frames …\n", *traceback.format_list(kept[-20:]))
        )
    return "".join(traceback.format_list(kept))


def carry(exc: BaseException, codec: Codec = PICKLE) -> Packed | None:
    """Encode an exception if it survives the journey and is small, else return None."""
    try:
        packed = codec.encode(exc)
        again = decode(packed)
        return packed if packed.nbytes <= EXCEPTION_BYTES and isinstance(again, type(exc)) else None
    except BaseException:  # whatever a user's __reduce__ or constructor raises: the text has to do
        return None


def blame_payload(exc: BaseException, routine: str, payload: Any) -> BaseException:
    """Turn "the call did not fit" into a `ValidationError`; return other exceptions as they are.

    A `TypeError` whose traceback never entered user code was raised by the call itself.
    """
    if type(exc) is not TypeError or _user_frames(exc.__traceback__):
        return exc
    shown = safe_text(payload, PAYLOAD_CHARS, repr)
    error = ValidationError(
        f"routine {routine!r} cannot take the payload {shown}: {safe_text(exc, TEXT_CHARS)}; "
        f"send what its parameters ask for, or check the connection that feeds it"
    )
    error.__suppress_context__ = True
    return error


def failure(exc: BaseException, job: str, routine: str, slot: str, codec: Codec = PICKLE, **fields: Any) -> Failure:
    """Return the record of an exception. `fields` are further fields of `Failure`; `payload` may be any object."""
    error_type, message, text, packed = describe(exc, codec)
    if "payload" in fields:
        fields["payload"] = safe_text(fields["payload"], PAYLOAD_CHARS, repr)
    return Failure(
        job=job, routine=routine, slot=slot, error_type=error_type, message=message, traceback=text, exception=packed,
        **fields,
    )  # fmt: skip
