import gzip

import pytest
from reports import corpus, mailed, packings, report, zipped

from processors.documents.inspect import inspect
from processors.documents.limits import Limits
from processors.documents.reading import ReadingSettings
from schemas.dmarc import DmarcRecordReported, DmarcReportParsed
from schemas.record import Event

XML = report().encode()


def identified(events: tuple[Event, ...]) -> list[tuple[str, str | None]]:
    return [(event.event_id, event.source_event_id) for event in events]


@pytest.mark.parametrize("packing", packings(XML))
def test_the_same_report_gives_the_same_facts_however_packed(packing: str) -> None:
    (plain,) = inspect(XML, "r.xml").documents
    (found,) = inspect(packings(XML)[packing], None).documents
    assert identified(found.events) == identified(plain.events)
    assert len(found.events) == 3
    assert (found.outcome.kind, found.outcome.outcome, found.outcome.records) == (
        "dmarc-aggregate",
        "parsed",
        2,
    )
    assert found.outcome.reason is None


def test_every_real_report_becomes_its_events() -> None:
    for path in corpus():
        inspection = inspect(path.read_bytes(), path.name)
        (found,) = inspection.documents
        head, *records = found.events
        assert isinstance(head, DmarcReportParsed)
        assert all(isinstance(r, DmarcRecordReported) for r in records)
        assert head.records == len(records) == found.outcome.records == path.read_bytes().count(b"<record>")
        assert head.messages == sum(r.count for r in records if isinstance(r, DmarcRecordReported))
        assert {r.occurred_at for r in records} == {head.begin}
        assert found.outcome.sha256 == inspection.sha256


def test_two_reports_in_one_archive_are_two_documents() -> None:
    other = report(report_id="r-2").encode()
    found = inspect(mailed(("r.zip", zipped(("a.xml", XML), ("b.xml", other)))), "mail.eml").documents
    assert [(d.outcome.ordinal, d.outcome.member, d.outcome.outcome) for d in found] == [
        (0, "r.zip/a.xml", "parsed"),
        (1, "r.zip/b.xml", "parsed"),
    ]
    assert len({event.event_id for d in found for event in d.events}) == 6


def test_the_same_report_twice_in_one_archive_is_told_once() -> None:
    first, second = inspect(zipped(("a.xml", XML), ("b.xml", XML)), None).documents
    assert (first.outcome.outcome, second.outcome.outcome) == ("parsed", "duplicate")
    assert (second.events, second.outcome.records) == ((), 0)


def test_what_is_nothing_is_rejected_with_a_reason() -> None:
    for content in (b"", b"hello", b"\x89PNG\r\n", b'{"policies": []}'):
        (found,) = inspect(content, "x").documents
        assert (found.outcome.kind, found.outcome.outcome, found.outcome.member) == (
            "unknown",
            "rejected",
            None,
        )
        assert found.outcome.reason
        assert found.events == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "save the mail as .eml"),
        (b" \n", "it is empty"),
        (b"only words", "no mail"),
    ],
)
def test_what_is_strange_is_named(content: bytes, said: str) -> None:
    (found,) = inspect(content, None).documents
    assert found.outcome.outcome == "rejected"
    assert said in (found.outcome.reason or "")


def test_company_of_a_report_is_not_told() -> None:
    content = mailed(("logo.svg", b"<svg/>"), ("r.xml", XML), ("notes.txt", b"hello"))
    assert [d.outcome.outcome for d in inspect(content, None).documents] == ["parsed"]


def test_a_broken_neighbour_of_a_report_is_told() -> None:
    found = inspect(
        zipped(("a.xml", XML), ("b.xml", b"<feedback><!DOCTYPE x>"), ("c.gz", b"\x1f\x8b\x08")), None
    ).documents
    assert [d.outcome.outcome for d in found] == ["parsed", "rejected", "rejected"]
    assert all(d.outcome.reason for d in found[1:])


def test_a_damaged_packing_makes_it_partial() -> None:
    (found,) = inspect(gzip.compress(XML)[:-4], None).documents
    head = found.events[0]
    assert isinstance(head, DmarcReportParsed)
    assert head.is_partial
    assert (found.outcome.outcome, found.outcome.warnings) == ("partial", ("the gzip trailer is missing",))


def test_a_document_type_is_rejected_with_the_reason() -> None:
    text = XML.replace(b"<feedback>", b'<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]><feedback>')
    (found,) = inspect(gzip.compress(text), None).documents
    assert found.outcome.outcome == "rejected"
    assert "DOCTYPE" in str(found.outcome.reason)


def test_the_limit_of_records_is_one_document_wide() -> None:
    other = report(report_id="r-2").encode()
    found = inspect(
        zipped(("a.xml", XML), ("b.xml", other)), None, settings=ReadingSettings(Limits(records=3))
    ).documents
    assert [(d.outcome.outcome, d.outcome.records) for d in found] == [("parsed", 2), ("partial", 1)]


def test_tenants_have_their_own_facts() -> None:
    ours, theirs = inspect(XML, None, "a").documents[0], inspect(XML, None, "b").documents[0]
    assert not set(identified(ours.events)) & set(identified(theirs.events))
