"""A node that runs out of memory: one message takes more and more, until Ray's memory monitor ends its process.

On a Ray of its own, whose monitor acts when there is somewhat less memory than now: what else runs on the machine must not
take or give back much meanwhile. Prints a JSON object; the exit code is 1 unless the message was tried three times and put aside,
the reason was named, and all others went through.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import ray
from ray._common.utils import get_system_memory
from ray._private.utils import get_used_memory

import routilux_dist as rd

#: Bytes that the message may take, and that it would take if nobody ended it.
ROOM, MOST = 3 << 29, 6 << 30
CHUNK = 32 << 20
N, BAD = 6, 3
#: Ray's default ends several processes at once, the youngest first, and a young coordinator may be among them.
POLICY = {"RAY_worker_killing_policy_by_group": "true"}


def spread(n: int) -> Any:
    yield from range(n)


def take(x: int) -> int:
    """Take memory without end at one message."""
    held = []
    while x == BAD and CHUNK * len(held) < MOST:
        held.append(bytearray(b"x") * CHUNK)
        time.sleep(0.01)
    return x


def main() -> int:
    """Run one job; return the exit code."""
    part = (get_used_memory() + ROOM) / get_system_memory()
    os.environ.update(RAY_memory_usage_threshold=f"{part:.4f}", RAY_memory_monitor_refresh_ms="50", **POLICY)
    ray.init(address="local", num_cpus=2, object_store_memory=100 << 20, include_dashboard=False, log_to_driver=False)
    flow = rd.Flow("memory", error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    flow.add_routine(rd.routine(spread), "spread")
    flow.add_routine(rd.routine(take), "take")
    flow.connect("spread.output", "take.input")
    with rd.Runtime(max_workers=2) as runtime:
        job = runtime.submit(flow, N)
        outputs = job.result(timeout=120)["take.output"]
        letters = [(letter.payload, letter.attempts, str(letter.error)) for letter in job.dead_letters]
    ray.shutdown()
    sys.stdout.write(json.dumps({"outputs": sorted(outputs), "letters": letters}) + "\n")
    others = [x for x in range(N) if x != BAD]
    blamed = [(payload, attempts) for payload, attempts, error in letters if "out of memory" in error]
    return int(sorted(outputs) != others or blamed != [(BAD, 3)])


if __name__ == "__main__":
    sys.exit(main())
