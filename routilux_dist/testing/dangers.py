"""What may go wrong next in a simulated world, and how it goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from routilux_dist.coordinator.events import CapacityChanged, RetryAsked, SliceFinished, TimerFired
from routilux_dist.plan.plan import GroupKind

if TYPE_CHECKING:
    from routilux_dist.testing.world import Action, World

#: Timers that may ring early. The others are time limits: the machine trusts that they do not.
MAY_RING_EARLY = ("retry", "wake", "rest", "timeout")
#: Faults that count as deaths of processes without state.
DEADLY = ("death", "false death")
#: A process that dies while it runs a slice does so at this look at its clock, at the latest.
LOOKS = 8


def wild(world: World) -> list[Action]:
    """Return every fault of the world's kinds that may happen now."""
    kinds = world.kinds
    if world.deaths >= world.faults.deaths:
        kinds = tuple(kind for kind in kinds if kind not in DEADLY)
    return [(kind, *about) for kind in kinds for about in DANGERS[kind][0](world)]


def do(world: World, action: Action) -> None:
    """Make a fault happen."""
    world.deaths += action[0] in DEADLY
    DANGERS[action[0]][1](world, *action[1:])


def _stateful(world: World, group: int) -> bool:
    return world.program.plan.groups[group].kind in (GroupKind.SHARDS, GroupKind.SOLO)


# ---- processes ---------------------------------------------------------------------------------------------------


def _may_die(world: World) -> Iterator[tuple[Any, ...]]:
    for process in world.processes.values():
        if process.queue and not _stateful(world, process.place[0]):
            numbers = process.queue if process.shared else [process.queue[0]]
            yield from ((number, look) for number in numbers for look in (1, LOOKS))


def _die(world: World, number: int, look: int) -> None:
    """A process dies while it runs a slice, somewhere before a look at its clock."""
    fatal = 1 + world.tape.choose(look)
    sent = world.sent[number]
    world.run_slice(sent, fatal)
    if sent.ran:  # it was through before that: it dies now, and its receipt with it
        world.mail = [mail for mail in world.mail if mail.sent is not sent]
        world.mourn(sent)


def _may_be_presumed_dead(world: World) -> Iterator[tuple[Any, ...]]:
    for sent in world.sent.values():
        if sent.ran and not sent.doomed and not _stateful(world, sent.slice.group):
            yield (sent.slice.id,)


def _presume_dead(world: World, number: int) -> None:
    """The loss is reported first; the receipt may come after it, or before."""
    world.lose(world.sent[number], "its process could not be reached")


def _homes(world: World) -> Iterator[tuple[Any, ...]]:
    for place, process in world.processes.items():
        if process.alive and _stateful(world, place[0]):
            yield ("idle", place)
            if process.queue:
                yield ("busy", process.queue[0])
    for sent in world.sent.values():
        if sent.ran and not sent.doomed and _stateful(world, sent.slice.group):
            yield ("false", sent.slice.id)


def _lose_home(world: World, how: str, what: Any) -> None:
    if how == "idle":  # nobody notices until the next slice is sent there
        process = world.processes[what]
        process.die()
        for number in list(process.queue):
            world.lose(world.sent[number], "the process died")
    elif how == "busy":
        _die(world, what, LOOKS)
    else:
        sent = world.sent[what]
        stale = [mail for mail in world.mail if mail.sent is sent]
        world.mail = [mail for mail in world.mail if mail.sent is not sent]
        world.lose(sent, "its process could not be reached")
        # Its state goes with it, so a receipt that was on its way can only come after that.
        world.old_mail.extend(stale)


# ---- messages ----------------------------------------------------------------------------------------------------


def _unbegun(world: World) -> Iterator[tuple[Any, ...]]:
    return ((number,) for process in world.processes.values() for number in process.queue)


def _never_run(world: World, number: int) -> None:
    world.lose(world.sent[number], "it could not be sent", innocent=True)


def _may_run_twice(world: World) -> Iterator[tuple[Any, ...]]:
    return ((sent.slice.id,) for sent in world.sent.values() if sent.ran and sent.process.shared and not sent.doomed)


