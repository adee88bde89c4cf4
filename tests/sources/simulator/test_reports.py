import gzip
from dataclasses import dataclass, replace
from xml.etree import ElementTree

import polars as pl
import pytest

from processors.dmarc.report import parse_report
from schemas.codec import decode
from schemas.documents import DocumentReceived
from schemas.mail import MessageBounced, MessageDelivered
from sources.simulator import Document, Scenario, document_records, simulate
from sources.simulator.providers import PROVIDERS

DAY = 86_400_000
SCENARIO = Scenario(
    seed=5, days=4, domains=10, messages_per_day=6_000, incidents="all", repeat_share=0.0, settle=True
)


@dataclass
class Told:
    documents: list[Document]
    judged: pl.DataFrame
    ips: frozenset[str]


@pytest.fixture(scope="module")
def told() -> Told:
    documents, judged = [], []
    for part in simulate(SCENARIO):
        documents += part.documents
        for record in (MessageDelivered, MessageBounced):
            if record in part.frames:
                frame = part.frames[record]
                if record is MessageBounced:
                    frame = frame.filter(~pl.col("is_async"))
                judged.append(
                    frame.select("occurred_at", "recipient_domain", "from_domain", "ip", "dkim_selector")
                )
    new = {i.identity for i in SCENARIO.truth() if i.kind == "new_legitimate_source"}
    return Told(documents, pl.concat(judged), SCENARIO.world().addresses | new)


def parsed(document: Document) -> ElementTree.Element:
    root = ElementTree.fromstring(gzip.decompress(document.content))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def test_the_reports_add_up_to_the_traffic(told: Told) -> None:
    reporter_of = {m.domain: m.reporter.domain for p in PROVIDERS for m in p.mailboxes if m.reporter}
    rows = []
    for document in told.documents:
        root = parsed(document)
        day = int(root.findtext("report_metadata/date_range/begin") or 0) * 1000 // DAY
        for record in root.iter("record"):
            ip = record.findtext("row/source_ip") or ""
            if ip in told.ips:
                rows.append((
                    document.receiver, day, ip, record.findtext("identifiers/header_from"),
                    record.findtext("auth_results/dkim/selector"), int(record.findtext("row/count") or 0),
                ))  # fmt: skip
    keys = ["receiver", "day", "ip", "from_domain", "dkim_selector"]
    reported = (
        pl.DataFrame(rows, schema=[*keys, "count"], orient="row").group_by(keys).agg(pl.col("count").sum())
    )
    traffic = (
        told.judged.filter(pl.col("recipient_domain").is_in(list(reporter_of)))
        .with_columns(
            receiver=pl.col("recipient_domain").replace(reporter_of), day=pl.col("occurred_at") // DAY
        )
        .group_by(keys)
        .agg(count=pl.len().cast(pl.Int64))
    )
    assert traffic.height > 200
    assert reported.sort(keys).rows() == traffic.select(reported.columns).sort(keys).rows()


def test_names_and_times_are_those_of_the_content(told: Told) -> None:
    assert len({document.name for document in told.documents}) == len(told.documents)
    for document in told.documents:
        root = parsed(document)
        receiver, domain, begin, end, rest = document.name.split("!")
        assert rest == f"{root.findtext('report_metadata/report_id')}.xml.gz"
        assert (receiver, domain) == (document.receiver, document.policy_domain)
        assert domain == root.findtext("policy_published/domain")
        assert begin == root.findtext("report_metadata/date_range/begin")
        assert end == root.findtext("report_metadata/date_range/end")
        assert int(begin) % 86_400 == 0 and int(end) - int(begin) in (86_399, 86_400)
        assert 0 < document.received_at - (int(begin) + 86_400) * 1000 < 14 * 3_600_000


def test_results_agree_with_each_other(told: Told) -> None:
    seen = set()
    for document in told.documents:
        root = parsed(document)
        new = b"urn:ietf:params:xml:ns:dmarc-2.0" in gzip.decompress(document.content)
        assert root.tag == "feedback" and root.find("record") is not None
        for record in root.iter("record"):
            said = {
                name: record.findtext(f"row/policy_evaluated/{name}")
                for name in ("disposition", "dkim", "spf")
            }
            reason = record.findtext("row/policy_evaluated/reason/type")
            passing = "pass" in (said["dkim"], said["spf"])
            if said["dkim"] == "pass":
                assert record.findtext("auth_results/dkim/result") == "pass"
            if said["spf"] == "pass":
                assert record.findtext("auth_results/spf/result") == "pass"
            assert said["disposition"] in (("pass",) if new else ("none",)) if passing else (
                "none", "quarantine", "reject",
            )  # fmt: skip
            seen.add((new, said["disposition"], reason))
    assert {new for new, _, _ in seen} == {True, False}
    assert (
        {"none", "quarantine", "reject", "pass"}
        >= {disposition for _, disposition, _ in seen}
        >= {"none", "pass"}
    )
    assert {reason for _, _, reason in seen} >= {None, "mailing_list"}


def test_the_parser_reads_every_record_without_a_warning(told: Told) -> None:
    formats = set()
    for document in told.documents:
        report = parse_report(gzip.decompress(document.content))
        assert (report.policy_domain, report.warnings, report.is_partial) == (
            document.policy_domain,
            (),
            False,
        )
        assert len(report.rows) == len(list(parsed(document).iter("record")))
        formats.add(report.format)
    assert formats == {"rfc7489", "rfc9990"}


def test_forwarders_and_spoofers_are_there(told: Told) -> None:
    others = {"203.0.113.": 0, "198.18.": 0, "198.19.": 0}
    for document in told.documents:
        for record in parsed(document).iter("record"):
            ip = record.findtext("row/source_ip") or ""
            if ip not in told.ips:
                (prefix,) = (prefix for prefix in others if ip.startswith(prefix))
                others[prefix] += int(record.findtext("row/count") or 0)
                assert record.findtext("row/policy_evaluated/spf") == "fail"
    assert min(others.values()) > 10


def test_documents_are_whole_records() -> None:
    some = next(part.documents for part in simulate(SCENARIO) if part.documents)[:20]
    for document, record in zip(some, document_records("acme", some), strict=True):
        assert record.value is not None
        event = decode(record.value)
        assert isinstance(event, DocumentReceived)
        assert record.key == f"acme/{document.receipt_id}".encode()
        assert (event.content, event.name) == (document.content, document.name)
        assert event.recorded_at == record.timestamp == document.received_at


def test_some_reports_arrive_twice() -> None:
    documents = [d for part in simulate(replace(SCENARIO, repeat_share=0.2)) for d in part.documents]
    names = {document.name: document.content for document in documents}
    assert 0.1 < 1 - len(names) / len(documents) < 0.3
    assert len({document.receipt_id for document in documents}) == len(documents)
    assert all(names[document.name] == document.content for document in documents)
