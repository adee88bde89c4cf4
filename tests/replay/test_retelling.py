"""A better reader speaks by a rebuild from the documents: what it tells takes the place of what was told before."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from house import KEY, START_MS, AwayAtFirst, Crash, House

from processors.classification.stage import ClassifyStage
from processors.documents.limits import Limits
from processors.documents.reading import ReadingSettings
from processors.documents.stage import DocumentStage
from processors.reputation.stage import ReputationStage
from processors.stage import Stage
from processors.suppressions.stage import SuppressStage
from replay.lineage import lineage
from replay.rebuild import Rebuilt, Wanted, rebuild
from replay.swap import swap
from replay.verify import verify
from schemas.codec import decode, encode
from schemas.documents import DocumentReceived
from schemas.keyring import NO_KEYS, TenantKeys
from schemas.mail import MailEvent, MessageSent
from schemas.recipient import recipient_hash
from streams.blobs import Blobs
from streams.keys import key_of
from streams.log import Record, TopicPartition

FACTS, DOCUMENTS = Wanted(), Wanted(reparse=True)


class OneKey:
    def hashing_key(self, tenant: str) -> bytes | None:
        return KEY

    def data_key(self, tenant: str) -> bytes | None:
        return KEY


@dataclass(frozen=True)
class Read(House):
    """A house whose reader names recipients, or does not; that reads documents, or takes them for too large."""

    keys: TenantKeys = NO_KEYS
    largest: int = 1 << 20

    def stages(self) -> list[Stage]:
        settings = ReadingSettings(limits=Limits(document_bytes=self.largest))
        reader = DocumentStage(Blobs(self.folder / "blobs").get, settings, self.keys)
        return [reader, ReputationStage(), ClassifyStage(), SuppressStage()]

    def better(self) -> "Read":
        """The same with a reader that knows recipients."""
        return Read(self.folder, self.step_records, OneKey())

    def tell(self, records: dict[str, list[Record]]) -> None:
        log = self.log()
        log.append_all(records)
        log.close()

    def rebuild(self, wanted: Wanted) -> Rebuilt:
        with self.replay() as replay:
            return rebuild(replay, wanted)

    def swap(self) -> None:
        with self.replay() as replay:
            swap(replay)

    def is_equal(self) -> bool:
        with self.replay() as replay:
            return verify(replay).equal

    def rows(self, sql: str) -> Sequence[Sequence[object]]:
        with self.replay() as replay:
            return replay.warehouse.rows(sql)

    def events(self, topic: str) -> list[MailEvent]:
        log = self.log()
        values = log.read(TopicPartition(topic), 0, 10_000).values
        log.close()
        return [event for event in map(decode, filter(None, values)) if isinstance(event, MailEvent)]


def bounce(who: str) -> bytes:
    return (
        b"From: MAILER-DAEMON@mx.example.net\nDate: Mon, 01 Jun 2026 00:00:00 +0000\nSubject: failure\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n--b\n'
        b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n"
        b"Final-Recipient: rfc822; %s@example.org\nAction: failed\nStatus: 5.1.1\n"
        b"Diagnostic-Code: smtp; 550 5.1.1 unknown\n--b\nContent-Type: text/rfc822-headers\n\n"
        b"From: news@example.com\nMessage-ID: <%s@example.com>\n--b--\n" % (who.encode(), who.encode())
    )


def webhook(who: str) -> bytes:
    return (
        b'{"RecordType":"Bounce","ID":%d,"Type":"HardBounce","TypeCode":1,"MessageID":"%s",'
        b'"Email":"%s@example.org","From":"news@example.com","BouncedAt":"2026-06-01T00:00:00Z"}'
        % (sum(who.encode()), who.encode(), who.encode())
    )


def received(number: int, content: bytes, **how: Any) -> Record:
    document = DocumentReceived(
        receipt_id=f"receipt-{number}",
        source_event_id=f"receipt-{number}",
        occurred_at=START_MS + number,
        recorded_at=START_MS + number,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        content=content,
        **{"source": "files", "channel": "file", **how},
    )
    return Record(key_of(document), encode(document), document.recorded_at)


def sent(number: int) -> Record:
    event = MessageSent(
        from_domain="example.com",
        source_event_id=f"sent-{number}",
        occurred_at=START_MS + number,
        recorded_at=START_MS + number,
    )
    return Record(key_of(event), encode(event), event.recorded_at)


def hashed(who: str) -> str:
    return recipient_hash(KEY, f"{who}@example.org")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Bounces by mail and by webhook among what a program told, read by who did not know recipients."""
    house = Read(tmp_path_factory.mktemp("told") / "house")
    for number in range(3):
        mail = received(10 * number + 1, bounce(f"mailed-{number}"))
        hook = received(10 * number + 2, webhook(f"hooked-{number}"), source="postmark", channel="hook")
        house.tell({"mail.events": [sent(10 * number)], "documents": [mail, hook]})
        house.run()
    return house


@pytest.fixture
def told(made: House, tmp_path: Path) -> Read:
    """One that a test may do with what it likes."""
    return Read(made.copy(tmp_path / "house").folder)


def everybody() -> Iterator[str]:
    for number in range(3):
        yield f"mailed-{number}"
        yield f"hooked-{number}"


def test_the_same_reader_tells_the_same_in_the_same_order(told: Read) -> None:
    told.rebuild(DOCUMENTS)
    assert told.is_equal()
    assert told.events("mail.events@2") == told.events("mail.events")
    assert len(told.events("mail.events")) == 9


