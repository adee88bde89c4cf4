"""PowerMTA's accounting files (CSV) to events.

Source: PowerMTA User's Guide, 'Accounting'. The first line names the columns, in any order. A message is told as sent with
what became of it for good (`d`, `b`), with the time it was queued: by default there are no other records. Nothing is kept from line
to line.
"""

import csv
from collections.abc import Callable, Mapping
from typing import Any

from processors.classification.providers import provider_of
from processors.mta_logs.answers import answer_of, enhanced
from processors.mta_logs.facts import Facts, header_domain, ip, key_part, mail_domain, message_id, text
from processors.mta_logs.taking import LONGEST_LINE, FileContext, LogSettings, Row, Taken
from processors.mta_logs.times import BadTime, LogTimes, of_a_log
from schemas.mail import (
    ComplaintReceived,
    MailEvent,
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    MessageExpired,
    MessageSent,
)

_TYPES: dict[str, type[MailEvent] | None] = {
    "d": MessageDelivered, "delivery": MessageDelivered,
    "b": MessageBounced, "bounce": MessageBounced,
    "t": MessageDeferred, "transient": MessageDeferred,
    "rb": MessageBounced, "remote-bounce": MessageBounced,
    "f": ComplaintReceived, "feedback-loop": ComplaintReceived, "feedback": ComplaintReceived,
    "r": None, "receipt": None, "tq": None, "transient-queue": None, "rs": None, "remote-status": None,
}  # fmt: skip
"""What a record's type is; None says nothing of a message that other records do not."""

_NAMES = (
    "type", "timelogged", "timequeued", "orig", "rcpt", "dsnstatus", "dsndiag", "dsnmta", "bouncecat", "dlvsourceip",
    "dlvsize", "vmta", "vmtapool", "jobid", "envid", "header_from", "header_message-id", "dlvtlsprotocol",
    "originalrcptto", "useragent", "feedbacktype", "dlvdestinationip",
)  # fmt: skip
Pick = Callable[[list[str]], tuple[str, ...]]


