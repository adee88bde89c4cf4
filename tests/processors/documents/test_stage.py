import gzip
from collections.abc import Sequence

import pytest
from reports import document, mailed, packings, record, report, slice_of, zipped
from stage_conformance import MakeStage, StageConformance, merged, run, taken

from processors.documents.inspect import inspect
from processors.documents.limits import Limits
from processors.documents.reading import ReadingSettings
from processors.documents.stage import DocumentStage
from processors.stage import Emission, Slice
from schemas.codec import decode, encode
from schemas.dmarc import DmarcRecordReported, DmarcReportParsed
from schemas.documents import DocumentProcessed, DocumentReceived
from schemas.mail import MessageOpened

XML = report().encode()
CHANGED = report(record(count="9")).encode()


def no_blobs(tenant: str, sha256: str) -> bytes | None:
    return None


def various() -> list[DocumentReceived | bytes | None]:
    documents: list[DocumentReceived | bytes | None] = []
    contents = [
        XML,
        CHANGED,
        b"nothing",
        report(report_id="r-2").encode(),
        *packings(XML).values(),
        CHANGED,
        XML[:-300],
    ]
    for number, content in enumerate(contents):
        documents.append(document(content, f"receipt-{number}", recorded_at=1_709_800_000_000 + number % 7))
    documents.insert(5, None)
    documents.append(
        document(zipped(("a.xml", XML), ("b.xml", report(report_id="r-3").encode())), "receipt-zip")
    )
    return documents


class TestContract(StageConformance):
    @pytest.fixture
    def make_stage(self) -> MakeStage:
        return lambda: DocumentStage(no_blobs)

    @pytest.fixture
    def slices(self) -> Sequence[Slice]:
        documents = various()
        return [slice_of(documents[i : i + 4], i) for i in range(0, len(documents), 4)]


def outcomes(emissions: Sequence[Emission]) -> list[DocumentProcessed]:
    decoded = [decode(e.value) for e in emissions if e.topic == "documents.outcomes"]
    return [event for event in decoded if isinstance(event, DocumentProcessed)]


def facts(emissions: Sequence[Emission]) -> list[DmarcReportParsed | DmarcRecordReported]:
    decoded = [decode(e.value) for e in emissions if e.topic == "dmarc.records"]
    return [event for event in decoded if isinstance(event, (DmarcReportParsed, DmarcRecordReported))]


def emitted(*documents: DocumentReceived, stage: DocumentStage | None = None) -> list[Emission]:
    return run(stage or DocumentStage(no_blobs), [slice_of(list(documents))])


def test_a_report_gives_its_outcome_and_its_events_under_their_keys() -> None:
    emissions = emitted(document(XML, tenant="acme"))
    assert [(e.topic, e.key) for e in emissions] == [
        ("documents.outcomes", b"acme/receipt-1"),
        ("dmarc.records", b"acme/example.com"),
        ("dmarc.records", b"acme/example.com"),
        ("dmarc.records", b"acme/example.com"),
    ]
    assert {e.recorded_at for e in emissions} == {1_709_800_000_500}
    (outcome,) = outcomes(emissions)
    assert (outcome.outcome, outcome.records, outcome.receipt_id) == ("parsed", 2, "receipt-1")
    for event in facts(emissions):
        assert (event.tenant, event.source, event.channel, event.receipt_id) == (
            "acme",
            "file",
            "upload",
            "receipt-1",
        )
        assert (event.occurred_at, event.recorded_at) == (1_709_683_200_000, 1_709_800_000_500)


def test_what_is_encoded_without_checking_is_what_checking_gives() -> None:
    for content in (XML, mailed(("r.xml", XML))):
        emissions = emitted(document(content, source="inspect", channel=None, recorded_at=0))
        checked = [encode(event) for found in inspect(content, None).documents for event in found.events]
        receipts = [decode(e.value).model_copy(update={"receipt_id": None}) for e in emissions[1:]]
        assert [event.model_copy(update={"receipt_id": None}) for event in map(decode, checked)] == receipts


