"""PowerMTA's accounting files (CSV) to events.

Source: PowerMTA User's Guide, 'Accounting'. The first line names the columns, in any order. A message is told as sent with
what became of it for good (`d`, `b`), with the time it was queued: by default there are no other records. Nothing is kept from line
to line.
"""

import csv
from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

from processors.mta_logs.answers import answer_of, enhanced
from processors.mta_logs.facts import Facts, key_part, message_id, text
from processors.mta_logs.records import RecordReader
from processors.mta_logs.taking import LONGEST_LINE, FileContext, LogSettings, Row, Taken
from processors.mta_logs.times import BadTime, of_a_log
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


class _Cells(NamedTuple):
    """What is read of a record, by the columns' names; of a column that there is not, nothing."""

    type: str
    timelogged: str
    timequeued: str
    orig: str
    rcpt: str
    dsnstatus: str
    dsndiag: str
    dsnmta: str
    bouncecat: str
    dlvsourceip: str
    dlvsize: str
    vmta: str
    vmtapool: str
    jobid: str
    envid: str
    header_from: str
    header_message_id: str
    dlvtlsprotocol: str
    originalrcptto: str
    useragent: str
    feedbacktype: str
    dlvdestinationip: str


_NAMES = tuple(name.replace("header_message_id", "header_message-id") for name in _Cells._fields)
_Pick = Callable[[list[str]], tuple[str, ...]]


class PowerReader(RecordReader):
    """Reads PowerMTA's accounting files; `processors.mta_logs.taking.LogReader`."""

    def __init__(self, settings: LogSettings, facts: Facts) -> None:
        super().__init__(settings, facts)
        self._picks: dict[str, tuple[int, _Pick]] = {}

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
                cells.append("")
                said = _Cells._make(pick(cells))
                if said.type not in _TYPES:
                    raise _Damaged(f"a record of a type that is not known: {said.type[:40]}")
                record = _TYPES[said.type]
                if record is None:
                    noted += 1
                    continue
                self._tell(taken, record, said, file)
                told += 1
            except (_Damaged, BadTime) as error:
                taken.damaged.append((index, str(error)))
        taken.counts = {"told": told, "noted": noted, "skipped": skipped, "damaged": len(taken.damaged)}
        return taken

    def _columns(self, header: str) -> tuple[int, _Pick]:
        names = [name.strip().lower() for name in _quoted(header)]
        if "timelogged" not in names:
            raise _Damaged("the header names no column timeLogged")
        # Behind the last cell stands an empty one, for columns that are not there.
        places = [names.index(name) if name in names else len(names) for name in _NAMES]
        if len(self._picks) > 100:
            self._picks.clear()
        self._picks[header] = found = len(names), itemgetter(*places)
        return found

    def _tell(self, taken: Taken, record: type[MailEvent], said: _Cells, file: FileContext) -> None:
        at = file.line_time = self._moment(said.timelogged)
        recipient = said.rcpt or said.originalrcptto
        if not recipient and record is not ComplaintReceived:
            raise _Damaged("a record without a recipient")
        hashed, domain = self._facts.recipient(recipient)
        if record is MessageBounced and (
            said.bouncecat == "message-expired" or said.dsnstatus.startswith("4.4.7")
        ):
            record = MessageExpired
        shared: Row = {
            "message_id": message_id(said.header_message_id),
            "provider_message_id": text(said.envid),
            "recipient_hash": hashed,
            **self._routes[
                domain,
                self._facts.domain(said.orig),
                said.header_from,
                said.dsnmta.partition(" ")[0],
                said.dlvsourceip,
                said.vmtapool or said.vmta,
                said.jobid,
            ],
        }
        message = f"{key_part(said.header_message_id or said.envid or said.jobid)}/{hashed}"
        remote, latency_ms = said.type in ("rb", "remote-bounce"), None
        if record is not ComplaintReceived and record is not MessageDeferred and not remote:
            since = at
            if said.timequeued:
                since = self._moment(said.timequeued)
                latency_ms = max(0, at - since)
            source = f"{message}/{since}/sent"[:2048]
            sent = {
                "occurred_at": since,
                "source_event_id": source,
                "event_id": self._facts.id_of(MessageSent, source),
                **shared,
                "size": _whole(said.dlvsize),
            }
            taken.events.append((MessageSent, sent))
        relay, status = key_part(said.dlvdestinationip or said.dsnmta), key_part(said.dsnstatus)
        source = f"{message}/{at}/{relay}/{status}"[:2048]
        shared["occurred_at"], shared["source_event_id"] = at, source
        shared["event_id"] = self._facts.id_of(record, source)
        _add_own(shared, record, said, recipient, remote, latency_ms)
        taken.events.append((record, shared))

    def _moment(self, given: str) -> int:
        if given.isascii() and given.isdigit() and len(given) <= 10:
            return of_a_log(int(given) * 1000)
        return self._times.iso(given)


def _add_own(
    row: Row, record: type[MailEvent], said: _Cells, recipient: str, remote: bool, latency_ms: int | None
) -> None:
    """What events of this type say besides."""
    if record is MessageExpired:
        return
    if record is ComplaintReceived:
        row["feedback_type"] = text(said.feedbacktype.lower(), 256) or "abuse"
        row["user_agent"] = text(said.useragent)
        return
    words = said.dsndiag
    answer = answer_of(words[5:].strip() if words.startswith("smtp;") else words, recipient)
    row["smtp_code"], row["response"] = answer.smtp_code, answer.response
    if record is MessageDelivered:
        row["tls_version"] = text(said.dlvtlsprotocol, 256)
        row["latency_ms"] = latency_ms
        return
    row["enhanced_code"] = answer.enhanced_code or enhanced(said.dsnstatus.partition(" ")[0])
    if record is MessageBounced:
        row["is_async"] = remote


class _Damaged(ValueError):
    """A line that can't be understood."""


def _quoted(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True))
    except (csv.Error, StopIteration) as error:
        raise _Damaged(f"no line of CSV: {error}") from None


def _whole(number: str) -> int | None:
    return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None
