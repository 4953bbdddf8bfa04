"""The guard against regressions: ratios now and before. Times are not compared: machines differ from day to day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: A ratio may always fall by this part.
TOLERANCE = 0.05


def fallen(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each ratio that fell by more than its noise.

    The noise is half the range of the rounds' ratios, then and now together, and `TOLERANCE` at least. Lines that only one of
    the results has are not compared.
    """
    known = {_key(row): row for row in before if row["ratio"] is not None}
    return [line for row in now if _key(row) in known for line in _fallen(known[_key(row)], row)]


def _fallen(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if now["ratio"] is None:
        yield f"{now['case']}, {now['figure']}: {now['against']} is {now['note'] or 'not there'}; before, it was compared with"
        return
    noise = (before["high"] - before["low"]) / 2 + (now["high"] - now["low"]) / 2
    if before["ratio"] - now["ratio"] > max(noise, TOLERANCE * before["ratio"]):
        yield (
            f"{now['case']}, {now['figure']}, against {now['against']}: {now['ratio']:.3g}× now, {before['ratio']:.3g}× before "
            f"(noise {noise:.2g})"
        )


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["case"], row["figure"], row["against"]
