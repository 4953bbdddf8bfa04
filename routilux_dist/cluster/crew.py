"""The crew: long-lived processes that run the stateless routines of all flows of a hub. Decides who gets which slice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

#: Seconds after which a member that has nothing to do is ended; one is kept.
IDLE_SECONDS = 60.0


class Hands(Protocol):
    """What touches the world for a crew."""

    def launch(self, number: int) -> Any:
        """Start the process of a member and return its handle."""
        ...

    def watch(self, result: Any, then: Callable[[bool, Any], None]) -> None:
        """Say later whether a call to a member went well, and what it returned."""
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
    actor: Any
    #: Whether it has answered: before that, nothing can be asked back.
    ready: bool = False
    #: Where its process is, once it has answered.
    where: Any = None
    #: Calls sent so far.
    turns: int = 0
    #: What is out, oldest first: that one runs, the others wait.
    out: dict[int, Errand] = field(default_factory=dict)
    #: Running flows whose routines it has.
    knows: set[str] = field(default_factory=set)
    idle_since: float = 0.0
    gone: bool = False
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
        self.members: list[Member] = []
        self.shares: dict[str, Share] = {}
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
        actor = self.hands.launch(self._started)
        member = Member(self._started, actor)
        self.members.append(member)
        self.hands.watch(actor.ready.remote(), lambda well, where: self._answered(member, well, where))

    def _answered(self, member: Member, well: bool, where: Any) -> None:
        if not well:
            if not member.out:  # else its slices come to tell
                self.lose(member)
            return
        member.ready, member.where = True, where
        for share in list(self.shares.values()):
            share.rebalance()

    def lose(self, member: Member, *suspects: Errand) -> None:
        """Part with a member; all that is out with it, but the suspects, is innocent."""
        if not member.gone:
            member.gone, member.suspects = True, suspects
            self.members.remove(member)
            self.hands.end(member.actor)

    def sweep(self, now: float) -> None:
        """End members that had nothing to do for a while."""
        for member in list(self.members):
            if len(self.members) > 1 and member.ready and not member.out and now - member.idle_since > IDLE_SECONDS:
                self.members.remove(member)
                member.gone = True
                closed = member.actor.close.remote(member.next_turn())
                self.hands.watch(closed, lambda *_, actor=member.actor: self.hands.end(actor))


class Share:
    """What one running flow has of the crew: at no time more than `workers` members have slices of it."""

    def __init__(self, crew: Crew, running: str, workers: int, shipment: Any) -> None:
        self._crew, self._running, self._workers = crew, running, workers
        self._shipment = shipment
        self._out: dict[int, Errand] = {}

    def send(self, slice_id: int, *arguments: Any, alone: bool = False) -> Any:
        """Have a member run a slice; return what its call returned.

        Args:
            slice_id: The slice.
            *arguments: What the member gets.
            alone: Rather wait for another member than behind another slice.
        """
        member = self._choose(alone)
        errand = Errand(slice_id, member, member.next_turn())
        self._out[slice_id] = member.out[errand.turn] = errand
        shipment = None if self._running in member.knows else self._shipment
        return member.actor.run.remote(errand.turn, self._running, shipment, *arguments)

    def __contains__(self, slice_id: int) -> bool:
        return slice_id in self._out

    def actor_of(self, slice_id: int) -> Any:
        """Return the handle of the member that has a slice."""
        return self._out[slice_id].member.actor

    def where(self, slice_id: int) -> Any:
        """Return where the member is that has a slice; None if it has not said so yet."""
        return self._out[slice_id].member.where

    def _choose(self, alone: bool) -> Member:
        crew, mine = self._crew, self._mine()
        choice = mine
        if len(mine) < self._workers:
            choice = mine + [m for m in crew.members if not m.out]
            if len(choice) < self._workers and len(crew.members) < crew.most and all(m.out for m in choice):
                crew.start()
                choice.append(crew.members[-1])
        # Whoever has its routines already can begin at once.
        return min(choice or crew.members, key=lambda m: (alone and bool(m.out), m.load, self._running not in m.knows))

    def _mine(self) -> list[Member]:
        return list({errand.member: None for errand in self._out.values() if not errand.member.gone})

    def done(self, slice_id: int, now: float, well: bool) -> bool:
        """A slice is no longer out; return whether somebody still wants it."""
        errand = self._out.pop(slice_id)
        member = errand.member
        del member.out[errand.turn]
        member.idle_since = now
        if well:
            member.knows.add(self._running)
        return not errand.unwanted

    def rebalance(self) -> None:
        """Let members that have nothing to do take over what waits elsewhere."""
        mine = self._mine()
        idle = sum(m.ready and not m.out for m in self._crew.members)
        idle = min(idle, self._workers - len(mine)) - sum(errand.moving for errand in self._out.values())
        while idle > 0:
            waiting = [e for m in mine if m.ready for e in list(m.out.values())[1:] if self._can_move(e)]
            if not waiting:
                return
            errand = max(waiting, key=lambda e: len(e.member.out))
            errand.moving = True
            errand.member.actor.drop.remote(errand.turn, False)
            idle -= 1

    def hold_back(self) -> None:
        """Ask back what waits behind other slices and has not begun."""
        for errand in [e for m in self._mine() for e in list(m.out.values())[1:] if self._can_move(e)]:
            errand.moving = True
            errand.member.actor.drop.remote(errand.turn, False)

    def _can_move(self, errand: Errand) -> bool:
        return self._out.get(errand.slice_id) is errand and not errand.moving

    def stop(self, slice_id: int, force: bool) -> None:
        """Stop a slice that nobody wants: it is not begun, or it sees that it was cancelled; with force, its process ends."""
        errand = self._out[slice_id]
        errand.unwanted = True
        if not force:
            errand.member.actor.drop.remote(errand.turn, True)
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
        knowing = [m for m in self._crew.members if self._running in m.knows or m in self._mine()]
        return [m.actor.forget.remote(m.next_turn(), self._running) for m in knowing]

    def kill(self) -> None:
        """End the members that still run slices of this flow."""
        for errand in list(self._out.values()):
            if next(iter(errand.member.out.values())) is errand:
                self._crew.lose(errand.member)
