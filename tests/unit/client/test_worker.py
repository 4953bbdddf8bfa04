from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from routilux_dist.client.worker import check_job_id
from routilux_dist.coordinator.commands import Advise, Refuse
from routilux_dist.driver.driver import Gone
from routilux_dist.errors import ConfigurationError, ExecutionError, SerializationError, StateError
from routilux_dist.flow.state import partition_of
from routilux_dist.plan.tuning import Tuning
from routilux_dist.wire.block import Form
from routilux_dist.wire.codec import typed
from routilux_dist.wire.failure import Letter
from tests.unit.client.conftest import Desk, failure, summing


def test_messages_are_posted_to_their_home(desk: Desk) -> None:
    desk.worker.post("total", "input", 1, job_id="j")
    desk.worker.post("keyed", "input", {"k": "x"}, job_id="k")
    desk.worker.post("keyed", "input", {"no": "key"}, job_id="l")
    desk.worker.post("a", "input", 1)
    homes = [event.blocks[0].partition for event in desk.session.posted]
    assert homes == [partition_of("j", 3), partition_of("x", 3), 0, 0]


def test_posts_to_a_known_job_do_not_close_it(desk: Desk) -> None:
    first = desk.worker.post("a", "input", 1, job_id="j", close=False)
    assert desk.worker.post("a", "input", 2, job_id="j") is first
    assert [event.last for event in desk.session.posted] == [False, False]
    desk.report("j")
    with pytest.raises(StateError, match="has ended"):
        desk.worker.post("a", "input", 3, job_id="j")


@pytest.mark.parametrize("name", ["", "a b", "/etc", "-x", "x" * 200, 5])
def test_names_of_jobs_are_checked(name: object) -> None:
    with pytest.raises(ConfigurationError, match="job_id"):
        check_job_id(name)  # type: ignore[arg-type]


def test_names_are_made_up_and_differ() -> None:
    assert check_job_id("nightly.1") == "nightly.1"
    assert check_job_id(None) != check_job_id(None)


@pytest.mark.parametrize(("routine", "slot", "hint"), [("aa", "input", "'a'"), ("a", "inptu", "'input'")])
def test_an_unknown_address_is_named_with_the_likely_one(desk: Desk, routine: str, slot: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=hint):
        desk.worker.post(routine, slot, 1)


def test_a_message_that_cannot_be_sent() -> None:
    desk = Desk(summing(), packed=True)
    with pytest.raises(SerializationError, match=r"a\.input"):
        desk.worker.post("a", "input", threading.Lock())
    assert desk.worker.jobs == []


def test_a_message_that_is_too_large_is_refused_with_its_port_its_size_and_the_limit() -> None:
    desk = Desk(summing(), packed=True, tuning=Tuning(max_payload_bytes=1000))
    with pytest.raises(SerializationError, match=r"for a\.input .* 2,0\d\d bytes .* 1,000 bytes; .*max_payload_bytes"):
        desk.worker.post("a", "input", "x" * 2000)
    assert desk.worker.jobs == []
    port = desk.worker.port("a", "input")
    assert desk.worker.block(port, ["x" * 600] * 4, None).rows == 4, "it is the message that is measured, not the block"
    with pytest.raises(SerializationError, match="max_payload_bytes"):
        desk.worker.block(port, [1, "x" * 2000], None)


@pytest.mark.parametrize(
    ("metadata", "error"),
    [("text", ConfigurationError), (5, ConfigurationError), ({"lock": threading.Lock()}, SerializationError)],
)
def test_wrong_metadata_leaves_no_job(metadata: Any, error: type[Exception]) -> None:
    desk = Desk(summing(), packed=True)
    with pytest.raises(error, match="metadata"):
        desk.worker.post("a", "input", 1, job_id="j", metadata=metadata)
    assert desk.worker.jobs == []
    assert desk.session.posted == []


def test_a_post_that_fails_leaves_no_job(desk: Desk) -> None:
    def fail(event: Any) -> None:
        raise StateError("was shut down")

    desk.session.post = fail  # type: ignore[method-assign]
    with pytest.raises(StateError):
        desk.worker.post("a", "input", 1, job_id="j")
    assert desk.worker.jobs == []


def test_closing_ends_the_jobs_that_are_left(desk: Desk) -> None:
    job = desk.worker.post("a", "input", 1)
    desk.worker.close()
    with pytest.raises(ExecutionError, match="shut down"):
        job.result(timeout=0)
    assert desk.worker.jobs == []


def test_a_refused_job_ends_with_the_reason(desk: Desk) -> None:
    job = desk.worker.post("a", "input", 1, job_id="j")
    desk.tell(Refuse(client="me", job="j", reason="job 'j' has ended"))
    with pytest.raises(StateError, match="has ended"):
        job.result(timeout=0)
    assert desk.worker.jobs == []


