"""What a failed call tells: a process that died, or a node that took it along."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import ray.exceptions

from routilux_dist.cluster import ends
from routilux_dist.cluster.coordinator import Coordinator
from routilux_dist.plan.plan import GroupKind

pytestmark = pytest.mark.ray

UNAVAILABLE = ray.exceptions.ActorUnavailableError("RpcError: Socket closed", None)


def died(text: str) -> ray.exceptions.ActorDiedError:
    """An error as Ray 2.60 words it."""
    error = ray.exceptions.ActorDiedError()
    error.error_msg = f"The actor died unexpectedly before finishing this task.\n\tclass_name: CrewMember\n{text}"
    return error


NODE = died("The actor died because its node has died. Node Id: c57f33cd")
PROCESS = died("The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR")


class Silent:
    """An actor whose answers come one after the other."""

    def __init__(self, *answers: Exception | None) -> None:
        self._answers: Iterator[Exception | None] = iter(answers)
        self.__ray_ready__ = self
        self.asked = 0

    async def remote(self) -> None:
        self.asked += 1
        answer = next(self._answers)
        if answer is not None:
            raise answer


@pytest.mark.parametrize(
    ("error", "is_so"),
    [
        (NODE, True),
        (PROCESS, False),
        (UNAVAILABLE, False),
        (ray.exceptions.NodeDiedError("gone"), True),
        (ray.exceptions.WorkerCrashedError(), False),
    ],
)
def test_a_node_that_died_is_told_from_a_process(error: BaseException, is_so: bool) -> None:
    assert ends.with_its_node(error) is is_so


def in_task(cause: Exception) -> ray.exceptions.RayTaskError:
    """An error as a call raises it whose argument could not be fetched."""
    return ray.exceptions.RayTaskError("run", "Traceback", cause)


@pytest.mark.parametrize(
    ("error", "memory", "body"),
    [
        (ray.exceptions.OutOfMemoryError("Task was killed due to the node running low on memory."), True, False),
        (died("Task was killed due to the node running low on memory."), True, False),
        (PROCESS, False, False),
        (died("Some common causes include: (1) the process was killed by the OOM killer"), False, False),
        (NODE, False, False),
        (ray.exceptions.ObjectLostError("00ff", None, ""), False, True),
        (in_task(ray.exceptions.OwnerDiedError("00ff", None, "")), False, True),
        (in_task(ValueError("no")), False, False),
    ],
)
def test_memory_and_lost_objects_are_told_from_other_ends(error: BaseException, memory: bool, body: bool) -> None:
    assert (ends.of_memory(error), ends.lost_body(error)) == (memory, body)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "ASK_SECONDS", 0.0)


def test_who_cannot_be_reached_is_asked_for_until_it_is_known() -> None:
    actor = Silent(UNAVAILABLE, UNAVAILABLE, NODE)
    assert asyncio.run(ends.find_out(UNAVAILABLE, actor)) is NODE
    assert actor.asked == 3


def test_who_answers_again_may_have_run_the_call_or_not() -> None:
    assert asyncio.run(ends.find_out(UNAVAILABLE, Silent(None))) is UNAVAILABLE


def test_what_is_known_already_is_not_asked_for() -> None:
    assert asyncio.run(ends.find_out(PROCESS, Silent())) is PROCESS


async def was_there(slice_id: int) -> bool:
    return True


def lost(error: ray.exceptions.RayError, kind: GroupKind, saved: bool) -> Any:
    """What a coordinator makes of an error."""
    coordinator = Coordinator.__new__(Coordinator)
    coordinator.saved = saved
    coordinator._stood = {}
    coordinator.shipment = SimpleNamespace(plan=SimpleNamespace(groups=[SimpleNamespace(kind=kind)]))  # type: ignore[assignment]
    coordinator._workplaces = SimpleNamespace(  # type: ignore[assignment]
        actor_of=lambda slice_id: Silent(NODE), died=lambda slice_id, alone: False, was_there=was_there
    )
    work: Any = SimpleNamespace(id=1, attempt=1, group=0)
    return asyncio.run(coordinator._lost(work, error))


@pytest.mark.parametrize("error", [NODE, UNAVAILABLE], ids=["died", "unavailable"])
def test_messages_are_not_to_blame_for_their_node(error: ray.exceptions.RayError) -> None:
    assert lost(error, GroupKind.TASKS, saved=False).innocent
    assert lost(error, GroupKind.SHARDS, saved=True).innocent


def test_messages_are_suspect_when_their_process_dies() -> None:
    assert not lost(PROCESS, GroupKind.TASKS, saved=False).innocent
    assert not lost(PROCESS, GroupKind.SHARDS, saved=True).innocent


@pytest.mark.parametrize("kind", [GroupKind.SHARDS, GroupKind.SOLO])
def test_state_that_nobody_saved_is_not_forgotten_silently(kind: GroupKind) -> None:
    assert not lost(NODE, kind, saved=False).innocent
