"""A log copied to another: SQLite and Kafka both ways, other partitions, killed anywhere, refused where it must be."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from kafka_broker_side import left_open

from deploy.kafka.broker import Broker
from mailwake.opening import open_any_log, open_log_as_it_is
from mailwake.settings import load_settings
from schemas.catalog import UnknownSchema, latest
from schemas.codec import decode, encode, schema_id_of
from schemas.dmarc import DmarcReportParsed
from schemas.documents import DocumentReceived
from schemas.mail import MessageSent
from streams.log import Log, LogInUse, Record, RecordTooLarge, TopicPartition
from streams.log_copy import FACTS, Copying, CopyRefused, copy_log, stage_of
from streams.partitioner import partition_of

MAIL = TopicPartition("mail.events")
KEYS = [b"default/%d.example" % number for number in range(20)]
PROGRAM = Path(__file__).with_name("copy_programs.py")

Open = Callable[..., Log]


@pytest.fixture
def address(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str, str], str]:
    """The address of a log of that kind and name that is this test's own."""
    begun = time.time_ns()

    def made(kind: str, name: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / name}.db"
        kafka: Broker = request.getfixturevalue("kafka")
        return f"kafka://{kafka.address}/{name}{begun}"

    return made


@pytest.fixture
def opener(tmp_path: Path, monkeypatch) -> Iterator[Open]:
    """Opens logs, made if they are missing, with so many partitions where they are in Kafka."""
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    with contextlib.ExitStack() as stack:

        def opened(url: str, partitions: int | None = None) -> Log:
            if partitions is None:
                log = open_log_as_it_is(settings, url)
            else:
                log = open_any_log(settings.model_copy(update={"kafka_partitions": partitions}), url)
            stack.callback(log.close)
            return log

        yield opened


def mail(count: int, start: int = 0) -> list[Record]:
    """Events of twenty keys in turn, with times of record of their own; garbage among them."""
    return [
        Record(
            KEYS[number % 20],
            b"garbage %d" % number if number % 100 == 99 else encode(sent(number)),
            1_000 + number,
        )
        for number in range(start, start + count)
    ]


def sent(number: int) -> MessageSent:
    return MessageSent(from_domain=f"{number % 20}.example", source_event_id=str(number), occurred_at=number)


def document(number: int) -> Record:
    fields = DocumentReceived(receipt_id=str(number), content=b"<feedback/>", sha256="0" * 64, size=11)
    return Record(b"default/%d" % number, encode(fields), 500 + number)


def report(key: str | None, receipt: str | None) -> Record:
    event = DmarcReportParsed(
        report_id="7", policy_domain="example.com", begin=0, end=1, content_hash="a" * 64, receipt_id=receipt,
        source_event_id=key,
    )  # fmt: skip
    return Record(b"default/example.com", encode(event), 700)


def told(log: Log, topic: str = "mail.events") -> dict[bytes | None, list[Record]]:
    """What a topic holds of each key, in order."""
    found: dict[bytes | None, list[Record]] = {}
    for place in log.partitions(topic):
        offset = log.begin(place)
        while (batch := log.read(place, offset, 1_000)).next > offset:
            for record in map(Record, batch.keys, batch.values, batch.timestamps):
                found.setdefault(record.key, []).append(record)
                if batch.keys and record.key is not None:
                    assert place.partition == partition_of(record.key, len(log.partitions(topic)))
            offset = batch.next
    return found


def by_key(records: Sequence[Record]) -> dict[bytes | None, list[Record]]:
    found: dict[bytes | None, list[Record]] = {}
    for record in records:
        found.setdefault(record.key, []).append(record)
    return found


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (("sqlite", 1), ("sqlite", 1)),
        (("sqlite", 1), ("kafka", 4)),
        (("kafka", 4), ("sqlite", 1)),
        (("kafka", 1), ("kafka", 4)),
        (("kafka", 4), ("kafka", 3)),
    ],
    ids=str,
)
def test_facts_go_over_whole_once_and_in_order(address, opener: Open, source, target) -> None:
    url = address(source[0], "source")
    origin = opener(url, source[1])
    origin.append("mail.events", mail(1_000))
    origin.append("documents", [document(1), document(2)])
    told_by_a_producer = [report(None, None), report("7", "1"), report("x@" + "a" * 64, None)]
    derived = report("[...]@" + "a" * 64, "1")
    origin.append("dmarc.records", [*told_by_a_producer, derived])
    origin.append("documents.outcomes", [Record(b"k", b"derived", 0)])
    copy = opener(address(target[0], "target"), target[1])
    how = Copying(step_records=70)
    assert copy_log(opener(url), copy, how) == {"documents": 2, "mail.events": 1_000, "dmarc.records": 3}
    assert told(copy) == by_key(mail(1_000))
    assert sorted(told(copy, "documents").items()) == sorted(told(origin, "documents").items())
    assert told(copy, "dmarc.records") == {b"default/example.com": told_by_a_producer}
    assert not told(copy, "documents.outcomes")

    nothing = dict.fromkeys(FACTS, 0)
    before = told(copy)
    assert copy_log(opener(url), copy, how) == nothing and told(copy) == before
    origin.append("mail.events", mail(150, start=1_000))
    assert copy_log(opener(url), copy, how) == {**nothing, "mail.events": 150}
    assert told(copy) == by_key(mail(1_150))


