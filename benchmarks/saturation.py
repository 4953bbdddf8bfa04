"""Where one coordinator saturates, in simulated time: `python -m benchmarks.saturation`.

    python -m benchmarks.saturation            # the table
    python -m benchmarks.saturation --html docs/benchmarks/saturation.html

See `benchmarks.simulated` for what is real and what is not, and docs/design/performance.md for what came out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, quantiles
from typing import Any

from benchmarks import page
from benchmarks.simulated import Client, Cluster, Costs, Figures, keyed_flow, plain_flow

#: CPU seconds of a coordinator's process per slice on Ray: 4,000 slices of 2 ms, on four workers.
SLICE = 0.0012
POST = 0.0005
WORKERS = (10, 100, 1000)
ITEMS_MS = (1, 10, 100)
PARTITIONS = (1, 2, 4, 8)
#: Seconds of work for each worker.
EACH = 4.0
KEYS = 10_007


def measure(workers: int, ms: float, *, keyed: bool = False, ray: bool = True, each: float = EACH) -> dict[str, Any]:
    """Return what one coordinator makes of items of so many milliseconds on so many workers."""
    costs = Costs(slice=SLICE, post=POST) if ray else Costs()
    cluster = Cluster(keyed_flow() if keyed else plain_flow(), workers, costs)
    count = max(workers * 2, int(workers * each * 1000 / ms))
    items: Sequence[Any] = [(ms / 1000, n % KEYS) for n in range(count)] if keyed else [ms / 1000] * count
    Client(cluster, items)
    return told(cluster.run(), workers) | {"workers": workers, "ms": ms, "keyed": keyed, "ray": ray, "partitions": 1}


def told(seen: Figures, workers: int) -> dict[str, Any]:
    """Sum up what was seen in the middle of a run, between its beginning and its end."""
    low, high = 0.2 * seen.end, 0.8 * seen.end
    middle = [seconds for end, seconds in seen.slices if low <= end < high]
    waits = quantiles(seen.waits, n=100)
    return {
        "slices": len(middle) / (high - low),
        "blocks": seen.blocks / seen.end,
        "seconds": mean(middle or [0.0]),
        "efficiency": sum(middle) / (high - low) / workers,
        "whole": sum(seconds for _, seconds in seen.slices) / seen.end / workers,
        "load": seen.coordinator / seen.end,
        "engine": seen.engine / len(seen.slices),
        "mail": mean(seen.mail),
        "p50": waits[49],
        "p99": waits[98],
    }


def apart(workers: int, ms: float, partitions: int) -> dict[str, Any]:
    """Return what several coordinators make of it, each with its part of the workers and of the items."""
    found = measure(workers // partitions, ms)
    return found | {
        "workers": workers,
        "partitions": partitions,
        "slices": found["slices"] * partitions,
        "blocks": found["blocks"] * partitions,
    }


def sweep() -> Iterator[dict[str, Any]]:
    """Yield all figures."""
    for ray in (True, False):
        for workers in WORKERS:
            for ms in ITEMS_MS:
                yield measure(workers, ms, ray=ray)
    for workers in (10, 100):
        for ms in ITEMS_MS:
            yield measure(workers, ms, keyed=True, each=EACH / 2)
    for partitions in PARTITIONS:
        yield apart(WORKERS[-1], 10, partitions)


HEAD = (
    "coordinators",
    "workers",
    "items",
    "calls",
    "slices/s",
    "blocks/s",
    "ms per slice",
    "workers busy",
    "whole run",
    "coordinator busy",
    "engine, µs per slice",
    "mail waiting",
    "p50 ms",
    "p99 ms",
)


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Return a line of the table."""
    return (
        str(row["partitions"]),
        f"{row['workers']:,}",
        f"{row['ms']:g} ms" + (" + key" if row["keyed"] else ""),
        "Ray" if row["ray"] else "free",
        f"{row['slices']:,.0f}",
        f"{row['blocks']:,.0f}",
        f"{row['seconds'] * 1000:,.0f}",
        f"{row['efficiency']:.2f}",
        f"{row['whole']:.2f}",
        f"{row['load']:.2f}",
        f"{row['engine'] * 1e6:.0f}",
        f"{row['mail']:.1f}",
        f"{row['p50'] * 1000:.1f}",
        f"{row['p99'] * 1000:.1f}",
    )


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Return the figures as a Markdown table."""
    lines = [HEAD, ("---",) * len(HEAD), *map(cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def html(rows: Sequence[dict[str, Any]]) -> str:
    """Return the figures as a page: how busy workers are, by their number."""
    series = {
        f"{ms} ms{' + key' if keyed else ''}, calls {'as on Ray' if ray else 'for nothing'}": [
            (row["workers"], row["efficiency"])
            for row in rows
            if (row["ms"], row["keyed"], row["ray"], row["partitions"]) == (ms, keyed, ray, 1)
        ]
        for keyed in (False, True)
        for ray in (True, False)
        for ms in ITEMS_MS
    }
    curve = page.curves({name: points for name, points in series.items() if points}, "workers", "part of them busy")
    table = ["<table><tr>", *(f"<th>{name}</th>" for name in HEAD), "</tr>"]
    for row in rows:
        table += ["<tr>", *(f"<td>{cell}</td>" for cell in cells(row)), "</tr>"]
    return page.document(
        "One coordinator and many workers",
        [f"<p>Simulated time: {page.escape(__doc__.split(chr(10))[0])}</p>", curve, *table, "</table>"],
    )


def main() -> int:
    """Simulate, print the table, write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.saturation", description=__doc__.split("\n")[0])
    parser.add_argument("--html", type=Path, metavar="FILE", help="where to write the page")
    options = parser.parse_args()
    rows = []
    for row in sweep():
        rows.append(row)
        print(" | ".join(cells(row)), file=sys.stderr, flush=True)
    print(markdown(rows))
    if options.html is not None:
        options.html.write_text(html(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
