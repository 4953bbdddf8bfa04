"""Many kills: ``python -m tests.chaos --kind workers --kills 100 --seed 1``; prints one JSON line for each kind."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.harness import KINDS, Harness

#: Part of `--kills` that is done of kinds whose kills cost more.
PARTS = {"driver": 0.2, "all": 0.15, "stopped": 0.25}


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--kind", choices=(*KINDS, "each"), default="each", help="what is killed")
    parser.add_argument(
        "--kills", type=int, default=50, help="kills of each kind; of kinds that cost more some: " + str(PARTS)
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=20, help="no new round of a kind begins after these")
    arguments = parser.parse_args()
    bad = False
    for kind in KINDS if arguments.kind == "each" else (arguments.kind,):
        part = PARTS.get(kind, 1.0) if arguments.kind == "each" else 1.0
        kills = max(1, round(part * arguments.kills))
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="routilux-chaos-") as folder:
            harness = Harness(kind, Path(folder), arguments.seed)
            totals = harness.run(kills, started + 60 * arguments.minutes)
        sys.stdout.write(json.dumps({**totals.told(), "seconds": round(time.monotonic() - started, 1)}) + "\n")
        sys.stdout.flush()
        bad = bad or bool(totals.violations)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
