"""The crew: long-lived processes that run the stateless routines of all flows of a hub. Decides who gets which slice."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from routilux_dist.cluster.vacated import Vacated

#: Seconds after which a member that has nothing to do is ended, but for one, and what was vacated.
IDLE_SECONDS = 60.0


class Hands(Protocol):
    """What touches the world for a crew."""

    def launch(self, number: int) -> Any:
        """Start the process of a member and return how it is reached, see `MemberReach`."""
        ...

    def host(self, actor: Any) -> Any:
        """Return how a home, or a member of an actor pool, is reached, see `HostReach`."""
        ...

    def watch(self, result: Any, then: Callable[[bool], None]) -> None:
        """Say later whether a call to a member went well."""
        ...

    def end(self, actor: Any) -> None:
        """End the process of a member."""
        ...


@dataclass(slots=True, eq=False)
class Errand:
    """A slice that is with a member."""

    slice_id: int
    member: Member
    #: Which of the member's calls it is.
    turn: int
    #: Whether it was asked back for somebody who is idle, and whether nobody wants it any more.
    moving: bool = False
    unwanted: bool = False


@dataclass(slots=True, eq=False)
class Member:
    """A process that runs slices one at a time, in the order in which they were sent."""

    number: int
    reach: Any
    #: Whether it has answered: before that, nothing can be asked back.
    ready: bool = False
    #: Calls sent so far.
    turns: int = 0
    #: What is out, oldest first: that one runs, the others wait.
    out: dict[int, Errand] = field(default_factory=dict)
    #: Running flows whose routines it has.
    knows: set[str] = field(default_factory=set)
    idle_since: float = 0.0
    gone: bool = False
    #: The load by which the crew finds it.
    level: float = 0.0
    #: What may have run when it died.
    suspects: tuple[Errand, ...] = ()

    def next_turn(self) -> int:
        """Return the number of its next call."""
        self.turns += 1
        return self.turns - 1

    @property
    def load(self) -> float:
        """What a further slice would wait for; one that is not ready yet is worth waiting for from the second slice on."""
        return len(self.out) + (0.0 if self.ready else 1.5)


class Crew:
    """The members.

    Args:
        hands: Starts and ends processes.
        most: Members that there may be at once; with more flows than that, they share.
    """

    def __init__(self, hands: Hands, most: int) -> None:
        self.hands, self.most = hands, most
        #: Homes and members of actor pools whose flow has ended.
        self.vacated = Vacated(most, hands.end)
        self.members: list[Member] = []
        self.shares: dict[str, Share] = {}
        #: Members by load: with a thousand of them, nobody looks at each for every slice.
        self._levels: dict[float, dict[Member, None]] = {}
        self._started = 0

    def join(self, running: str, workers: int, shipment: Any) -> Share:
        """Return a running flow's share of the crew; the first member is started if there is none.

        Args:
            running: Identifier of the running flow.
            workers: Members that may run its slices at once.
            shipment: What a member needs in order to build its routines, in the form in which it travels.
        """
        self.most = max(self.most, workers)
        share = self.shares[running] = Share(self, running, workers, shipment)
        if not self.members:
            self.start()
        return share

    def start(self) -> None:
        """Start another member."""
        self._started += 1
        member = Member(self._started, self.hands.launch(self._started))
        self.members.append(member)
        self.place(member)
        self.hands.watch(member.reach.ready(), lambda well: self._answered(member, well))

    def _answered(self, member: Member, well: bool) -> None:
        if not well:
            if not member.out:  # else its slices come to tell
                self.lose(member)
            return
        member.ready = True
        self.place(member)
        for share in list(self.shares.values()):
            share.rebalance()

    def lose(self, member: Member, *suspects: Errand) -> None:
        """Part with a member; all that is out with it, but the suspects, is innocent."""
        if not member.gone:
            member.suspects = suspects
            self._dismiss(member)
            self.hands.end(member.reach.actor)

    def _dismiss(self, member: Member) -> None:
        member.gone = True
        self.members.remove(member)
        self.place(member)
        for share in self.shares.values():
            share.mine.pop(member, None)

    def place(self, member: Member) -> None:
        """Find a member by its present load from here on; to be called whenever that has changed."""
        self._levels.get(member.level, {}).pop(member, None)
        if not member.gone:
            member.level = member.load
            self._levels.setdefault(member.level, {})[member] = None

    def idle(self) -> int:
        """Return how many members could begin something at once."""
        return len(self._levels.get(0.0, ()))

    def by_load(self, *, highest_first: bool = False) -> Iterator[tuple[float, dict[Member, None]]]:
        """Yield the members with each load."""
        for load in sorted(self._levels, reverse=highest_first):
            yield load, self._levels[load]

    def sweep(self, now: float) -> None:
        """End members that had nothing to do for a while, and what was vacated and nobody has a use for."""
        self.vacated.sweep(now - IDLE_SECONDS)
        for member in list(self.members):
            if len(self.members) > 1 and member.ready and not member.out and now - member.idle_since > IDLE_SECONDS:
                self._dismiss(member)
                closed = member.reach.close(member.next_turn())
                self.hands.watch(closed, functools.partial(self._closed, member.reach.actor))

    def end(self) -> None:
        """End all members, and what was vacated."""
        for member in list(self.members):
            self.lose(member)
        self.vacated.end()

    def _closed(self, actor: Any, well: bool) -> None:
        self.hands.end(actor)


class Share:
    """What one running flow has of the crew: at no time more than `workers` members have slices of it."""

    def __init__(self, crew: Crew, running: str, workers: int, shipment: Any) -> None:
        self._crew, self._running, self._workers = crew, running, workers
        self._shipment = shipment
        self._out: dict[int, Errand] = {}
        #: Members that have slices of it, and how many; those of them that move.
        self.mine: dict[Member, int] = {}
        self._moving = 0

    def send(self, slice_id: int, *arguments: Any, alone: bool = False) -> Any:
        """Have a member run a slice; return what becomes of it, see `Outcome`.

        Args:
            slice_id: The slice.
            *arguments: What the member gets.
            alone: Rather wait for another member than behind another slice.
        """
        member = self._choose(alone)
        errand = Errand(slice_id, member, member.next_turn())
        self._out[slice_id] = member.out[errand.turn] = errand
        self.mine[member] = self.mine.get(member, 0) + 1
        self._crew.place(member)
        shipment = None if self._running in member.knows else self._shipment
        return member.reach.run(errand.turn, self._running, shipment, *arguments)

    def __contains__(self, slice_id: int) -> bool:
        return slice_id in self._out

    def actor_of(self, slice_id: int) -> Any:
        """Return the handle of the member that has a slice."""
        return self._out[slice_id].member.reach.actor

    def _choose(self, alone: bool) -> Member:
        crew = self._crew
        wider = len(self.mine) < self._workers
        if (
            wider
            and len(crew.members) < crew.most
            and all(member.out for member in crew.members if member not in self.mine)
        ):
            crew.start()
        found = self._find(lambda m: not m.out and wider) if alone else None
        found = found or self._find(lambda m: m in self.mine or (wider and not m.out))
        return found or self._find(lambda m: True) or crew.members[0]

    def _find(self, may: Callable[[Member], bool]) -> Member | None:
        """Return one of the members with the least load; whoever has its routines already can begin at once."""
        for _, members in self._crew.by_load():
            stranger = None
            for member in members:
                if may(member):
                    if self._running in member.knows:
                        return member
                    stranger = stranger or member
            if stranger is not None:
                return stranger
        return None

    def done(self, slice_id: int, now: float, well: bool) -> bool:
        """A slice is no longer out; return whether somebody still wants it."""
        errand = self._out.pop(slice_id)
        member = errand.member
        del member.out[errand.turn]
        self._moving -= errand.moving
        if member in self.mine:  # else it is gone
            self.mine[member] -= 1
            if not self.mine[member]:
                del self.mine[member]
        self._crew.place(member)
        member.idle_since = now
        if well:
            member.knows.add(self._running)
        return not errand.unwanted

    def rebalance(self) -> None:
        """Let members that have nothing to do take over what waits elsewhere."""
        idle = min(self._crew.idle(), self._workers - len(self.mine)) - self._moving
        while idle > 0 and (errand := self._waiting()) is not None:
            self._ask_back(errand)
            idle -= 1

    def _waiting(self) -> Errand | None:
        """Return a slice that waits behind another one, where most do."""
        for load, members in self._crew.by_load(highest_first=True):
            if load < 2:
                return None
            for member in members:
                if member.ready and member in self.mine:
                    for errand in list(member.out.values())[1:]:
                        if self._can_move(errand):
                            return errand
        return None

    def hold_back(self) -> None:
        """Ask back what waits behind other slices and has not begun."""
        for errand in [e for m in self.mine for e in list(m.out.values())[1:] if self._can_move(e)]:
            self._ask_back(errand)

    def _ask_back(self, errand: Errand) -> None:
        errand.moving = True
        self._moving += 1
        errand.member.reach.drop(errand.turn, False)

    def _can_move(self, errand: Errand) -> bool:
        return self._out.get(errand.slice_id) is errand and not errand.moving

    def stop(self, slice_id: int, force: bool) -> None:
        """Stop a slice that nobody wants: it is not begun, or it sees that it was cancelled; with force, its process ends."""
        errand = self._out[slice_id]
        errand.unwanted = True
        if not force:
            errand.member.reach.drop(errand.turn, True)
        elif next(iter(errand.member.out.values())) is errand:
            self._crew.lose(errand.member)

    def died(self, slice_id: int, alone: bool) -> bool:
        """A call failed; return whether the slice has no part in it.

        Args:
            slice_id: The slice.
            alone: Whether only this call failed, and not the process.
        """
        errand = self._out[slice_id]
        member = errand.member
        # A call that was not carried out would leave a gap: its member cannot go on either way.
        # The second may have begun while the receipt of the first was on its way, and nobody can tell any more.
        self._crew.lose(member, *([errand] if alone else list(member.out.values())[:2]))
        return errand not in member.suspects

    def retire(self, slice_id: int) -> None:
        """End the member that has run a slice; what waits there has no part in that."""
        errand = self._out[slice_id]
        self._crew.lose(errand.member, errand)

    def close(self) -> list[Any]:
        """Have the members close the flow's routines; return what to wait for."""
        self._crew.shares.pop(self._running, None)
        knowing = [m for m in self._crew.members if self._running in m.knows or m in self.mine]
        return [m.reach.forget(m.next_turn(), self._running) for m in knowing]

    def kill(self) -> None:
        """End the members that still run slices of this flow."""
        for errand in list(self._out.values()):
            if next(iter(errand.member.out.values())) is errand:
                self._crew.lose(errand.member)
