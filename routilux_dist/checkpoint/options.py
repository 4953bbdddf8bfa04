"""What users say of a checkpoint."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from routilux_dist.errors import ConfigurationError

DURABILITIES = ("group", "sync", "async")
_EVERY = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a job is saved, and how carefully.

    Attributes:
        url: A local directory (path or `file://`), `memory://name` (this process only, for tests), or any fsspec URL such as
            `s3://bucket/prefix` (needs the extra `storage`).
        durability: "group": what was accepted is on disk within some milliseconds, before anybody is told. "sync": in addition no
            message is worked on before it is on disk. "async": a crash may lose the last second.
        every: Time between snapshots, from which a job goes on: "30s", "5min", or seconds.
        keep: Snapshots kept.
        key: Secret of at least 16 bytes; everything is signed with it, and what is not is refused.
        allow_pickle: Whether values of types that nobody registered are pickled. Opening such a store runs code from it: only for
            stores that nobody else can write to.
        linger: How long the coordinator of a detached job stays in the cluster once the job has ended and no client looks at it:
            "10min", or seconds. Then it ends, and the results are where they are saved: `rt.recover`.

    Raises:
        ConfigurationError: An argument is wrong.
    """

    url: str
    durability: str = "group"
    every: str | float = "30s"
    keep: int = 3
    key: bytes | None = None
    allow_pickle: bool = False
    linger: str | float = "10min"

    def __post_init__(self) -> None:
        faults = [text for broken, text in self._rules() if broken]
        if faults:
            raise ConfigurationError("Checkpoint: " + "; ".join(faults), problems=tuple(faults))

    def _rules(self) -> list[tuple[bool, str]]:
        url, keep, key, pickles = _any(self.url), _any(self.keep), _any(self.key), _any(self.allow_pickle)
        return [
            (not isinstance(url, str) or not url, f"url={url!r} has to be a path or a URL such as 'ckpt/'"),
            (
                self.durability not in DURABILITIES,
                f"durability={self.durability!r} has to be one of {', '.join(map(repr, DURABILITIES))}",
            ),
            (
                _seconds(self.every) is None,
                f"every={self.every!r} has to be seconds above 0, or a text such as '30s', '5min'",
            ),
            (
                _seconds(self.linger) is None,
                f"linger={self.linger!r} has to be seconds above 0, or a text such as '10min', '1h'",
            ),
            (type(keep) is not int or keep < 1, f"keep={keep!r} has to be a whole number of at least 1"),
            (
                key is not None and (not isinstance(key, bytes) or len(key) < 16),
                "key= has to be at least 16 bytes, such as secrets.token_bytes(32)",
            ),
            (not isinstance(pickles, bool), f"allow_pickle={pickles!r} has to be True or False"),
        ]

    @property
    def seconds(self) -> float:
        """Seconds between snapshots."""
        seconds = _seconds(self.every)
        assert seconds is not None
        return seconds

    @property
    def linger_seconds(self) -> float:
        """Seconds that a coordinator stays after its work."""
        seconds = _seconds(self.linger)
        assert seconds is not None
        return seconds

    def __repr__(self) -> str:
        """Everything but the key."""
        signed = ", key=…" if self.key is not None else ""
        pickled = ", allow_pickle=True" if self.allow_pickle else ""
        shown = f"{self.url!r}, durability={self.durability!r}, every={self.every!r}, keep={self.keep}"
        return f"Checkpoint({shown}{signed}{pickled})"


def _any(value: Any) -> Any:
    return value


def _seconds(every: Any) -> float | None:
    if isinstance(every, str):
        found = _EVERY.fullmatch(every.strip())
        every = float(found[1]) * _UNITS[found[2]] if found else None
    if isinstance(every, bool) or not isinstance(every, (int, float)) or not math.isfinite(every) or every <= 0:
        return None
    return float(every)


def as_checkpoint(given: Checkpoint | str | None) -> Checkpoint | None:
    """Return what a `checkpoint=` argument stands for; a text is a URL.

    Raises:
        ConfigurationError: It is neither.
    """
    asked: Any = given
    if asked is None or isinstance(asked, Checkpoint):
        return asked
    if isinstance(asked, str) and asked:
        return Checkpoint(asked)
    raise ConfigurationError(f"checkpoint={asked!r}: a path or URL such as 'ckpt/', an rd.Checkpoint(…), or None")
