import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from schemas.codec import decode
from schemas.mail import MessageBounced, MessageDelivered, MessageSent
from schemas.record import InvalidEvent
from streams.emitter import Emitter, EmitterClosed
from streams.log import LogFull, TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

MAIL = TopicPartition("mail.events")


@pytest.fixture
def log(tmp_path: Path):
    opened = SqliteLog.open(tmp_path / "log.db", TOPICS)
    yield opened
    opened.close()


def emitted(log: SqliteLog) -> list:
    return [decode(value) for value in log.read(MAIL, 0, 100_000).values]


def sent(number: int, **fields: object) -> MessageSent:
    return MessageSent(from_domain="example.com", source_event_id=str(number), occurred_at=1_000, **fields)


def test_an_emitted_event_is_in_the_log_when_emit_returns(log):
    with Emitter(log) as emitter:
        emitter.emit(sent(1))
        (event,) = emitted(log)
    assert event.source_event_id == "1" and event.recorded_at > 1_600_000_000_000
    assert list(log.read(MAIL, 0, 1).keys) == [b"default/example.com"]


def test_order_is_kept_across_record_types(log):
    events = [sent(1), MessageDelivered(from_domain="example.com", source_event_id="2"), sent(3)]
    with Emitter(log) as emitter:
        emitter.emit_many(events)
    assert [event.source_event_id for event in emitted(log)] == ["1", "2", "3"]


def test_events_can_be_fields_with_a_type(log):
    with Emitter(log) as emitter:
        emitter.emit({"type": "MessageSent", "from_domain": "Example.COM"})
    assert emitted(log)[0].from_domain == "example.com"


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"type": "MessageSnt"}, ["type", "MessageSnt", "MessageSent"]),
        ({"type": "MessageSent", "size": "big"}, ["MessageSent.size", "'big'", "integer"]),
        ({"type": "MessageSent", "event_id": "7"}, ["MessageSent.event_id", "'7'", "UUID"]),
        ({}, ["type", "got nothing"]),
        (
            {"type": "MessageSent", "from_domain": "https://example.com"},
            ["from_domain", "https:", "a domain alone"],
        ),
        (MessageSent(mail_from_domain="example..com"), ["MessageSent.mail_from_domain", "a domain alone"]),
    ],
)
def test_an_invalid_event_names_field_value_and_what_is_wanted(log, fields, names):
    with Emitter(log) as emitter, pytest.raises(InvalidEvent) as caught:
        emitter.emit_many([sent(1), fields])
    assert all(name in str(caught.value) for name in names) and "event 1" in str(caught.value)
    assert emitted(log) == []


def test_an_event_made_around_validation_is_still_refused(log):
    wrong = MessageSent.trusted({**sent(1).__dict__, "size": "big"})
    with Emitter(log) as emitter, pytest.raises(InvalidEvent, match=r"MessageSent\.size"):
        emitter.emit(wrong)
    assert emitted(log) == []


def test_a_retry_carries_the_same_id(log):
    event = sent(1)
    with Emitter(log) as emitter:
        emitter.emit(event)
        emitter.emit(event)
    assert len({event.event_id for event in emitted(log)}) == 1


def test_many_threads_and_coroutines_emit_at_once(log):
    with Emitter(log) as emitter:
        threads = [
            threading.Thread(target=lambda n=n: [emitter.emit(sent(n * 100 + i)) for i in range(50)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()

        async def emit_all() -> None:
            await asyncio.gather(*(emitter.emit_async(sent(1_000 + i)) for i in range(200)))

        asyncio.run(emit_all())
        for thread in threads:
            thread.join()
    numbers = sorted(int(event.source_event_id) for event in emitted(log))
    assert numbers == sorted([n * 100 + i for n in range(4) for i in range(50)] + list(range(1_000, 1_200)))


def test_a_batch_that_can_not_be_written_does_not_fail_its_neighbours(log, monkeypatch):
    whole = SqliteLog.append_all

    def full_for_large_batches(self, records):
        if sum(map(len, records.values())) > 100:
            raise LogFull("no room")
        whole(self, records)

    monkeypatch.setattr(SqliteLog, "append_all", full_for_large_batches)
    outcomes: list[object] = []

    async def emit_all() -> None:
        large = emitter.emit_many_async([sent(i) for i in range(500)])
        outcomes.extend(await asyncio.gather(large, emitter.emit_async(sent(900)), return_exceptions=True))

    with Emitter(log) as emitter:
        asyncio.run(emit_all())
    assert isinstance(outcomes[0], LogFull) and outcomes[1] is None
    assert [event.source_event_id for event in emitted(log)] == ["900"]


def test_a_closed_emitter_says_so(log):
    emitter = Emitter(log)
    emitter.close()
    emitter.close()
    with pytest.raises(EmitterClosed):
        emitter.emit(sent(1))


def test_what_was_handed_over_is_written_before_the_program_ends(tmp_path):
    program = f"""
import asyncio
import os
from mailwake import Emitter
from schemas.mail import MessageSent

async def main():
    emitter = Emitter("sqlite:///{tmp_path}/log.db")
    for number in range(100):
        asyncio.ensure_future(emitter.emit_async(MessageSent(source_event_id=str(number))))
    await asyncio.sleep(0)

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    log = SqliteLog.open(tmp_path / "log.db", TOPICS)
    assert len(emitted(log)) == 100
    log.close()


def test_an_error_of_another_kind_is_raised_and_the_emitter_goes_on(log, monkeypatch):
    whole = SqliteLog.append_all

    def broken(self, records):
        raise ZeroDivisionError("a bug")

    with Emitter(log) as emitter:
        monkeypatch.setattr(SqliteLog, "append_all", broken)
        with pytest.raises(ZeroDivisionError):
            emitter.emit(sent(1))
        monkeypatch.setattr(SqliteLog, "append_all", whole)
        emitter.emit(sent(2))
    assert [event.source_event_id for event in emitted(log)] == ["2"]


def test_in_a_forked_child_it_says_so_instead_of_waiting_for_ever(log, tmp_path):
    with Emitter(log) as emitter:
        child = os.fork()
        if child == 0:
            try:
                emitter.emit(sent(1))
            except EmitterClosed:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_events_that_name_no_tenant_are_the_emitters(log):
    with Emitter(log, tenant="acme") as emitter:
        emitter.emit_many([sent(1), sent(2, tenant="other"), {"type": "MessageSent"}])
    first, second, third = emitted(log)
    assert (first.tenant, second.tenant, third.tenant) == ("acme", "other", "acme")
    assert first.event_id == MessageSent.id_of("acme", "1")


def test_addresses_in_a_response_are_replaced(log):
    words = "550 5.1.1 <bob@example.com>: no bob@example.com here (see a.b@c@d)"
    with Emitter(log) as emitter:
        emitter.emit(MessageBounced(response=words))
    assert emitted(log)[0].response.startswith("550 5.1.1 <address>: no <address> here")