def test_a_better_reader_is_heard_by_all_that_follows(told: Read) -> None:
    assert told.rows("SELECT count() FROM suppressions") == [(0,)]
    better = told.better()
    better.rebuild(DOCUMENTS)
    assert not better.is_equal()
    better.swap()
    places = [type(event).__name__ for event in told.events("mail.events")]
    assert [type(event).__name__ for event in better.events("mail.events@2")] == places
    sql = "SELECT recipient_hash FROM mail_events WHERE kind = 'bounced'"
    assert sorted(str(who) for (who,) in better.rows(sql)) == sorted(map(hashed, everybody()))
    held = better.rows("SELECT DISTINCT recipient_hash FROM suppressions")
    assert {who for (who,) in held} == set(map(hashed, everybody()))
    meanings = "SELECT count(), uniqExact(classified_event_id) FROM bounces_classified"
    assert better.rows(meanings) == [(6, 6)]
    counted = "SELECT sum(sent), sum(bounced) FROM reputation_days WHERE kind = 'domain' AND provider != '*'"
    assert better.rows(counted) == told.rows(counted) == [(3, 6)]


def test_a_reader_waits_for_a_keyring_that_is_away(told: Read) -> None:
    away = Read(told.folder, told.step_records, AwayAtFirst(1))
    away.rebuild(DOCUMENTS)
    away.swap()
    sql = "SELECT recipient_hash FROM mail_events WHERE kind = 'bounced'"
    assert sorted(str(who) for (who,) in away.rows(sql)) == sorted(map(hashed, everybody()))


def test_goes_on_from_there(told: Read) -> None:
    better = told.better()
    better.rebuild(DOCUMENTS)
    better.tell({"mail.events": [sent(50)], "documents": [received(51, bounce("later"))]})
    assert not better.is_equal()
    better.swap()
    better.tell({"mail.events": [sent(60)], "documents": [received(61, bounce("last"))]})
    better.run()
    for wanted in (FACTS, DOCUMENTS):
        better.rebuild(wanted)
        assert better.is_equal()
        better.swap()
        sql = "SELECT count(), uniqExact(event_id), uniqExact(recipient_hash) FROM mail_events"
        assert better.rows(sql) == [(13, 13, 8)]
        assert better.rows("SELECT uniqExact(recipient_hash) FROM suppressions") == [(8,)]


def test_what_told_nothing_before_speaks(tmp_path: Path) -> None:
    strict = Read(tmp_path / "house", largest=10)
    strict.tell({"documents": [received(1, bounce("a")), received(2, bounce("b"))]})
    strict.run()
    assert strict.rows("SELECT count() FROM mail_events") == [(0,)]
    better = strict.better()
    better.rebuild(DOCUMENTS)
    better.swap()
    assert better.rows("SELECT recipient_hash FROM mail_events ORDER BY recorded_at") == [
        (hashed("a"),),
        (hashed("b"),),
    ]
    better.rebuild(FACTS)
    assert better.is_equal()


def test_what_is_read_no_more_takes_its_events_along(told: Read) -> None:
    """A reader that finds something else in a mail: an ordinary one, say."""
    log = told.log()
    place = TopicPartition("documents")
    batch = log.read(place, 0, 1)
    (document,) = (decode(value or b"") for value in batch.values)
    assert isinstance(document, DocumentReceived)
    plain = b"From: a@example.com\nSubject: hello\nMessage-ID: <1@example.com>\n\nhello\n"
    log.erase({place: {batch.offsets[0]: encode(document.model_copy(update={"content": plain, "size": 70}))}})
    log.close()
    told.rebuild(DOCUMENTS)
    told.swap()
    assert len(told.events("mail.events@2")) == 8
    assert told.rows("SELECT count() FROM mail_events") == [(8,)]


@pytest.mark.parametrize(
    ("instead", "forgotten"),
    [
        ({"content": b"", "erased": 1}, 6),
        ({"content": bounce("somebody"), "erased": 1}, 0),
        ({"is_copy": True}, 0),
        ({"content": None}, 0),
    ],
    ids=["all of it erased", "somebody erased", "only a copy", "its blob is missing"],
)
def test_what_nobody_can_read_as_it_came_stays(
    told: Read, instead: dict[str, object], forgotten: int
) -> None:
    log = told.log()
    place = TopicPartition("documents")
    batch = log.read(place, 0, 100)
    changed: dict[int, bytes] = {}
    for offset, value in zip(batch.offsets, batch.values, strict=True):
        document = decode(value or b"")
        assert isinstance(document, DocumentReceived)
        changed[offset] = encode(document.model_copy(update=instead))
    log.erase({place: changed})
    log.close()
    assert told.better().rebuild(DOCUMENTS).forgotten == forgotten
    assert told.events("mail.events@2") == told.events("mail.events")


def test_cut_off_anywhere_it_goes_on(told: Read) -> None:
    better, met = told.better(), set[str]()
    while True:

        def die(boundary: str) -> None:
            if boundary.startswith("retell") and boundary not in met:
                met.add(boundary)
                raise Crash(boundary)

        try:
            with Read(better.folder, 2, better.keys).replay(die) as replay:
                rebuild(replay, DOCUMENTS)
        except Crash:
            continue
        break
    assert met == {"retell written", "retell committed"}
    one_by_one = better.events("mail.events@2")
    with better.replay() as replay:
        swap(replay)
        known = lineage(replay.log, 2)
        assert known is not None
        assert not any(group.startswith("retell") for group in replay.log.groups())
        assert {stats.records for stats in replay.log.stats() if stats.source.topic in known.waiting()} == {0}
    better.rebuild(DOCUMENTS)
    assert better.events("mail.events@3") == one_by_one
    assert len(one_by_one) == 9