def test_a_lost_coordinator_ends_everything(desk: Desk) -> None:
    job = desk.worker.post("a", "input", 1)
    heard: list[object] = []
    desk.worker.open_stream("s", heard.append)
    desk.tell(Gone("the node died"))
    with pytest.raises(ExecutionError, match="the node died"):
        job.result(timeout=0)
    assert [type(one) for one in heard] == [Gone]


def test_advice_is_kept(desk: Desk) -> None:
    desk.tell(Advise({0: 5}), Advise({1: 7}))
    assert desk.worker.advice == {0: 5, 1: 7}


def test_ended_jobs_are_listed_while_somebody_holds_them(desk: Desk) -> None:
    job = desk.worker.post("a", "input", 1, job_id="j")
    assert desk.worker.jobs == [job]
    desk.report("j")
    assert (desk.worker.jobs, desk.worker.ended) == ([], [job])
    del job
    gc.collect()
    assert desk.worker.ended == []


def test_dead_letters_become_a_new_job_at_its_own_home(desk: Desk) -> None:
    block = desk.output("j", 1)._replace(port=desk.plan.slot("total", "input").index, attempt=4, origin="key")
    job = desk.worker.post_letters([Letter(failure(), block), Letter(failure(), block._replace(rows=0))])
    (event,) = desk.session.posted
    (posted,) = event.blocks
    assert (posted.job, posted.attempt, posted.origin, posted.entry) == (job.job_id, 1, "", True)
    assert posted.partition == partition_of(job.job_id, 3)


def test_letters_without_messages_cannot_be_posted(desk: Desk) -> None:
    with pytest.raises(StateError, match="finish"):
        desk.worker.post_letters([Letter(failure(), desk.output("j")._replace(rows=0))])


def test_letters_are_chosen_by_place(desk: Desk) -> None:
    job = desk.worker.post("a", "input", 1, job_id="j")
    block = desk.output("j", 1)._replace(port=desk.plan.slot("a", "input").index)
    desk.session.answers["contents"] = ((), (), (Letter(failure(), block),), {})
    with pytest.raises(ConfigurationError, match="no dead letter 3; its places are 0 to 0"):
        job.retry_failed([3])
    assert job.retry_failed([]) is job
    assert desk.session.asked == []
    assert job.retry_failed([0]) is job
    assert job.retry_failed() is job
    assert [event.letters for event in desk.session.asked] == [(0,), ()]
    desk.report("j", letters=(Letter(failure(), block), Letter(failure(), block)))
    for wrong in (2, -1):
        with pytest.raises(ConfigurationError, match="0 to 1"):
            job.retry_failed([wrong])
    assert job.retry_failed(iter(())) is job
    assert job.retry_failed([1]) is not job
    assert job.retry_failed() is not job
    assert [len(event.blocks) for event in desk.session.posted[1:]] == [1, 2]


def test_news_about_nobody_are_ignored(desk: Desk) -> None:
    desk.report("nobody")
    assert desk.worker.may_wait()


def test_with_the_typed_codec_messages_and_metadata_are_typed() -> None:
    desk = Desk(summing(), packed=True, codec=typed())
    desk.worker.post("a", "input", {"a": (1,)}, metadata={"m": {2}})
    (event,) = desk.session.posted
    assert event.metadata.form == event.blocks[0].body.form == Form.TYPED
    with pytest.raises(
        SerializationError, match=r"the message for a.input cannot be sent .*: payload\['f'\]\[0\]: type .* register"
    ):
        desk.worker.post("a", "input", {"f": [threading.Lock()]})
    with pytest.raises(SerializationError, match=r"metadata\['f'\]: type builtin_function_or_method is not registered"):
        desk.worker.post("a", "input", 1, metadata={"f": len})


def test_an_instance_that_is_held_is_not_given_up() -> None:
    desk = Desk(summing())
    freed: list[str] = []
    assert desk.worker.hold()
    assert desk.worker.hold()
    assert not desk.worker.give_up(lambda: freed.append("free"))
    desk.worker.release()
    assert (freed, desk.worker.alive) == ([], True)
    desk.worker.release()
    assert freed == ["free"]
    assert desk.worker.give_up(lambda: freed.append("again"))
    assert not desk.worker.hold()
    assert freed == ["free"]


def test_a_job_that_has_ended_takes_no_more_messages() -> None:
    desk = Desk(summing())
    job = desk.worker.post("a", "input", 1, job_id="nightly")
    desk.report("nightly")
    with pytest.raises(StateError, match=r"'nightly' has ended .completed.*give another job_id"):
        desk.worker.post("a", "input", 2, job_id="nightly")
    assert job.done()
    assert len(desk.session.posted) == 1
