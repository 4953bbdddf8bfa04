"""The workloads, in the order of the table."""

from __future__ import annotations

from benchmarks.cases import cpu, light, moving, saving, sharing, starting, stateful
from benchmarks.measuring import Case

CASES: dict[str, Case] = {
    case.name: case for module in (light, cpu, moving, stateful, saving, sharing, starting) for case in module.CASES
}
