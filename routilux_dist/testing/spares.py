"""Hosts that have served a schedule and know nothing of it any more: to build one takes as long as to run some slices."""

from __future__ import annotations

from collections.abc import Hashable

from routilux_workers.host import Host

#: Hosts that are kept of one kind.
MOST = 4


class Spares:
    """Hosts by what they are like: place, form of what travels, number of homes."""

    def __init__(self) -> None:
        self._hosts: dict[Hashable, list[Host]] = {}

    def take(self, likeness: Hashable) -> Host | None:
        """Return a host as good as new, or None."""
        hosts = self._hosts.get(likeness)
        return hosts.pop() if hosts else None

    def give(self, likeness: Hashable, host: Host) -> bool:
        """Keep a host that has come through all its slices; return False if it cannot be made as good as new."""
        if host.group.is_async or host.broken is not None or host.limited or host.receipt.retire:
            return False
        hosts = self._hosts.setdefault(likeness, [])
        if len(hosts) >= MOST:
            return False
        _clean(host)
        hosts.append(host)
        return True


def _clean(host: Host) -> None:
    for stateful in host.wiring.stateful:
        stateful.clear()
        stateful.next_number = stateful.runs = stateful.waiting = 0
        stateful.overhead = 0.0
        stateful.careful = False
        stateful.joined = None
    for step in host.touched:
        step.count = step.errors = 0
    host.touched.clear()
    host.activity.drop()