class PowerReader:
    """Reads PowerMTA's accounting files; `processors.mta_logs.taking.LogReader`."""

    def __init__(self, settings: LogSettings, facts: Facts) -> None:
        self._settings, self._facts = settings, facts
        self._times = LogTimes(settings.zone)
        self._picks: dict[str, tuple[int, Pick]] = {}

    def take(self, lines: str, file: FileContext, now: int) -> Taken:
        """See `LogReader.take`."""
        taken = Taken()
        told = noted = skipped = 0
        for index, given in enumerate(lines.removesuffix("\n").split("\n")):
            line = given.rstrip("\r")
            if not line:
                skipped += 1
                continue
            try:
                if len(line) > LONGEST_LINE:
                    raise _Damaged("longer than a line may be")
                if line.startswith(("type,", '"type",')):
                    file.header = line
                    noted += 1
                    continue
                if file.header is None:
                    raise _Damaged("no line before it names the columns")
                width, pick = self._picks.get(file.header) or self._columns(file.header)
                cells = line.split(",") if '"' not in line else _quoted(line)
                if len(cells) != width:
                    raise _Damaged(f"{len(cells)} columns, where the header names {width}")
                values = dict(zip(_NAMES, pick(cells), strict=True))
                if values["type"] not in _TYPES:
                    raise _Damaged(f"a record of a type that is not known: {values['type'][:40]}")
                record = _TYPES[values["type"]]
                if record is None:
                    noted += 1
                    continue
                self._tell(taken, record, values, file)
                told += 1
            except (_Damaged, BadTime) as error:
                taken.damaged.append((index, str(error)))
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

    def _columns(self, header: str) -> tuple[int, Pick]:
        names = [name.strip().lower() for name in _quoted(header)]
        places = [names.index(name) if name in names else None for name in _NAMES]
        if places[1] is None:
            raise _Damaged("the header names no column timeLogged")

        def pick(cells: list[str]) -> tuple[str, ...]:
            return tuple("" if place is None else cells[place] for place in places)

        if len(self._picks) > 100:
            self._picks.clear()
        self._picks[header] = found = len(names), pick
        return found

    def _tell(
        self, taken: Taken, record: type[MailEvent], values: Mapping[str, str], file: FileContext
    ) -> None:
        at = file.line_time = self._moment(values["timelogged"])
        recipient = values["rcpt"] or values["originalrcptto"]
        if not recipient and record is not ComplaintReceived:
            raise _Damaged("a record without a recipient")
        hashed, domain = self._facts.recipient(recipient)
        if record is MessageBounced and (
            values["bouncecat"] == "message-expired" or values["dsnstatus"].startswith("4.4.7")
        ):
            record = MessageExpired
        mx_host = mail_domain(values["dsnmta"].partition(" ")[0])
        mail_from = self._facts.domain(values["orig"])
        named = values["header_from"]
        shared: Row = {
            "message_id": message_id(values["header_message-id"]),
            "provider_message_id": text(values["envid"]),
            "recipient_hash": hashed,
            "recipient_domain": domain,
            "mail_from_domain": mail_from,
            "from_domain": (named and header_domain(named)) or self._from_domain(mail_from),
            "mx_host": mx_host,
            "provider": provider_of(mx_host, domain),
            "ip": ip(values["dlvsourceip"]),
            "pool": text(values["vmtapool"] or values["vmta"], 256),
            "campaign": text(values["jobid"], 256),
        }
        message = key_part(values["header_message-id"] or values["envid"] or values["jobid"])
        remote = values["type"] in ("rb", "remote-bounce")
        if record is not ComplaintReceived and record is not MessageDeferred and not remote:
            queued = self._moment(values["timequeued"]) if values["timequeued"] else at
            self._add(taken, MessageSent, shared, queued, f"{message}/{hashed}/{queued}/sent", {
                "size": _whole(values["dlvsize"]),
            })  # fmt: skip
        own = self._own(record, values, recipient, at, remote)
        relay, status = (
            key_part(values["dlvdestinationip"] or values["dsnmta"]),
            key_part(values["dsnstatus"]),
        )
        key = f"{message}/{hashed}/{at}/{relay}/{status}"
        self._add(taken, record, shared, at, key, own)

    def _own(
        self, record: type[MailEvent], values: Mapping[str, str], recipient: str, at: int, remote: bool
    ) -> Row:
        if record is MessageExpired:
            return {}
        if record is ComplaintReceived:
            return {
                "feedback_type": text(values["feedbacktype"].lower(), 256) or "abuse",
                "user_agent": text(values["useragent"]),
            }
        said = values["dsndiag"]
        answer = answer_of(said.partition(";")[2].strip() if said.startswith("smtp;") else said, recipient)
        own: dict[str, Any] = {"smtp_code": answer.smtp_code, "response": answer.response}
        if record is MessageDelivered:
            own["tls_version"] = text(values["dlvtlsprotocol"], 256)
            if values["timequeued"]:
                own["latency_ms"] = max(0, at - self._moment(values["timequeued"]))
            return own
        status = values["dsnstatus"].partition(" ")[0]
        own["enhanced_code"] = answer.enhanced_code or enhanced(status)
        if record is MessageBounced:
            own["is_async"] = remote
        return own

    def _add(self, taken: Taken, record: type[MailEvent], shared: Row, at: int, key: str, own: Row) -> None:
        source = key[:2048]
        taken.events.append(
            (
                record,
                {
                    "occurred_at": at,
                    "source_event_id": source,
                    "event_id": self._facts.id_of(record, source),
                    **shared,
                    **own,
                },
            )
        )

    def _from_domain(self, mail_from: str | None) -> str | None:
        if mail_from is None:
            return None
        return mail_from if self._settings.from_envelope else self._settings.from_domain

    def _moment(self, given: str) -> int:
        if given.isascii() and given.isdigit() and len(given) <= 10:
            return of_a_log(int(given) * 1000)
        return self._times.iso(given)


class _Damaged(ValueError):
    """A line that can't be understood."""


def _quoted(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True))
    except (csv.Error, StopIteration) as error:
        raise _Damaged(f"no line of CSV: {error}") from None


def _whole(number: str) -> int | None:
    return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None
