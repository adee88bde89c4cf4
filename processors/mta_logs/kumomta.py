"""KumoMTA's log records, JSON a line, to events.

Source: docs.kumomta.com/reference/log_record and crates/kumo-log-types of KumoMTA. A record tells all of its fact: nothing
is kept from line to line. Headers are there where `configure_local_logs` names them: `From`, `Message-ID`.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from processors.classification.providers import provider_of
from processors.mta_logs.answers import answer_of
from processors.mta_logs.facts import Facts, header_domain, ip, key_part, mail_domain, message_id, text
from processors.mta_logs.taking import LONGEST_LINE, FileContext, LogSettings, Row, Taken
from processors.mta_logs.times import BadTime, LogTimes, of_a_log
from schemas.mail import (
    ComplaintReceived,
    MailEvent,
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    MessageDropped,
    MessageExpired,
    MessageSent,
)

_RECORDS: dict[str, type[MailEvent]] = {
    "Reception": MessageSent,
    "Delivery": MessageDelivered,
    "TransientFailure": MessageDeferred,
    "Bounce": MessageBounced,
    "OOB": MessageBounced,
    "AdminBounce": MessageDropped,
    "Expiration": MessageExpired,
    "Rejection": MessageDropped,
    "Feedback": ComplaintReceived,
}
_SAYS_NOTHING = frozenset(("AdminRebind", "DeferredInjectionRebind", "Delayed", "XferIn", "XferOut"))
"""Messages moved between queues and nodes: nothing came of them yet."""


class KumoReader:
    """Reads KumoMTA's log; `processors.mta_logs.taking.LogReader`."""

    def __init__(self, settings: LogSettings, facts: Facts) -> None:
        self._settings, self._facts = settings, facts
        self._times = LogTimes(settings.zone)

    def take(self, lines: str, file: FileContext, now: int) -> Taken:
        """See `LogReader.take`."""
        taken = Taken()
        told = noted = skipped = 0
        for index, line in enumerate(lines.removesuffix("\n").split("\n")):
            if not line.strip():
                skipped += 1
                continue
            try:
                if len(line) > LONGEST_LINE:
                    raise _Damaged("longer than a line may be")
                record = orjson.loads(line)
                kind = record["type"]
                event = _RECORDS.get(kind)
                if event is None:
                    if kind in _SAYS_NOTHING:
                        noted += 1
                        continue
                    raise _Damaged(f"a record of a type that is not known: {str(kind)[:40]}")
                rows = self._rows(event, kind, record, file)
            except orjson.JSONDecodeError as error:
                taken.damaged.append((index, f"no JSON: {error.msg[:80]}"))
            except (_Damaged, BadTime) as error:
                taken.damaged.append((index, str(error)))
            except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
                taken.damaged.append(
                    (index, f"no log record of KumoMTA: {type(error).__name__} {str(error)[:80]}")
                )
            else:
                taken.events += [(event, row) for row in rows]
                told += 1
        taken.counts = {"told": told, "noted": noted, "skipped": skipped, "damaged": len(taken.damaged)}
        return taken

    def changes(self) -> Mapping[str, bytes | None]:
        """See `LogReader.changes`."""
        return {}

    def restore(self, chunks: Mapping[str, bytes]) -> None:
        """See `LogReader.restore`."""

    def forget_recipients(self) -> None:
        """See `LogReader.forget_recipients`."""
        self._facts.forget_recipients()

    def _rows(
        self, event: type[MailEvent], kind: str, record: dict[str, Any], file: FileContext
    ) -> list[Row]:
        given = record["recipient"]
        recipients = [given] if isinstance(given, str) else list(given)
        if not all(isinstance(recipient, str) for recipient in recipients):
            raise _Damaged("a recipient that is no address")
        at = self._moment(record.get("event_time", record["timestamp"]))
        file.line_time = at
        return [self._row(event, kind, record, at, recipient) for recipient in recipients]

    def _row(self, event: type[MailEvent], kind: str, record: dict[str, Any], at: int, recipient: str) -> Row:
        facts, headers, meta = self._facts, record.get("headers") or {}, record.get("meta") or {}
        report = record.get("feedback_report") or {} if kind == "Feedback" else {}
        if report:
            recipient = _first(report.get("original_rcpt_to")) or recipient
        hashed, domain = facts.recipient(recipient)
        mail_from = facts.domain(str(record.get("sender") or ""))
        attempts = _count(record.get("num_attempts"))
        identity, peer = str(record["id"]), record.get("peer_address") or {}
        outgoing = kind not in ("Reception", "Rejection", "OOB", "Feedback")
        mx_host = mail_domain(str(peer.get("name") or "")) if outgoing else None
        node = key_part(str(record.get("nodeid")))
        source = f"{node}/{key_part(identity)}/{kind}/{at}/{hashed}/{attempts}"[:2048]
        row: Row = {
            "occurred_at": at,
            "source_event_id": source,
            "event_id": facts.id_of(event, source),
            "provider_message_id": text(identity),
            "message_id": message_id(_header(headers, "Message-ID", "Message-Id", "message-id")),
            "recipient_hash": hashed,
            "recipient_domain": domain,
            "mail_from_domain": mail_from,
            "from_domain": self._from_domain(headers, mail_from),
            "mx_host": mx_host,
            "provider": provider_of(mx_host, domain),
            "pool": text(str(record.get("egress_pool") or ""), 256),
            "campaign": _campaign(record, meta),
        }
        if outgoing:
            row["ip"] = _address(record.get("source_address"))
        if event is MessageSent:
            row["size"] = _count(record.get("size"))
        elif event is MessageExpired:
            row["attempts"] = attempts
        elif event is MessageDropped:
            row["reason"] = "other" if kind == "AdminBounce" else "policy"
        elif event is ComplaintReceived:
            row["feedback_type"] = text(str(report.get("feedback_type") or "abuse").lower(), 256)
            row["user_agent"] = text(str(report.get("user_agent") or ""))
            row["incidents"] = max(1, _count(report.get("incidents")))
        else:
            self._answered(row, event, record, recipient, at)
            if event is MessageDeferred:
                row["attempt"] = attempts + 1
            elif event is MessageBounced:
                row["is_async"] = kind == "OOB"
        return row

    def _answered(
        self, row: Row, event: type[MailEvent], record: dict[str, Any], recipient: str, at: int
    ) -> None:
        response = record.get("response") or {}
        code, words, parts = (
            response.get("code"),
            str(response.get("content") or ""),
            response.get("enhanced_code"),
        )
        enhanced = f"{parts['class']}.{parts['subject']}.{parts['detail']}" if parts else None
        said = " ".join(part for part in (str(code) if code else "", enhanced, words) if part)
        answer = answer_of(said.replace("\r\n", "\n"), recipient)
        row["smtp_code"] = answer.smtp_code
        row["response"] = answer.response
        if event is MessageDelivered:
            created = record.get("created_time", record.get("created"))
            if created is not None:
                row["latency_ms"] = max(0, at - self._moment(created))
            row["tls_version"] = text(str(record.get("tls_protocol_version") or ""), 256)
        else:
            row["enhanced_code"] = answer.enhanced_code

    def _from_domain(self, headers: Mapping[str, Any], mail_from: str | None) -> str | None:
        named = _header(headers, "From", "from")
        if named and (found := header_domain(named)):
            return found
        if mail_from is None:
            return None
        return mail_from if self._settings.from_envelope else self._settings.from_domain

    def _moment(self, given: Any) -> int:
        if isinstance(given, str):
            return self._times.iso(given)
        return of_a_log(int(given * 1000))


class _Damaged(ValueError):
    """A record that can't be understood."""


def _header(headers: Mapping[str, Any], *names: str) -> str:
    for name in names:
        value = headers.get(name)
        if value:
            return str(_first(value))
    return ""


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value or None


def _campaign(record: Mapping[str, Any], meta: Mapping[str, Any]) -> str | None:
    """Of the meta data, else of the queue's name, `campaign:tenant@domain`."""
    if named := meta.get("campaign"):
        return text(str(named), 256)
    campaign, colon, _ = str(record.get("queue") or "").partition(":")
    return text(campaign, 256) if colon else None


def _address(source: Any) -> str | None:
    """The IP address in `{"address": "192.0.2.1:25"}` or `[2001:db8::1]:25`."""
    if not isinstance(source, Mapping):
        return None
    host = str(source.get("address") or "").rpartition(":")[0].strip("[]")
    return ip(host)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**31 else 0
