"""One `<record>` of a report: the texts in it to the fields of DmarcRecordReported, or why it can't be one."""

from dataclasses import dataclass, field
from typing import Any

from processors.dmarc.words import Warnings, address, count, domain, prose, result, word


@dataclass(slots=True)
class RawRow:
    """The texts of one record as they stand, by element name."""

    ordinal: int
    texts: dict[str, str] = field(default_factory=dict)
    reasons: list[dict[str, str]] = field(default_factory=list)
    dkim: list[dict[str, str]] = field(default_factory=list)
    spf: list[dict[str, str]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    """Which of its parts it has, empty ones too."""


class BadRow(ValueError):
    """A record that says nothing countable; the message says why."""


def fields_of(row: RawRow, warnings: Warnings) -> dict[str, Any]:
    """The fields of a DmarcRecordReported that the record itself gives. Raises BadRow."""
    texts = row.texts
    source_ip = address(texts.get("source_ip"), warnings)
    if source_ip is None:
        raise BadRow(f"source_ip {_shown(texts.get('source_ip'))} is no address")
    messages = count(texts.get("count"), warnings)
    if messages is None:
        raise BadRow(f"count {_shown(texts.get('count'))} is no possible number of messages")
    for part in ("policy_evaluated", "auth_results"):
        if part not in row.seen:
            warnings.add(f"a record has no {part}")
    dkim, spf = result(texts.get("dkim"), warnings), result(texts.get("spf"), warnings)
    return {
        "ordinal": row.ordinal,
        "source_ip": source_ip,
        "count": messages,
        "disposition": word(texts.get("disposition"), warnings),
        "dkim": dkim,
        "spf": spf,
        "dmarc_pass": None if dkim is None and spf is None else "pass" in (dkim, spf),
        "header_from": domain(texts.get("header_from"), warnings),
        "envelope_from": word(texts.get("envelope_from"), warnings),
        "envelope_to": word(texts.get("envelope_to"), warnings),
        "reasons": [
            {
                "type": word(reason.get("type"), warnings) or "",
                "comment": prose(reason.get("comment"), warnings),
            }
            for reason in row.reasons
        ],
        "dkim_results": [
            {**_checked(each, warnings), "selector": word(each.get("selector"), warnings)}
            for each in row.dkim
        ],
        "spf_results": [
            {**_checked(each, warnings), "scope": word(each.get("scope"), warnings)} for each in row.spf
        ],
    }


def _checked(texts: dict[str, str], warnings: Warnings) -> dict[str, str | None]:
    return {
        "domain": word(texts.get("domain"), warnings) or "",
        "result": result(texts.get("result"), warnings) or "",
        "human_result": prose(texts.get("human_result"), warnings),
    }


def _shown(text: str | None) -> str:
    return "(missing)" if text is None else repr(text[:60])
