"""What becomes of a message whose activation raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from routilux_dist.flow.handling import Decision, ErrorStrategy
from routilux_dist.flow.ports import ERROR_EVENT
from routilux_dist.plan.plan import PortKind
from routilux_dist.wire.block import Block, Packed
from routilux_dist.wire.failure import Failure, Letter
from routilux_workers import faults, keeping, surroundings

if TYPE_CHECKING:
    from routilux_workers.activity import Activity
    from routilux_workers.host import Host
    from routilux_workers.outbox import Outbox
    from routilux_workers.steps import Step


class TooFar(Exception):  # noqa: N818 - a signal of the engine, never shown
    """A message passed more connections than `max_hops` allows."""


def fail(host: Host, activity: Activity, step: Step, payload: Any, hops: int, exc: BaseException) -> None:
    """Take back what the activation did, and do with its message what the error strategy says.

    Messages for other routines (SKIP, the `error` event) are left in the activity like those of an activation.

    Raises:
        Redo: Taking back needs the whole slice to start over.
    """
    if surroundings.is_child(activity):
        surroundings.leave(exc)
    activity.drop()
    if isinstance(exc, TooFar):
        activity.receipt.stop(activity.job_id, _limit(host, activity, step, hops))
        return
    joined = None
    if step.stateful is not None:
        joined = step.stateful.joined
        step.stateful.take_back()
        step.stateful.joined = None
    exc = faults.blame_payload(exc, step.routine_id, payload)
    try:
        decision = step.handler.decide(exc, activity.attempt, activity.idempotency_key)
    except BaseException as of_classify:  # a user's classify= may raise anything
        of_classify.__context__ = exc
        exc, decision = of_classify, Decision(ErrorStrategy.STOP)
    step.errors += 1
    _Case(host, activity, step, payload, hops, joined).close(exc, decision)


class _Case:
    """One failed activation."""

    def __init__(
        self, host: Host, activity: Activity, step: Step, payload: Any, hops: int, joined: tuple[Any, ...] | None
    ) -> None:
        self.host, self.activity, self.step, self.payload, self.hops = host, activity, step, payload, hops
        #: (key, arguments) if a whole `logic` call failed that took several messages.
        self.joined = joined
        self.routine = host.plan.routines[step.routine_id]
        again = step.port == self.routine.logic_port
        #: Whether the call took messages that were counted as done when they came (a join, a batch, a flush).
        self.fresh = joined is not None and not again
        #: Whether the message that failed is counted among those that ran.
        self.counted = not self.fresh and not step.control

    def close(self, exc: BaseException, decision: Decision) -> None:
        """Record the error and dispose of the message."""
        strategy, receipt = decision.strategy, self.activity.receipt
        failure = self._failure(exc, strategy)
        if self.step.slot == "finish" and self.step.control:
            # Also if it is tried again: the rest of a long ending must not run it beside that.
            assert self.step.stateful is not None
            self.step.stateful.conclude(self.payload)
        tally = receipt.tally(self.activity.job_id)
        if self.fresh:
            # Its messages were done when they arrived; their failed call is a message of its own from here on.
            tally.emitted += 1
        if strategy is ErrorStrategy.RETRY:
            receipt.failures.append(failure)
            receipt.retries.append((decision.delay, self._block(self.activity.attempt + 1)))
            self.host.postponed += self.counted
            self._keep_item_open()
        elif strategy is ErrorStrategy.SKIP:
            receipt.failures.append(failure)
            self._forward()
            tally.done += self.fresh
        else:
            receipt.letters.append(Letter(failure, self._block(1), self._seen()))
            tally.dead += self.fresh or self.counted
            tally.done -= self.counted  # it was counted among those that ran
            if strategy is ErrorStrategy.CONTINUE:
                self._tell(failure)
            elif failure.item is None:
                receipt.stop(self.activity.job_id, failure)

    def _failure(self, exc: BaseException, strategy: ErrorStrategy) -> Failure:
        return faults.failure(
            exc,
            self.activity.job_id,
            self.step.routine_id,
            self.step.slot,
            self.host.codec,
            strategy=str(strategy),
            attempts=self.activity.attempt,
            payload=self._shown(),
            item=self.activity.item,
            key=self.activity.idempotency_key,
        )

    def _shown(self) -> Any:
        """The payload as users know it: for a join, the slots' payloads by name."""
        if self.joined is None:
            return None if self.step.control else self.payload
        assert self.step.stateful is not None
        return dict(zip(self.step.stateful.slots, self.joined[1]))

    def _seen(self) -> Packed | None:
        """The state that the activation saw: it has been put back."""
        stateful = self.step.stateful
        if stateful is None or self.step.control:
            return None
        return keeping.seen(stateful, self.payload, self.joined, self.host.codec.encode)

    def _block(self, attempt: int) -> Block:
        """The message as a block that can be posted again."""
        host, step, activity = self.host, self.step, self.activity
        port, rows, content = step.port, 1, self.payload
        if self.joined is not None:
            port, content = self.routine.logic_port, self.joined
        elif step.control:
            port, rows, content = self.routine.finish_port, 0, (self.payload.key,)
        items = None if activity.item is None else [activity.mark()]
        try:
            nbytes, body = host.packer.body([content], items)
        except Exception:  # cannot leave the process: keep what can be shown of it
            nbytes, body = host.packer.body([faults.safe_text(content, faults.PAYLOAD_CHARS, repr)], items)
        partition = host.slice.partition if step.stateful is not None and not host.fifo else 0
        origin = activity.idempotency_key if attempt > 1 else ""
        return Block(activity.job_id, port, partition, rows, nbytes, attempt, self.hops, False, origin, body)

    def _keep_item_open(self) -> None:
        item = self.activity.item
        if item is not None:
            self.activity.receipt.items.setdefault(self.activity.job_id, ([], [], []))[2].append(item)

    def _forward(self) -> None:
        """SKIP: hand the payload on to every connected slot, once."""
        if self.step.control:
            return
        payload = self._shown() if self.joined is not None else self.payload
        steps: dict[int, Step] = {}
        outboxes: dict[int, Outbox] = {}
        for event, (local, boxes) in self.step.routes.items():
            if event != ERROR_EVENT:
                steps.update((s.port, s) for s in local)
                outboxes.update((b.port, b) for b in boxes if not b.is_output)
        for target in steps.values():
            self.activity.local.append((target, payload, self.activity.depth))
        for outbox in outboxes.values():
            self.activity.boxed.append((outbox, payload, self.activity.depth))

    def _tell(self, failure: Failure) -> None:
        """CONTINUE: tell the routines that listen to the error event."""
        local, outboxes = self.step.routes.get(ERROR_EVENT, ((), ()))
        if not local and not outboxes:
            return
        report = {
            "routine": failure.routine,
            "slot": failure.slot,
            "payload": self._shown(),
            "error": failure.message,
            "error_type": failure.error_type,
            "attempts": failure.attempts,
        }
        for target in local:
            self.activity.local.append((target, report, self.activity.depth))
        for outbox in outboxes:
            if self.host.plan.ports[outbox.port].kind is not PortKind.OUTPUT:
                self.activity.boxed.append((outbox, report, self.activity.depth))


def _limit(host: Host, activity: Activity, step: Step, hops: int) -> Failure:
    return Failure(
        job=activity.job_id,
        routine=step.routine_id,
        slot=step.slot,
        kind="limit",
        error_type="LimitExceededError",
        message=(
            f"a message passed {hops} connections on its way to {step.routine_id}.{step.slot}, more than "
            f"max_hops={host.plan.limits.max_hops}; let the cycle end earlier, or raise rd.Flow(max_hops=…)"
        ),
    )