def test_partitions_are_read_side_by_side(address, opener: Open) -> None:
    """A log with fewer partitions tells of the same times at the same time: repeats are recognised within hours."""
    origin = opener(address("kafka", "source"), 4)
    origin.append("mail.events", mail(1_000))
    copy = opener(address("sqlite", "target"), 1)
    copy_log(origin, copy, Copying(step_records=70))
    assert list(copy.read(MAIL, 0, 1_000).timestamps) == [record.timestamp for record in mail(1_000)]


def test_what_stands_behind_an_open_transaction_is_waited_for(address, opener: Open) -> None:
    """A producer that died amid a transaction hides what others made durable since, until the broker gives it up."""
    origin, copy = opener(address("kafka", "source"), 1), opener(address("sqlite", "target"), 1)
    origin.append("mail.events", mail(5))
    left_open(origin, origin.place(MAIL))
    origin.append("mail.events", mail(5, start=5))
    assert origin.end(MAIL) == 5
    assert copy_log(origin, copy)["mail.events"] == 10
    assert told(copy) == by_key(mail(10))


@pytest.mark.parametrize(("source", "target"), [("sqlite", "kafka"), ("kafka", "sqlite"), ("kafka", "kafka")])
@pytest.mark.parametrize("after", [1, 6])
def test_killed_amid_and_run_again(address, opener: Open, source: str, target: str, after: int) -> None:
    origin = opener(address(source, "source"), 1)
    origin.append("mail.events", mail(3_000))
    arguments = [
        sys.executable,
        str(PROGRAM),
        address(source, "source"),
        address(target, "target"),
        "4",
        "100",
    ]
    killed = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert killed.stdout
    for _ in range(after):
        killed.stdout.readline()
    killed.kill()
    killed.communicate()
    copy = opener(address(target, "target"), 4)
    already = sum(map(len, told(copy).values()))
    assert already < 3_000
    copied = patient(lambda: copy_log(origin, copy))
    assert copied["mail.events"] <= 3_000 - already
    assert told(copy) == by_key(mail(3_000))


def patient(act):
    """Again while the hold of one that was killed has not ended."""
    for _ in range(100):
        try:
            return act()
        except LogInUse:
            time.sleep(0.3)
    raise AssertionError("the hold of one that was killed does not end")


def test_ids_of_schemas_are_mapped(address, opener: Open) -> None:
    origin, copy = opener(address("sqlite", "source"), 1), opener(address("sqlite", "target"), 1)
    origin.append("mail.events", [*mail(100), Record(KEYS[0], None, 5), Record(KEYS[0], b"\x00\x01", 5)])
    committed = latest(MessageSent).id
    copy_log(origin, copy, Copying(map_id={committed: 7}.__getitem__))
    values = list(copy.read(MAIL, 0, 200).values)
    assert schema_id_of(values[0]) == 7 and values[99:] == [b"garbage 99", None, b"\x00\x01"]
    back = opener(address("sqlite", "back"), 1)
    copy_log(copy, back, Copying(map_id={7: committed}.__getitem__))
    assert told(back) == told(origin)
    assert isinstance(decode(back.read(MAIL, 0, 1).values[0] or b""), MessageSent)


def test_an_id_that_the_target_does_not_know_is_named_with_its_place(address, opener: Open) -> None:
    origin, copy = opener(address("sqlite", "source"), 1), opener(address("sqlite", "target"), 1)
    origin.append("mail.events", mail(5))

    def unknown(schema_id: int) -> int:
        raise UnknownSchema(f"schema id {schema_id} is nobody's")

    with pytest.raises(CopyRefused, match=r"mail\.events/0 offset 0 .*nobody's.*Register"):
        copy_log(origin, copy, Copying(map_id=unknown))
    assert not told(copy)