def _run_twice(world: World, number: int) -> None:
    sent = world.sent[number]
    process = world.new_process(sent.process.place)
    receipt = process.run(sent.slice)
    process.close()
    if receipt is not None:
        world.send_mail(SliceFinished(receipt), sent)


def _old_mail(world: World) -> Iterator[tuple[Any, ...]]:
    return ((place,) for place, mail in enumerate(world.old_mail) if mail.sent.told)


def _deliver_again(world: World, place: int) -> None:
    world.feed(world.old_mail[place].event)


def _flying(world: World) -> Iterator[tuple[Any, ...]]:
    for place, mail in enumerate(world.mail):
        if not mail.sent.told:
            yield (place, 1)
            yield (place, -1)


def _deliver_alien(world: World, place: int, step: int) -> None:
    event = world.mail[place].event
    if isinstance(event, SliceFinished):
        world.feed(SliceFinished(replace(event.receipt, attempt=event.receipt.attempt + step)))
    else:
        world.feed(replace(event, attempt=event.attempt + step))


# ---- time --------------------------------------------------------------------------------------------------------


def _early(world: World) -> Iterator[tuple[Any, ...]]:
    return ((number,) for number, (at, key) in enumerate(world.timers) if key[0] in MAY_RING_EARLY and at > world.now)


def _ring(world: World, number: int) -> None:
    """It rings twice: now, and when it should."""
    world.feed(TimerFired(world.timers[number][1]))


# ---- clients -----------------------------------------------------------------------------------------------------


def _living(world: World) -> Iterator[tuple[Any, ...]]:
    return ((name,) for name in world.ledger.alive)


def _pausable(world: World) -> Iterator[tuple[Any, ...]]:
    return ((name, "resume" if one.paused else "pause") for name, one in world.ledger.alive.items())


def _open(world: World) -> Iterator[tuple[Any, ...]]:
    return ((name, "close") for name, one in world.ledger.alive.items() if not one.closed)


def _ask(world: World, name: str, action: str = "cancel") -> None:
    if action == "cancel":
        world.cancelled.add(name)
    world.do(("ask", name, action))


def _retry(world: World, name: str) -> None:
    world.feed(RetryAsked(name))


def _posters(world: World) -> Iterator[tuple[Any, ...]]:
    return (
        (number,) for number, client in enumerate(world.clients) if client.last_post is not None and not client.stream
    )


def _repost(world: World, number: int) -> None:
    event = world.clients[number].last_post
    assert event is not None
    world.feed(event)


def _sizes(world: World) -> Iterator[tuple[Any, ...]]:
    return ((count,) for count in (1, 2, 3) if count != world.machine.workers)


def _resize(world: World, count: int) -> None:
    world.feed(CapacityChanged(count))


def _mortal(world: World) -> Iterator[tuple[Any, ...]]:
    if world.log is not None:
        yield from (
            (number,) for number in range(-1, len(world.mail)) if number < 0 or not world.mail[number].sent.told
        )
    elif world.successor is not None:
        yield (-1,)


def _restart(world: World, number: int) -> None:
    """The coordinator dies, at once or when it has written down some news and done nothing about it."""
    if number >= 0:
        mail = world.mail.pop(number)
        mail.sent.told = True
        del world.sent[mail.sent.slice.id]
        world.feed(mail.event, mail.sent, dying=True)
    if world.log is not None:
        world.go_on()
        return
    assert world.successor is not None
    world.machine = world.successor(world.machine)
    world.ledger.blind()


#: Kind -> (what it may hit now, how it happens).
DANGERS: dict[str, tuple[Callable[[World], Iterator[tuple[Any, ...]]], Callable[..., None]]] = {
    "death": (_may_die, _die),
    "false death": (_may_be_presumed_dead, _presume_dead),
    "innocent": (_unbegun, _never_run),
    "twice": (_may_run_twice, _run_twice),
    "again": (_old_mail, _deliver_again),
    "alien": (_flying, _deliver_alien),
    "early": (_early, _ring),
    "pause": (_pausable, _ask),
    "cancel": (_living, _ask),
    "close": (_open, _ask),
    "retry": (_living, _retry),
    "repost": (_posters, _repost),
    "resize": (_sizes, _resize),
    "home": (_homes, _lose_home),
    "restart": (_mortal, _restart),
}
