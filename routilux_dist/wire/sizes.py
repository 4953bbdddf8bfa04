"""How large a message may be that leaves its process."""

from __future__ import annotations

from routilux_dist.errors import SerializationError

_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def check(nbytes: int, most: int) -> None:
    """Refuse an encoded message that is larger than it may be.

    Raises:
        SerializationError: It is.
    """
    if nbytes > most:
        raise SerializationError(
            f"it has {told(nbytes)}, and a message may have {told(most)}; send it in pieces, or store it and send where "
            f"it is, or raise the limit: rd.Runtime(tuning=rd.Tuning(max_payload_bytes=…))"
        )


def told(nbytes: int) -> str:
    """Return a size in words, such as "2,500 bytes (2.4 KiB)"."""
    for unit, name in _UNITS:
        if nbytes >= unit:
            return f"{nbytes:,} bytes ({nbytes / unit:.1f} {name})"
    return f"{nbytes:,} bytes"