def test_a_target_that_holds_other_facts_is_refused(address, opener: Open) -> None:
    origin, copy = opener(address("sqlite", "source"), 1), opener(address("sqlite", "target"), 1)
    origin.append("mail.events", mail(5))
    copy.append("mail.events", mail(1))
    with pytest.raises(CopyRefused, match=r"already holds facts.*name a target that is empty"):
        copy_log(origin, copy)
    with pytest.raises(CopyRefused, match="one log"):
        copy_log(origin, origin)


def test_a_target_that_was_gone_over_to_still_takes_the_rest(address, opener: Open) -> None:
    origin, copy = opener(address("sqlite", "source"), 1), opener(address("sqlite", "target"), 1)
    origin.append("mail.events", mail(5))
    copy_log(origin, copy)
    copy.append("mail.events", mail(1, start=90))
    origin.append("mail.events", mail(2, start=5))
    assert copy_log(origin, copy)["mail.events"] == 2
    with pytest.raises(CopyRefused, match="already holds facts"):
        copy_log(copy, origin)


def test_a_source_that_is_another_one_now_is_refused(address, opener: Open) -> None:
    origin, copy = opener(address("sqlite", "source"), 1), opener(address("sqlite", "target"), 1)
    origin.append("mail.events", mail(5))
    copy_log(origin, copy)
    with copy.hold(), copy.transaction() as step:
        cut = json.dumps({"offset": 9, "digest": ""}).encode()
        step.put_state(stage_of(origin), {b"mail.events/0": cut})
    with pytest.raises(CopyRefused, match=r"does not continue.*ends at 5, the position is 9"):
        copy_log(origin, copy)


class Trimmed:
    """A log whose retention has removed the first three mail events."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def __getattr__(self, name: str):
        return getattr(self._log, name)

    def begin(self, source: TopicPartition) -> int:
        return 3 if source == MAIL else self._log.begin(source)


def test_what_retention_removed_is_said_and_not_passed_over(address, opener: Open) -> None:
    origin, copy = opener(address("sqlite", "source"), 1), opener(address("sqlite", "target"), 1)
    origin.append("mail.events", mail(5))
    with pytest.raises(CopyRefused, match=r"removed 3 offsets of mail\.events/0.*--accept-loss"):
        copy_log(Trimmed(origin), copy)
    assert copy_log(Trimmed(origin), copy, Copying(accept_loss=True))["mail.events"] == 2


class Growing:
    """A log to which somebody appends whenever it is read."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def __getattr__(self, name: str):
        return getattr(self._log, name)

    def read(self, source: TopicPartition, offset: int, limit: int):
        self._log.append(source.topic, [Record(KEYS[0], b"more", 0)])
        return self._log.read(source, offset, limit)


def test_a_copy_of_a_log_that_grows_comes_to_an_end(address, opener: Open) -> None:
    origin, copy = opener(address("sqlite", "source"), 1), opener(address("sqlite", "target"), 1)
    origin.append("mail.events", mail(5))
    assert copy_log(Growing(origin), copy, Copying(step_records=2))["mail.events"] >= 5


def test_a_record_that_the_target_does_not_take_is_named(address, opener: Open) -> None:
    origin, copy = opener(address("sqlite", "source"), 1), opener(address("kafka", "target"), 1)
    origin.append("mail.events", [*mail(2), Record(KEYS[0], bytes(9 * 2**20), 5)])
    with pytest.raises(RecordTooLarge, match=r"mail\.events/0 offset 2 in the source is too large"):
        copy_log(origin, copy)
    assert not told(copy)


def test_the_command(address, opener: Open, tmp_path: Path) -> None:
    url = address("sqlite", "source")
    opener(url, 1).append("mail.events", mail(5))

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "mailwake", "log", "copy", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    target = address("kafka", "target")
    done = run(url, target, "--partitions", "2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    copied = {"documents": 0, "mail.events": 5, "dmarc.records": 0}
    assert json.loads(done.stdout) == {"from": url, "to": target, "copied": copied}
    assert told(opener(target, 2)) == by_key(mail(5))
    assert "0 records copied" in run(url, target, "--partitions", "2").stdout
    for wrong, code, says in [
        (("sqlite:///none.db", target), 2, "there is no log at"),
        ((url, "files:///x"), 2, "a log's address is sqlite:///RELATIVE/PATH"),
        ((address("kafka", "nobody"), url), 2, "there is no log at kafka://"),
        ((url, url), 3, "are one log"),
    ]:
        failed = run(*wrong)
        assert failed.returncode == code and says in failed.stderr and "Traceback" not in failed.stderr
