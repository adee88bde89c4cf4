"""Haraka's log to events: its own lines, joined by transaction, and the JSON of outbound-logger plugins.

Source: Haraka's docs/Logging.md and outbound/hmail.js. An own line is `[LEVEL] [uuid] [origin] words`, behind whatever time
syslog, the console or a container puts there, or logfmt (`level=… uuid=… source=… message=…`). The recipients of a transaction
are in lines of `[core]`, what became of a delivery in lines of `[outbound]`, which name the domain or the address. A line without
a time happened when it was read.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from processors.mta_logs.answers import answer_of, enhanced
from processors.mta_logs.facts import ADDRESS, Facts, key_part, mail_domain, message_id, text
from processors.mta_logs.open_messages import OpenMessage, OpenMessages
from processors.mta_logs.routes import Routes
from processors.mta_logs.taking import LONGEST_LINE, FileContext, LogSettings, Outcome, Row, Taken
from processors.mta_logs.times import BadTime, LogTimes, of_a_log
from schemas.mail import (
    MailEvent,
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    MessageExpired,
    MessageSent,
)

_TIME = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^ \]]{0,16}"
_OWN = re.compile(
    rf"(?:<\d{{1,3}}>)?(?:1 )?(?:({_TIME}) .{{0,200}}?)?\[([A-Z]+)\] \[([^\]]{{1,80}})\] \[([^\]]{{1,80}})\] ?(.*)"
).match
_LOGFMT = re.compile(
    rf"(?:({_TIME}) .{{0,200}}?)?level=([A-Z]+) uuid=(\S{{1,80}}) source=(\S{{1,80}}) message=(.*)"
).match
_HEAD = re.compile(rf"(?:<\d{{1,3}}>)?(?:1 )?({_TIME}) ").match
_SENDER = re.compile(rf"sender <({ADDRESS})>").match
_RECIPIENT = re.compile(rf"recipient <({ADDRESS})>(?: code=(\w+)| (rejected|deferred): (.*))").match
_DELIVERED = re.compile(
    r'delivered file=\S* domain="([^"\\ ]*)" host="([^"\\ ]*)" ip=\S* port=\S* mode=\S* tls=\S* auth=\S* '
    r'response="([^"\\]*)" delay=([\d.]{1,15}) '
).match
"""The usual line of a delivery; what is quoted otherwise is read pair by pair."""
_PAIR = re.compile(r'(?<![A-Za-z_])([A-Za-z_]++(?: file)?)=("(?:[^"\\]|\\.)*"|\S*)')
_TEMPFAIL = re.compile(r"Temp failing \S+ for [\d.]+ seconds?: (.*)").match
_BOUNCING = re.compile(r"[Bb]ouncing mail: (.*)").match
_IDENTIFIED = re.compile(r'message mid="?(<[^\s"<>]{1,998}>|[^\s"<>]{1,998})').match


class HarakaReader:
    """Reads Haraka's log; `processors.mta_logs.taking.LogReader`."""

    def __init__(self, settings: LogSettings, facts: Facts) -> None:
        self._facts, self._routes = facts, Routes(settings)
        self._times = LogTimes(settings.zone)
        self._open = OpenMessages(settings.most_open, settings.longest_open_ms)
        self._events: list[tuple[type[MailEvent], Row]] = []

    def take(self, lines: str, file: FileContext, now: int) -> Taken:
        """See `LogReader.take`."""
        taken = Taken()
        self._events = taken.events
        counts = {"told": 0, "joined": 0, "noted": 0, "skipped": 0}
        for index, given in enumerate(lines.removesuffix("\n").split("\n")):
            line = given.rstrip("\r")
            try:
                if len(line) > LONGEST_LINE:
                    raise _Damaged("longer than a line may be")
                counts[self._line(line, file, now)] += 1
            except (_Damaged, BadTime) as error:
                taken.damaged.append((index, str(error)))
        taken.given_up = self._open.keep_within(file.line_time or now)
        taken.counts = {**counts, "damaged": len(taken.damaged)}
        return taken

    def changes(self) -> Mapping[str, bytes | None]:
        """See `LogReader.changes`."""
        return self._open.changes()

    def restore(self, chunks: Mapping[str, bytes]) -> None:
        """See `LogReader.restore`."""
        self._open.restore(chunks)

    def forget_recipients(self) -> None:
        """See `LogReader.forget_recipients`."""
        self._facts.forget_recipients()
        self._open.forget_recipients()

    def _line(self, line: str, file: FileContext, now: int) -> Outcome:
        if not line.strip():
            return "skipped"
        found = _OWN(line) or _LOGFMT(line)
        if '"job_id"' in line:
            # Behind a head of Haraka's own it is all that the line says: a server's answer may quote such a one.
            logged = found[5] if found else line[max(0, line.find("{")) :]
            if logged.startswith("{"):
                return self._json(logged, file)
        if found is None:
            if _HEAD(line) or line[0] in " \t":
                return "skipped"
            if "[outbound]" in line or "source=outbound" in line:
                raise _Damaged("a line of outbound, of which no head can be read")
            return "skipped"
        stamp, _, uuid, origin, words = found.groups()
        if stamp:
            file.line_time = at = self._times.read(stamp, file.line_time, now)
        else:
            at = file.line_time or now
        if uuid == "-" or uuid == "no_connection":
            return "noted"
        if origin == "core" or origin == "haraka_core" or origin == "haraka":
            return self._received(at, uuid, words)
        if origin.startswith("outbound"):
            return self._outbound(at, uuid, words)
        return "noted"

    def _received(self, at: int, uuid: str, words: str) -> Outcome:
        if found := _SENDER(words):
            self._open.opened(uuid, at).mail_from = self._facts.domain(found[1])
            return "joined"
        if (found := _RECIPIENT(words)) and found[2] in ("OK", "CONT"):
            message = self._open.opened(uuid, at)
            hashed, domain = self._facts.recipient(found[1])
            if message.recipients is None:
                message.recipients = {}
            message.recipients.setdefault(hashed or found[1].rpartition("@")[2], [0, domain, None, None])
            return "joined"
        if uuid in self._open.found and (found := _IDENTIFIED(words)):
            self._open.opened(uuid, at).message_id = message_id(found[1])
            return "joined"
        return "noted"

    def _outbound(self, at: int, uuid: str, words: str) -> Outcome:
        if (found := _RECIPIENT(words)) and found[3]:
            return self._one_refused(at, uuid, found[1], found[3], found[4])
        if words.startswith(("delivered file=", '"delivered file"=')) or "delivered file=" in words[:20]:
            return self._delivered(at, uuid, words)
        if found := _TEMPFAIL(words):
            return self._all_refused(at, uuid, MessageDeferred, found[1])
        if found := _BOUNCING(words):
            if found[1].startswith("Some recipients failed"):
                return "noted"
            late = found[1].startswith("Too many failures")
            return self._all_refused(at, uuid, MessageExpired if late else MessageBounced, found[1])
        if words.startswith("recipient <") and (" rejected: " in words or " deferred: " in words):
            raise _Damaged("a recipient whose address can't be told from the rest of the line")
        if words.startswith("delivered"):
            raise _Damaged("a delivery, of which the line does not say what it should")
        return "noted"

    def _delivered(self, at: int, uuid: str, words: str) -> Outcome:
        if usual := _DELIVERED(words):
            name, host, response, delay = usual.groups()
        else:
            name, host, response, delay = _pairs(words)
        domain = mail_domain(name)
        transaction, message = self._transaction(uuid, at)
        try:
            latency = max(0, int(float(delay) * 1000))
        except (ValueError, OverflowError):
            latency = None
        answer = answer_of(response)
        whom = self._of(message, domain)
        for hashed in whom or (None,):
            row = self._attempted(MessageDelivered, at, transaction, uuid, message, hashed, domain, host)
            row["smtp_code"], row["response"] = answer.smtp_code or 250, answer.response
            row["latency_ms"] = latency
            self._events.append((MessageDelivered, row))
            self._done(transaction, message, hashed)
        return "told"

    def _one_refused(self, at: int, uuid: str, address: str, how: str, words: str) -> Outcome:
        transaction, message = self._transaction(uuid, at)
        hashed, domain = self._facts.recipient(address)
        record = MessageBounced if how == "rejected" else MessageDeferred
        self._refused(record, at, transaction, uuid, message, hashed, domain, words, address)
        return "told"

    def _all_refused(self, at: int, uuid: str, record: type[MailEvent], words: str) -> Outcome:
        transaction, message = self._transaction(uuid, at)
        words = words.removeprefix("Error: ").removeprefix("Upstream error: ")
        domains = list(dict.fromkeys(kept[1] for kept in (message.recipients or {}).values()))
        # A transaction's deliveries are numbered, one for each domain; with a single one left there is no question.
        ordinal = uuid[len(transaction) + 1 :]
        if len(domains) > 1:
            at_least = int(ordinal) - 1 if ordinal.isdigit() and len(ordinal) < 6 else 0
            domains = domains[min(at_least, len(domains) - 1) :][:1]
        whom: list[tuple[str | None, str | None]] = [
            (hashed, domain) for domain in domains for hashed in self._of(message, domain)
        ]
        for hashed, domain in whom or [(None, None)]:
            self._refused(record, at, transaction, uuid, message, hashed, domain, words, "")
        return "told"

    def _refused(
        self,
        record: type[MailEvent],
        at: int,
        transaction: str,
        uuid: str,
        message: OpenMessage,
        hashed: str | None,
        domain: str | None,
        words: str,
        address: str,
    ) -> None:
        row = self._attempted(record, at, transaction, uuid, message, hashed, domain, "")
        waiting = message.recipients if message.recipients is not None else {}
        kept = waiting.setdefault(hashed or "", [0, domain, None, None])
        kept[0] += 1
        message.recipients = waiting
        if record is MessageExpired:
            row["attempts"] = kept[0]
        else:
            answer = answer_of(words, address)
            row["smtp_code"], row["response"] = answer.smtp_code, answer.response
            row["enhanced_code"] = answer.enhanced_code
        if record is MessageDeferred:
            row["attempt"] = kept[0]
        self._events.append((record, row))
        if record is not MessageDeferred:
            self._done(transaction, message, hashed)

    def _attempted(
        self,
        record: type[MailEvent],
        at: int,
        transaction: str,
        uuid: str,
        message: OpenMessage,
        hashed: str | None,
        domain: str | None,
        host: str,
    ) -> Row:
        """The row of an attempt; before the first of a recipient, the message is told as sent."""
        shared = self._shared(transaction, message, hashed, domain, host)
        beginning = f"{key_part(transaction)}/{hashed}"
        kept = (message.recipients or {}).get(hashed or "")
        if kept is None or kept[0] == 0:
            sent = f"{beginning}/{message.first}/sent"
            self._events.append((MessageSent, self._row(MessageSent, message.first, sent, shared)))
        delivery = key_part(f"{uuid}/{shared['mx_host']}")
        return self._row(record, at, f"{beginning}/{at}/{delivery}", shared)

    def _shared(
        self, transaction: str, message: OpenMessage, hashed: str | None, domain: str | None, host: str
    ) -> Row:
        """What the events of one recipient have in common."""
        return {
            "provider_message_id": text(transaction),
            "message_id": message.message_id,
            "recipient_hash": hashed,
            **self._routes[domain, message.mail_from, "", host, "", "", ""],
        }

    def _row(self, record: type[MailEvent], at: int, source: str, shared: Row) -> Row:
        source = source[:2048]
        event_id = self._facts.id_of(record, source)
        return {"occurred_at": at, "source_event_id": source, "event_id": event_id, **shared}

    def _transaction(self, uuid: str, at: int) -> tuple[str, OpenMessage]:
        """The transaction of a delivery: its uuid without the delivery's number, where that is known."""
        without = uuid.rpartition(".")[0]
        known = without if without in self._open.found or uuid.count(".") > 1 else uuid
        return known, self._open.opened(known, at)

    def _of(self, message: OpenMessage, domain: str | None) -> list[str]:
        return [hashed for hashed, kept in (message.recipients or {}).items() if kept[1] == domain and hashed]

    def _done(self, transaction: str, message: OpenMessage, hashed: str | None) -> None:
        waiting = message.recipients
        if waiting is not None:
            waiting.pop(hashed or "", None)
        if not waiting:
            self._open.close(transaction)

    def _json(self, line: str, file: FileContext) -> Outcome:
        try:
            said = orjson.loads(line)
            kind, job, recipient = said["type"], str(said["job_id"]), str(said["recipient"])
            at = file.line_time = self._moment(said["time"])
        except orjson.JSONDecodeError as error:
            raise _Damaged(f"no JSON: {error.msg[:80]}") from None
        except (KeyError, TypeError, OverflowError) as error:
            raise _Damaged(
                f"no line of an outbound logger: {type(error).__name__} {str(error)[:80]}"
            ) from None
        record = _KINDS.get(kind) if isinstance(kind, str) else None
        if record is None:
            raise _Damaged(f"a line of a type that is not known: {str(kind)[:40]}")
        hashed, domain = self._facts.recipient(recipient.strip("<>"))
        mail_from = self._facts.domain(str(said.get("from") or "").strip("<>"))
        queued = self._moment(said["queue_time"]) if said.get("queue_time") else at
        message = OpenMessage(queued)
        message.mail_from = mail_from
        shared = self._shared(job, message, hashed, domain, str(said.get("smtp_host") or ""))
        beginning = f"{key_part(job)}/{hashed}"
        events: list[tuple[type[MailEvent], Row]] = []
        if record is not MessageDeferred:
            events.append((MessageSent, self._row(MessageSent, queued, f"{beginning}/{queued}/sent", shared)))
        status = key_part(str(said.get("dsn_status") or ""))
        row = self._row(record, at, f"{beginning}/{at}/{status}", shared)
        words: Any = (
            said.get("smtp_response") if record is MessageDelivered else said.get("undelivered_reason")
        )
        answer = answer_of(str(words or ""), recipient)
        row["smtp_code"], row["response"] = answer.smtp_code, answer.response
        if record is MessageDelivered:
            row["latency_ms"] = max(0, at - queued)
        else:
            status = said.get("dsn_status")
            row["enhanced_code"] = (
                enhanced(status if isinstance(status, str) else None) or answer.enhanced_code
            )
        self._events += [*events, (record, row)]
        return "told"

    def _moment(self, given: Any) -> int:
        if isinstance(given, int | float):
            return of_a_log(int(given))
        return self._times.iso(str(given))


class _Damaged(ValueError):
    """A line that was meant to be understood, and can't be."""


def _pairs(words: str) -> tuple[str, str, str, str]:
    """A delivery's domain, host, response and delay."""
    said: dict[str, str] = {}
    for name, value in _PAIR.findall(words):
        said.setdefault(name, value.strip('"'))  # A server's answer comes after whom it is about.
    if "domain" not in said:
        raise _Damaged("a delivery, of which the line does not say what it should")
    return said["domain"], said.get("host", ""), said.get("response", ""), said.get("delay", "0")


_KINDS: dict[str, type[MailEvent]] = {
    "delivered": MessageDelivered,
    "deferred": MessageDeferred,
    "bounced": MessageBounced,
}