def test_the_same_report_by_another_channel_is_a_duplicate() -> None:
    emissions = emitted(document(XML, "one"), document(gzip.compress(XML), "two", channel="imap"))
    first, second = outcomes(emissions)
    assert (first.outcome, second.outcome, second.records) == ("parsed", "duplicate", 0)
    assert len(facts(emissions)) == 3


def test_the_same_report_gives_the_same_ids_whoever_brings_it() -> None:
    by_file, by_mail = (
        facts(emitted(document(XML, "one"))),
        facts(emitted(document(mailed(("r", XML)), "two"))),
    )
    assert [event.event_id for event in by_file] == [event.event_id for event in by_mail]


def test_other_content_under_the_same_identity_is_kept_as_a_conflict() -> None:
    emissions = emitted(document(XML, "one"), document(CHANGED, "two"), document(CHANGED, "three"))
    assert [o.outcome for o in outcomes(emissions)] == ["parsed", "conflict", "duplicate"]
    assert outcomes(emissions)[1].records == 1
    assert [event.is_conflict for event in facts(emissions)] == [False] * 3 + [True] * 2
    assert len({event.event_id for event in facts(emissions)}) == 5


def test_tenants_do_not_see_each_others_reports() -> None:
    emissions = emitted(document(XML, "one", tenant="a"), document(XML, "two", tenant="b"))
    assert [o.outcome for o in outcomes(emissions)] == ["parsed", "parsed"]


def test_duplicates_are_known_after_a_restart() -> None:
    stage = DocumentStage(no_blobs)
    flush = taken(stage, slice_of([document(XML, "one")]))
    again = DocumentStage(no_blobs)
    again.restore(merged([flush]).items())
    emissions = emitted(document(XML, "two"), document(CHANGED, "three"), stage=again)
    assert [o.outcome for o in outcomes(emissions)] == ["duplicate", "conflict"]


def test_large_documents_come_from_the_blob_store() -> None:
    asked = []

    def blobs(tenant: str, sha256: str) -> bytes | None:
        asked.append((tenant, sha256))
        return XML

    received = document(XML, content=None)
    emissions = emitted(received, stage=DocumentStage(blobs))
    assert asked == [("default", received.sha256)]
    assert outcomes(emissions)[0].outcome == "parsed"


def test_a_missing_blob_is_rejected_and_named() -> None:
    received = document(XML, content=None)
    (outcome,) = outcomes(emitted(received))
    assert outcome.outcome == "rejected"
    assert outcome.reason == f"blob default/{received.sha256} is missing"


def test_a_document_too_large_is_not_even_fetched() -> None:
    def blobs(tenant: str, sha256: str) -> bytes | None:
        raise AssertionError("asked for")

    (outcome,) = outcomes(
        emitted(
            document(XML, content=None),
            stage=DocumentStage(blobs, ReadingSettings(Limits(document_bytes=10))),
        )
    )
    assert "limit document_bytes" in str(outcome.reason)


def test_a_record_of_another_type_is_a_dead_letter() -> None:
    opened = MessageOpened(message_id="m", occurred_at=0)
    emissions = run(DocumentStage(no_blobs), [slice_of([encode(opened), document(XML)])])
    assert [e.topic for e in emissions][:2] == ["dead.letters", "documents.outcomes"]


def test_a_document_with_an_impossible_field_is_a_dead_letter() -> None:
    impossible = document(XML).model_copy(update={"tenant": "", "size": -1})
    emissions = run(DocumentStage(no_blobs), [slice_of([encode(impossible), document(XML)])])
    assert [e.topic for e in emissions][:2] == ["dead.letters", "documents.outcomes"]


def test_the_tally_counts_duplicates() -> None:
    stage = DocumentStage(no_blobs)
    emitted(document(XML, "one"), document(XML, "two"), stage=stage)
    assert (stage.tally().taken, stage.tally().repeats, stage.tally().dead) == (2, 1, 0)
