"""The test kit: clocks that stand still, benches that drive one part of the engine by hand, and a simulator of faults.

Law: plain Python above the client; no Ray, no thread, no sleeping. What is here is shipped, so that users can test their
flows with it too: `Workbench` runs a routine's messages one slice at a time, `Bench` shows what a coordinator would do next,
`simulate` runs a flow through many schedules in which processes die and messages come late.
"""

from routilux_dist.testing.bench import Bench, Workbench
from routilux_dist.testing.clock import FakeClock
from routilux_dist.testing.faults import Faults
from routilux_dist.testing.search import SimulationReport
from routilux_dist.testing.simulate import Outcome, SimulationError, simulate

__all__ = ["Bench", "FakeClock", "Faults", "Outcome", "SimulationError", "SimulationReport", "Workbench", "simulate"]
