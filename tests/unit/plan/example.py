"""A flow that shows everything a plan can hold."""

from __future__ import annotations

from typing import Any

from routilux_dist.compiler.compile import prepare
from routilux_dist.flow.activation import batch
from routilux_dist.flow.functions import routine
from routilux_dist.flow.model import FlowModel
from routilux_dist.flow.routine import Routine
from routilux_dist.plan.plan import Plan


@routine
def clean(text: str) -> str:
    return text.strip()


@routine(max_concurrency=8)
async def fetch(url: str) -> str:
    return url


class Tokenize(Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, text: str) -> None: ...


class Embed(Tokenize, num_gpus=1):
    def open(self) -> None: ...


class Total(Tokenize):
    def setup(self) -> None:
        super().setup()
        self.add_state(count=0)

    def finish(self) -> None: ...


class ByUser(Total):
    def setup(self) -> None:
        super().setup()
        self.add_state(key="user")
        self.set_activation_policy(batch(10, timeout=3))


class Pair(Routine):
    def setup(self) -> None:
        self.add_slot("left")
        self.add_slot("right")
        self.add_event("output")

    def logic(self, left: Any, right: Any) -> None: ...


def words(mode: str = "distributed", **options: Any) -> Plan:
    """The plan of::

    clean -> tokenize -> fetch -> embed -> total -> pair.right
      ^          |                  '----------------> pair.left
      |          '-> loop -> heavy -> by_user
      |              loop -> tokenize   |
      '---------------------------------' error
    """
    flow = FlowModel("words", execution_mode=mode, entry="clean", **options)
    flow.add_routine(clean)
    flow.add_routine(Tokenize(), "tokenize")
    flow.add_routine(fetch)
    flow.add_routine(Embed(), "embed")
    flow.add_routine(Total(), "total")
    flow.add_routine(ByUser(), "by_user")
    flow.add_routine(Pair(), "pair")
    flow.add_routine(lambda x: x, "loop")
    flow.add_routine(routine(num_cpus=2)(len), "heavy")
    flow.pipe("clean", "tokenize", "fetch", "embed", "total")
    flow.pipe("tokenize", "loop", "heavy", "by_user")
    flow.pipe("loop", "tokenize")
    flow.connect("embed.output", "pair.left")
    flow.connect("total.output", "pair.right")
    flow.connect("by_user.error", "clean.input")
    return prepare(flow)
