"""The trace of a simulated schedule in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from routilux_dist.coordinator.commands import Report
from routilux_dist.coordinator.events import (
    CapacityChanged,
    ControlAsked,
    Posted,
    Restarted,
    RetryAsked,
    SliceFinished,
    SliceLost,
    TimerFired,
)
from routilux_dist.plan.plan import Plan
from routilux_dist.testing.faults import KINDS
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Rows
from routilux_dist.wire.slices import Receipt, Slice


def tell(plan: Plan, trace: Iterable[tuple[float, str, Any]]) -> list[str]:
    """Return one line for each thing that happened."""
    return [f"{now:9.3f} {line}" for now, kind, what in trace for line in _lines(plan, kind, what)]


def _lines(plan: Plan, kind: str, what: Any) -> Iterator[str]:
    if kind == "do":
        if what[0] in KINDS:
            yield f"!! {' '.join(map(str, what))}: {KINDS[what[0]]}"
        elif what[0] in ("run", "stop"):
            yield f"   {what[0]} slice {what[1]}"
    elif kind == "dispatch":
        yield f"   send {_slice(plan, what)}"
    elif kind == "report":
        yield f"   {_report(what)}"
    else:
        yield f"   {_event(plan, what)}"


def _event(plan: Plan, event: Any) -> str:
    if isinstance(event, Posted):
        more = "" if event.last else ", more to come"
        return f"job {event.job} gets {_blocks(plan, event.blocks) or 'nothing'}{more}"
    if isinstance(event, SliceFinished):
        return f"receipt of {_receipt(plan, event.receipt)}"
    if isinstance(event, SliceLost):
        return f"slice {event.slice_id} is lost{' (innocent)' if event.innocent else ''}: {event.reason}"
    if isinstance(event, TimerFired):
        return f"timer {' '.join(map(str, event.key))}"
    if isinstance(event, ControlAsked):
        return f"job {event.job}: {event.action}"
    if isinstance(event, RetryAsked):
        return f"job {event.job}: dead letters again"
    if isinstance(event, Restarted):
        return "another coordinator goes on"
    assert isinstance(event, CapacityChanged)
    return f"now {event.workers} workers"


def _slice(plan: Plan, work: Slice) -> str:
    where = plan.groups[work.group].name + (f"/{work.partition}" if work.partition else "")
    forget = f", forget {', '.join(work.forget)}" if work.forget else ""
    return f"slice {work.id} to {where}: {_blocks(plan, [block for _, block in work.blocks])}{forget}"


def _receipt(plan: Plan, receipt: Receipt) -> str:
    parts = [f"slice {receipt.slice_id}" + (f" (attempt {receipt.attempt})" if receipt.attempt != 1 else "")]
    for what, blocks in (
        ("emitted", receipt.blocks),
        ("out", receipt.outputs),
        ("to be tried again", [block for _, block in receipt.retries]),
        ("dead", [letter.block for letter in receipt.letters]),
    ):
        if blocks:
            parts.append(f"{what}: {_blocks(plan, blocks)}")
    if receipt.untouched:
        parts.append(f"not begun: blocks {', '.join(map(str, receipt.untouched))}")
    parts += [f"stops {job}: {failure}" for job, failure in receipt.stopped.items()]
    return "; ".join(parts)


def _blocks(plan: Plan, blocks: Iterable[Block]) -> str:
    return ", ".join(f"{block.job} {plan.ports[block.port].path} {_payloads(block)}" for block in blocks)


def _payloads(block: Block) -> str:
    if not block.rows:
        return "-"
    if not isinstance(block.body, Rows):
        return f"({block.rows} encoded)"
    tries = f" (try {block.attempt})" if block.attempt > 1 else ""
    return f"{codec.rows_of(block).payloads!r:.160}{tries}"


def _report(report: Report) -> str:
    why = f": {report.failure.error_type}: {report.failure.message}"[:200] if report.failure is not None else ""
    return f"job {report.job} is {report.status}{why}"
