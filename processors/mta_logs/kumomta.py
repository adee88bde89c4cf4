"""KumoMTA's log records, JSON a line, to events.

Source: docs.kumomta.com/reference/log_record and crates/kumo-log-types of KumoMTA. A record tells all of its fact: nothing
is kept from line to line. Headers are there where `configure_local_logs` names them: `From`, `Message-ID`.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import orjson

from processors.mails.fields import Fields
from processors.mta_logs.answers import Answer, answer_of, cleaned, enhanced
from processors.mta_logs.facts import Facts, key_part, message_id, text, words
from processors.mta_logs.records import RecordReader
from processors.mta_logs.taking import LONGEST_LINE, FileContext, LogSettings, Row, Taken, Told
from processors.mta_logs.times import BadTime, of_a_log
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
_COMING_IN = frozenset(("Reception", "Rejection", "OOB", "Feedback"))
"""What a peer said to this server."""
_ABOUT_ANOTHER = frozenset(("OOB", "Feedback"))
"""A mail that tells of another: neither its headers nor its sender are that one's.

And a complaint's recipient is not who complained.
"""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class KumoReader(RecordReader):
    """Reads KumoMTA's log; `processors.mta_logs.taking.LogReader`."""

    def __init__(self, settings: LogSettings, facts: Facts) -> None:
        super().__init__(settings, facts)
        # What a mail tells of was sent from here, where it does not say by whom.
        self._own = f"@{settings.from_domain}" if settings.from_domain else ""

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
                file.line_time = at = self._moment(record.get("event_time") or record["timestamp"])
                given = record["recipient"]
                if isinstance(given, str):
                    taken.events.append((event, self._row(event, kind, record, at, given)))
                else:
                    taken.events += self._of_several(event, kind, record, at, given)
            except orjson.JSONDecodeError as error:
                taken.damaged.append((index, f"no JSON: {error.msg[:80]}"))
            except (_Damaged, BadTime) as error:
                taken.damaged.append((index, str(error)))
            except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
                taken.damaged.append(
                    (index, f"no log record of KumoMTA: {type(error).__name__} {str(error)[:80]}")
                )
            else:
                told += 1
        taken.counts = {"told": told, "noted": noted, "skipped": skipped, "damaged": len(taken.damaged)}
        return taken

    def _of_several(
        self, event: type[MailEvent], kind: str, record: dict[str, Any], at: int, recipients: list[Any]
    ) -> list[Told]:
        if not all(isinstance(recipient, str) for recipient in recipients):
            raise _Damaged("a recipient that is no address")
        return [(event, self._row(event, kind, record, at, recipient)) for recipient in recipients]

    def _row(self, event: type[MailEvent], kind: str, record: dict[str, Any], at: int, recipient: str) -> Row:
        facts, said = self._facts, record.get
        about_another = kind in _ABOUT_ANOTHER
        headers = said("headers") or _NOTHING if not about_another else _NOTHING
        report = said("feedback_report") or _NOTHING if kind == "Feedback" else _NOTHING
        sender = words(said("sender")) if not about_another else ""
        if report:
            recipient, headers = _complaining(report), _headers_of(words(report.get("original_message")))
            sender = words(report.get("original_mail_from")).strip(" <>")
        hashed, domain = facts.recipient(recipient)
        attempts = _count(said("num_attempts"))
        identity = str(record["id"])
        fact = f"{_node(said('nodeid'))}/{key_part(identity)}/{kind}/{at}/{hashed}/{attempts}"
        source = fact[:2048]
        outgoing = kind not in _COMING_IN
        peer, own = (said("peer_address"), said("source_address")) if outgoing else (None, None)
        queue = words(said("queue"))
        way = (
            domain,
            facts.domain(sender),
            headers.get("From") or headers.get("from") or (self._own if about_another and not sender else ""),
            peer.get("name") if peer else "",
            words(own.get("address")).rpartition(":")[0].strip("[]") if isinstance(own, dict) else "",
            said("egress_pool"),
            # As the meta data name it, else of the queue's name, `campaign:tenant@domain`.
            (said("meta") or _NOTHING).get("campaign") or (queue.partition(":")[0] if ":" in queue else ""),
        )
        try:
            shared = self._routes[way]
        except TypeError:  # One of them is a list, or the like.
            of_recipient, of_sender, *rest = way
            header, host, address, pool, campaign = map(words, rest)
            shared = self._routes[of_recipient, of_sender, header, host, address, pool, campaign]
        row: Row = {
            "occurred_at": at,
            "source_event_id": source,
            "event_id": facts.id_of(event, source),
            "provider_message_id": text(identity),
            "message_id": message_id(_header(headers, "Message-ID", "Message-Id", "message-id")),
            "recipient_hash": hashed,
            **shared,
        }
        if event is MessageSent:
            row["size"] = _count(said("size"))
        elif event is MessageExpired:
            row["attempts"] = attempts
        elif event is MessageDropped:
            row["reason"] = "other" if kind == "AdminBounce" else "policy"
        elif event is ComplaintReceived:
            row["feedback_type"] = text(words(report.get("feedback_type")).lower(), 256) or "abuse"
            row["user_agent"] = text(words(report.get("user_agent")))
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
        answer = _answer(record.get("response") or _NOTHING, recipient)
        row["smtp_code"], row["response"] = answer.smtp_code, answer.response
        if event is MessageDelivered:
            created = record.get("created_time", record.get("created"))
            if created is not None:
                row["latency_ms"] = max(0, at - self._moment(created))
            row["tls_version"] = text(words(record.get("tls_protocol_version")), 256)
        else:
            row["enhanced_code"] = answer.enhanced_code

    def _moment(self, given: Any) -> int:
        if isinstance(given, str):
            return self._times.iso(given)
        return _milliseconds(given)


