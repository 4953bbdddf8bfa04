"""A session that answers nothing by itself: tests say what the news are."""

from __future__ import annotations

from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.client.worker import FlowWorker
from routilux_dist.coordinator.commands import Report
from routilux_dist.driver.session import Opening
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing.bench import compile_for
from routilux_dist.wire.block import Block, Rows
from routilux_dist.wire.codec import PICKLE, Codec
from routilux_dist.wire.failure import Failure


class FakeSession:
    """Keeps what it is sent."""

    def __init__(self, plan: Any, homes: int = 3, packed: bool = False) -> None:
        self.packed = packed
        self.partitions = {g.index: g.partitions or homes for g in plan.groups}
        self.posted: list[Any] = []
        self.asked: list[Any] = []
        self.answers: dict[str, Any] = {}
        self.closed = False

    def post(self, event: Any) -> None:
        self.posted.append(event)

    def control(self, event: Any) -> None:
        self.asked.append(event)

    def ask(self, question: str, job: str = "") -> Any:
        return self.answers.get(question)

    def stop(self) -> None:
        """Closing takes no time here."""

    def close(self) -> None:
        self.closed = True


class Desk:
    """A worker over a fake session."""

    def __init__(self, flow: rd.Flow, codec: Codec = PICKLE, tuning: Tuning | None = None, **options: Any) -> None:
        self.plan = compile_for(flow)
        self.session = FakeSession(self.plan, **options)
        opening = Opening(
            plan=self.plan, routines=flow.routines, flow_handler=None, workers=2, tuning=tuning or Tuning(), validate=True,
            worker_id="w", client_id="me", codec=codec,
        )  # fmt: skip
        self.worker = FlowWorker(self.plan, flow.routines, opening, self._open)

    def _open(self, on_news: Any) -> FakeSession:
        self.tell = lambda *news: on_news(list(news))
        return self.session

    def report(self, job: str, status: str = "completed", **fields: Any) -> None:
        """End a job."""
        history = [(0.0, "cancelled", "", "enough"), (0.0, status, "", "")]
        summary = {"status": status, "history": history, "messages": {}, "routines": {}, "waiting": 0, "seconds": 0.0}
        self.tell(Report(client="me", job=job, status=status, summary=summary, **fields))

    def output(self, job: str, *payloads: Any) -> Block:
        return Block(job, self.plan.outputs[0], 0, len(payloads), 0, 1, 1, False, "", Rows(list(payloads)))


def summing() -> rd.Flow:
    flow = rd.Flow("summing")
    flow.add_routine(lambda x: x, "a")
    total = rd.Routine("total")
    total.add_slot("input", handler=lambda x: x)
    total.add_event("output")
    total.add_state(n=0)
    keyed = rd.Routine("keyed")
    keyed.add_slot("input", handler=lambda x: x)
    keyed.add_state(n=0, key="k")
    flow.add_routine(total, "total")
    flow.add_routine(keyed, "keyed")
    flow.connect("a.output", "total.input")
    flow.connect("a.output", "keyed.input")
    return flow


@pytest.fixture
def desk() -> Desk:
    return Desk(summing())


def failure(job: str = "j", **fields: Any) -> Failure:
    return Failure(job=job, routine="a", slot="input", **{"error_type": "ValueError", "message": "no", **fields})
