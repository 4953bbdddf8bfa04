"""A slice whose thread is stuck in code that cannot be interrupted: its receipt is composed by another thread.

The process has to be replaced after this: the stuck thread never leaves its call, and the host must not be used again. Only hosts
without state do this. What the stuck message fails with is decided as usual; its neighbours are done, or given back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from routilux_workers import blame, forks

if TYPE_CHECKING:
    from routilux_dist.wire.slices import Receipt
    from routilux_workers.errands import Errands
    from routilux_workers.host import Host
    from routilux_workers.timing import Call


def give_up(host: Host, call: Call) -> Receipt:
    """Return the receipt of the host's slice as it stands, with a time-out for the message that is stuck."""
    if host.errands is not None:
        _errand(host, host.errands, call)
    else:
        _row(host, call)
    host.ship()
    host.receipt.seconds = host.clock() - host.started
    host.receipt.retire = True
    return host.receipt


def _row(host: Host, call: Call) -> None:
    activity, job = host.activity, host.activity.job_id
    step = activity.step
    blame.fail(host, activity, step, call.payload, activity.depth - 1, call.stuck_error())
    if not step.count:
        host.touched.append(step)
    step.count += 1
    for outbox, payload, depth in activity.boxed:
        outbox.add(activity, payload, depth)
    if job not in host.receipt.stopped:
        forks.spill(host, activity, activity.local)
        forks.spill_stack(host, activity, reversed(host.queue))
    (number, block), (payloads, items) = host.slice.blocks[host.place], host.rows
    begun = activity.row + 1
    host.begun(block, begun, items)
    if begun < len(payloads) and job not in host.receipt.stopped:
        host.give_back(number, block, payloads, items, begun)
    host.receipt.untouched.extend(number for number, _ in host.slice.blocks[host.place + 1 :])
    host.settle_job(job, host.roots + begun)


def _errand(host: Host, errands: Errands, call: Call) -> None:
    """The loop is stuck in one of its tasks: what has ended is booked, the others begin anew in another process."""
    stuck = next(errand for errand in errands.running if errand.activity is call.payload)
    activity, receipt = stuck.activity, stuck.activity.receipt
    step, payload, hops = stuck.at
    tally = receipt.tally(activity.job_id)
    errors = step.errors
    blame.fail(host, activity, step, payload, hops, call.stuck_error())
    tally.routines[step.index][1] += step.errors - errors
    stuck.count(host)
    stuck.sent += activity.boxed
    # The loop could not tell of tasks that ended just before.
    late = [e for e in errands.running if e.task is not None and e.task.done() and e not in errands.ended]
    errands.ended += [*late, stuck]
    errands.book()
    if activity.job_id not in host.receipt.stopped:
        forks.spill(host, activity, activity.local)
        left = len(activity.local) + forks.spill_stack(host, activity, reversed(stuck.stack))
        host.receipt.tally(activity.job_id).emitted += left
    for errand in errands.running:
        if errand.block_id is not None:
            host.receipt.untouched.append(errand.block_id)
        else:
            host.receipt.blocks.append(errand.as_block(host))
    errands.source.give_back(host)
