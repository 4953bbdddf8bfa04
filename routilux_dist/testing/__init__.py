"""The test kit: clocks that stand still, and benches that drive one part of the engine by hand.

Law: plain Python above the client; no Ray, no thread, no sleeping. What is here is shipped, so that users can test their
flows with it too: `Workbench` runs a routine's messages one slice at a time, `Bench` shows what a coordinator would do next.
"""

from routilux_dist.testing.bench import Bench, Workbench
from routilux_dist.testing.clock import FakeClock

__all__ = ["Bench", "FakeClock", "Workbench"]
