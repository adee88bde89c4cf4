"""What the views say of a small world that was loaded with all its repeats."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime

import fastavro
import pytest
import warehouse_samples as samples
from sink_conformance import cut, mark

from processors.reputation.rates import RATES
from schemas.catalog import Version, latest, versions
from schemas.codec import HEADER, encode, encode_rows, frame_of, parsed
from schemas.encoding.avro import without_logical_types
from schemas.mail import MessageDeferred
from schemas.reputation import COUNTS
from sinks.warehouse.loader import WarehouseSink
from sinks.warehouse.tables import MAIL_KINDS
from sinks.warehouse.warehouse import UnknownView, Warehouse


class View:
    """The rows of a view in the generation of a test, as dicts."""

    def __init__(self, warehouse: Warehouse, generation: int) -> None:
        self._warehouse, self._generation = warehouse, generation

    def __call__(self, name: str, where: str = "1", order: str = "ALL") -> list[dict[str, object]]:
        inner = self._warehouse.view_sql(name, self._generation)
        described = self._warehouse.rows(f"DESCRIBE ({inner})")
        rows = self._warehouse.rows(f"SELECT * FROM ({inner}) WHERE {where} ORDER BY {order}")
        return [dict(zip([column[0] for column in described], row, strict=True)) for row in rows]


def utc(millis: int) -> datetime:
    """A moment as clickhouse-connect gives those of UTC columns: without a zone."""
    return datetime.fromtimestamp(millis / 1000, UTC).replace(tzinfo=None)


@pytest.fixture
def view(warehouse: Warehouse, generation: int) -> View:
    return View(warehouse, generation)


@pytest.fixture
def loaded(sink: WarehouseSink) -> WarehouseSink:
    assert not [bad for done in samples.load_all(sink, samples.world()) for bad in done.bad]
    return sink


@pytest.mark.usefixtures("loaded")
def test_each_mail_event_once_as_first_told(view: View) -> None:
    rows = view("mail_events")
    assert len(rows) == 60
    assert {row["source"] for row in rows} == {"teller 0"}
    assert {row["kind"] for row in rows} == set(MAIL_KINDS.values())
    first = samples.mail(0)
    (row,) = view("mail_events", f"event_id = '{first.event_id}'")
    assert row["occurred_at"] == utc(first.occurred_at)
    assert (row["kind"], row["from_domain"], row["provider"]) == ("sent", first.from_domain, first.provider)
    assert row["attempt"] is None and row["reason"] is None


def test_first_told_counts_across_partitions(sink: WarehouseSink, view: View) -> None:
    later, first = encode(samples.mail(7, seed=1)), encode(samples.mail(7, seed=0))
    filler = [encode(samples.mail(number)) for number in (100, 101)]
    for partition, values in ((2, [*filler, later]), (5, [first])):
        end = len(values)
        sink.load(cut(values, 0, end, "mail.events", partition), mark(values, end, "mail.events", partition))
    (row,) = view("mail_events", f"event_id = '{samples.mail(7).event_id}'")
    assert row["source"] == "teller 0"


def test_a_wrong_clock_does_not_lead(sink: WarehouseSink, view: View) -> None:
    ahead = samples.mail(1).model_copy(update={"occurred_at": samples.START + 99 * samples.DAY})
    samples.load_all(sink, {"mail.events": [encode(ahead)]})
    (row,) = view("mail_events")
    at = utc(ahead.recorded_at + 300_000)
    assert row["effective_at"] == at


@pytest.mark.usefixtures("loaded")
def test_first_reports_count_and_conflicts_stand_beside_them(view: View) -> None:
    assert [row["report_id"] for row in view("dmarc_reports", order="report_id")] == [
        f"report {n}" for n in range(6)
    ]
    records = view("dmarc_records", order="report_id, ordinal")
    assert len(records) == 12
    assert records[1]["reasons"] == [{"type": "forwarded", "comment": None}]
    assert records[0]["dkim_results"] == [
        {"domain": "a.example.com", "selector": "s1", "result": "fail", "human_result": None}
    ]
    conflicts = view("dmarc_report_conflicts", order="report_id")
    assert [row["report_id"] for row in conflicts] == ["report 0", "report 2", "report 4"]
    assert all(row["content_hash"] != row["first_content_hash"] is not None for row in conflicts)
    assert conflicts[0]["first_messages"] == 30


@pytest.mark.usefixtures("loaded")
def test_what_a_failure_means_once_beside_its_event(view: View) -> None:
    assert len(view("bounces_classified")) == 5
    told = samples.classified(1)
    (row,) = view("message_timeline", f"event_id = '{told.classified_event_id}'")
    assert (row["kind"], row["bounce_class"], row["leaf"]) == ("deferred", "bad_mailbox", "quota")
    assert (row["response"], row["ruleset"]) == ("452 4.2.2 <address> mailbox full", "2026-11-30")
    assert len(view("message_timeline")) == len(view("mail_events"))
    assert len(view("message_timeline", "bounce_class IS NULL")) == 60 - 5


@pytest.mark.usefixtures("loaded")
def test_who_is_suppressed_by_the_latest_revision_whatever_place_it_was_told_at(
    sink: WarehouseSink, view: View
) -> None:
    rows = view("suppressions", order="recipient_hash")
    assert [row["kind"] for row in rows] == ["lifted", "suppressed", "suppressed"]
    assert (rows[0]["reason"], rows[0]["by"], rows[0]["since"]) == ("lifted", "anna", None)
    assert (rows[2]["reasons"], rows[2]["since"]) == (["complaint"], utc(samples.START + 2))
    earlier = [encode(samples.suppression(2, 2))]
    sink.load(cut(earlier, 0, 1, "suppressions@3"), mark(earlier, 1, "suppressions@3"))
    assert view("suppressions", order="recipient_hash") == rows
    assert len(view("suppression_evidence")) == 9
    assert view("suppression_evidence", "kind = 'lift'")[0]["reasons"] == ["complaint"]


@pytest.mark.usefixtures("loaded")
def test_documents_with_their_outcome_and_the_latest_name(view: View) -> None:
    rows = view("documents", order="receipt_id")
    assert [row["outcome"] for row in rows] == ["rejected", "parsed"] * 3 + [None, None]
    assert rows[2]["name"] == "<redacted>"
    assert rows[4]["warnings"] == ["odd", "very odd"]
    assert rows[7]["processed_at"] is None


@pytest.mark.usefixtures("loaded")
def test_dead_letters_leave_their_bytes_in_the_log(view: View) -> None:
    rows = view("dead_letters", order="origin_offset")
    assert [row["origin_offset"] for row in rows] == [1, 2, 3] and "content" not in rows[0]


@pytest.mark.parametrize("name", ["reputation_minutes", "reputation_hours", "reputation_days"])
@pytest.mark.usefixtures("loaded")
def test_reputation_is_the_latest_revision_and_what_came_late(view: View, name: str) -> None:
    rows = view(name, order="identity, provider")
    assert len(rows) == 9
    first = rows[0]
    assert (first["sent"], first["delivered"], first["bounced"]) == (60, 54, 5)
    assert first["complained"] == (3 if name == "reputation_days" else 0)
    for row in rows:
        for rate, (over, under) in RATES.items():
            counts = {count: row[count] for count in COUNTS}
            wanted = counts[over] / counts[under] if counts[under] else None  # type: ignore[operator]
            assert row[rate] == (pytest.approx(wanted) if wanted is not None else None)
    together = view(f"{name}_all_providers", order="identity")
    assert [row["sent"] for row in together] == [180, 180, 180]


def test_only_additions_make_a_bucket_and_its_rates_are_null(sink: WarehouseSink, view: View) -> None:
    rows = [samples.bucket(part=n, revision=0, complained=2) for n in (5, 6)]
    samples.load_all(sink, {"reputation.buckets": [samples.buckets(1, rows)]})
    (row,) = view("reputation_days")
    assert row["complained"] == 4
    assert row["complaint_rate"] is None and row["delivery_rate"] is None
    assert [late["part"] for late in view("reputation_late_additions", order="part")] == [5, 6]


def test_a_bucket_without_its_key_is_set_aside_with_its_record(sink: WarehouseSink, view: View) -> None:
    good = samples.buckets(1, [samples.bucket(sent=1)])
    lacking = samples.buckets(
        2, [samples.bucket("b.example.com", sent=1), samples.bucket(sent=9) | {"tenant": None}]
    )
    values = [lacking, good]
    loaded = sink.load(cut(values, 0, 2, "reputation.buckets"), mark(values, 2, "reputation.buckets"))
    ((index, reason),) = loaded.bad
    assert index == 0 and "tenant=None" in reason
    assert [row["sent"] for row in view("reputation_days")] == [1]


def test_a_record_of_another_topic_is_set_aside(sink: WarehouseSink) -> None:
    values = [encode(samples.mail(1)), encode(samples.dead_letter(1))]
    loaded = sink.load(cut(values, 0, 2, "mail.events"), mark(values, 2, "mail.events"))
    assert loaded.bad == [(1, "DeadLetter does not belong in mail.events")]
    assert loaded.rows == 1


@pytest.mark.usefixtures("loaded")
def test_freshness_counts_each_record_once(sink: WarehouseSink, view: View) -> None:
    world = samples.world()
    for first in (0, 3, 11):
        values = world["mail.events"]
        sink.load(cut(values, first, 15, "mail.events"), mark(values, 15, "mail.events"))
    rows = {row["topic"]: row for row in view("freshness")}
    assert {topic: row["records"] for topic, row in rows.items()} == {t: len(v) for t, v in world.items()}
    assert rows["mail.events"]["recorded_until"] == utc(samples.START + 10 * samples.DAY + 1)
    assert all(row["bad"] == 0 for row in rows.values())


@pytest.fixture
def older() -> Iterator[Version]:
    """A version of MessageDeferred from before it knew campaigns and attempts."""
    now = latest(MessageDeferred)
    fields = [f for f in now.schema["fields"] if f["name"] not in ("campaign", "attempt")]
    version = Version(2_000_000, MessageDeferred, 0, {**now.schema, "fields": fields})
    versions()[version.id] = version
    yield version
    del versions()[version.id]


def test_what_an_older_writer_did_not_know_has_its_default(
    sink: WarehouseSink, view: View, older: Version
) -> None:
    event = samples.mail(2)
    assert isinstance(event, MessageDeferred)
    body = io.BytesIO()
    fastavro.schemaless_writer(body, parsed(older.id), event.__dict__)
    (newer,) = encode_rows(MessageDeferred, [samples.mail(14).__dict__])
    assert len(newer) > HEADER and without_logical_types(older.schema) != without_logical_types(
        latest(MessageDeferred).schema
    )
    samples.load_all(sink, {"mail.events": [frame_of(older.id) + body.getvalue(), newer]})
    rows = {str(row["event_id"]): row for row in view("mail_events")}
    assert len(rows) == 2
    assert rows[event.event_id]["attempt"] == 1
    assert rows[event.event_id]["campaign"] is None
    assert rows[event.event_id]["response"] == event.response


def test_names_a_view_that_is_not_there(warehouse: Warehouse) -> None:
    with pytest.raises(UnknownView, match="mail_events"):
        warehouse.view_sql("mails", 1)
