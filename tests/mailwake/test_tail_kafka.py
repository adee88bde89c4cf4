"""`mailwake tail` into a log in Kafka: killed and taken over, each line's events are there once."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tail_processes import begun, ended, interleaved, tail

from deploy.kafka.broker import Broker
from mailwake.keyring.opening import open_keyring
from mailwake.opening import open_any_log
from mailwake.settings import Settings, load_settings
from mailwake.tail.opening import TailOptions, opened_tail
from schemas.codec import decode
from schemas.mail import MailEvent
from streams.log import Fenced, Log


@pytest.fixture
def settings(kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings that name a log of the test's own, and a keyring."""
    monkeypatch.setenv("MAILWAKE_LOG", f"kafka://{kafka.address}/t{time.time_ns()}")
    monkeypatch.setenv("MAILWAKE_KEYRING", f"file:///{tmp_path}/keys")
    monkeypatch.setenv("MAILWAKE_KAFKA_PARTITIONS", "2")
    settings = load_settings()
    open_keyring(settings, create=True)
    yield settings


def told(log: Log) -> list[MailEvent]:
    found: list[MailEvent] = []
    for source in log.partitions("mail.events"):
        offset = log.begin(source)
        while (batch := log.read(source, offset, 10_000)).next > offset:
            decoded = [decode(value) for value in batch.values if value is not None]
            found += [event for event in decoded if isinstance(event, MailEvent)]
            offset = batch.next
    return found


def test_killed_while_the_log_grows_it_tells_each_line_once(settings: Settings, tmp_path: Path) -> None:
    lines, path, draw = interleaved(600), tmp_path / "mail.log", random.Random(3)
    path.touch()
    for begin in range(0, len(lines), 1_500):
        process = tail(str(path))
        begun(process)
        for at in range(begin, min(begin + 1_500, len(lines)), 250):
            with path.open("a") as file:
                file.write("".join(lines[at : at + 250]))
            time.sleep(draw.random() * 0.3)
        process.kill()
        process.communicate()
    code, _, err = ended(tail("--until-end", str(path)))
    assert code == 0, err
    log = open_any_log(settings)
    found = told(log)
    log.close()
    assert Counter(type(event).__name__ for event in found) == {
        "MessageSent": 600, "MessageDeferred": 600, "MessageDelivered": 600,
    }  # fmt: skip
    assert len({event.event_id for event in found}) == len(found)


def test_a_tail_that_another_has_taken_over_writes_nothing_more(settings: Settings, tmp_path: Path) -> None:
    one, other = tmp_path / "one.log", tmp_path / "other.log"
    lines = interleaved(20)
    one.write_text("".join(lines[:50]))
    other.write_text("")
    with ExitStack() as stack:
        options = TailOptions("postfix", (str(one),), name="mx1")
        first = stack.enter_context(opened_tail(settings, options))
        assert first.tail.step(first.appends)
        # As on another machine, where nobody holds the lock.
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(
            "mailwake.tail.opening.hold_alone", lambda *_: None
        )
        second = stack.enter_context(opened_tail(settings, options))
        with one.open("a") as file:
            file.write("".join(lines[50:]))
        first.tail.look_again()
        with pytest.raises(Fenced):
            first.tail.step(first.appends)
        second.tail.look_again()
        assert second.tail.step(second.appends)
        log = open_any_log(settings)
        found = told(log)
        log.close()
    assert Counter(type(event).__name__ for event in found) == {
        "MessageSent": 20, "MessageDeferred": 20, "MessageDelivered": 20,
    }  # fmt: skip