def _headers_of(message: str) -> Mapping[str, Any]:
    """Who a message is from and its id; empty where it is redacted."""
    head = message[:65_536].replace("\r\n", "\n").partition("\n\n")[0]
    fields = Fields(head.encode("utf-8", "replace"))
    return {"From": fields.get("from"), "Message-ID": fields.get("message-id")}


def _complaining(report: Mapping[str, Any]) -> str:
    """Who complains: whom KumoMTA's own header (X-KumoRef) names, else whom the report does (`original_rcpto_to`, so spelled)."""
    trace = report.get("supplemental_trace")
    named = trace.get("recipient") if isinstance(trace, dict) else None
    for said in (named, report.get("original_rcpto_to"), report.get("original_rcpt_to")):
        first = said[0] if isinstance(said, list) and said else said
        if isinstance(first, str) and "@" in first:
            return first.strip(" <>")
    return ""


class _Damaged(ValueError):
    """A record that can't be understood."""


def _answer(response: Mapping[str, Any], recipient: str) -> Answer:
    """What was said: a code, an enhanced code of three numbers, and words."""
    code, content, parts = response.get("code"), words(response.get("content")), response.get("enhanced_code")
    if "\r" in content:
        content = content.replace("\r\n", "\n")
    if not parts:
        return answer_of(f"{code} {content}" if code and content else str(code or content), recipient)
    status, enhanced_code = _status(parts["class"], parts["subject"], parts["detail"])
    said = f"{status} {content}" if content else status
    if not code:
        return answer_of(said, recipient)
    said = f"{code} {said}"
    if isinstance(code, int) and 200 <= code <= 599:
        return Answer(code, enhanced_code, cleaned(said, recipient))
    return answer_of(said, recipient)


@lru_cache(1_000, typed=True)
def _node(name: Any) -> str:
    return key_part(str(name))


@lru_cache(20_000, typed=True)
def _milliseconds(seconds: Any) -> int:
    return of_a_log(int(seconds * 1000))


@lru_cache(2_000, typed=True)
def _status(of_class: Any, subject: Any, detail: Any) -> tuple[str, str | None]:
    """An enhanced status code as it is said, and as events hold it."""
    said = f"{of_class}.{subject}.{detail}"
    return said, enhanced(said)


def _header(headers: Mapping[str, Any], *names: str) -> str:
    for name in names:
        if value := headers.get(name):
            return words(value)
    return ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**31 else 0
