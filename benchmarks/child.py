"""One workload, in a process of its own: what it starts and what it leaves in memory ends with it.

python -m benchmarks.child NAME OUTFILE '{"rounds": 5, "quick": false, "loops_per_ms": 20000.0}'
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from benchmarks import environment


def main() -> None:
    """Measure and write what was found."""
    environment.prepare()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # in good order: Ray ends, too
    name, out, options = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    from benchmarks import measuring
    from benchmarks.cases import CASES

    case = CASES[name]
    setup = measuring.Setup(quick=options["quick"], loops_per_ms=options["loops_per_ms"])
    load = os.getloadavg()[0]
    measured: dict[str, Any] = measuring.measure(case, setup, options["rounds"], say)
    measured["rows"] = measuring.rows(case, measured)
    measured["title"] = case.title
    measured["load_before"] = round(load, 2)
    out.write_text(json.dumps(measured), encoding="utf-8")


def say(text: str) -> None:
    """Show where it is, on one line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
