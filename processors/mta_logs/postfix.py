"""Postfix's syslog to events: the lines of one queue id, joined over time.

A message is told as sent once for each recipient, at its first attempt: no earlier line names a recipient that a mail
server of others is to get it for. The time is that of the message's first line. Attempts that stay on this machine (mailboxes, pipes,
filters) are told only where they fail for good, or where the settings want them.
"""

import json
from collections.abc import Callable, Mapping

from processors.classification.providers import provider_of
from processors.mta_logs import postfix_lines as shape
from processors.mta_logs.answers import answer_of, enhanced
from processors.mta_logs.facts import Facts, header_domain, key_part, mail_domain, message_id, text
from processors.mta_logs.open_messages import OpenMessage, OpenMessages
from processors.mta_logs.postfix_rows import PostfixRows
from processors.mta_logs.taking import LONGEST_LINE, FileContext, LogSettings, Outcome, Taken
from processors.mta_logs.times import BadTime, LogTimes
from schemas.mail import (
    MailEvent,
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    MessageDropped,
    MessageExpired,
    MessageSent,
)

DELIVERING = frozenset(
    ("smtp", "lmtp", "local", "virtual", "pipe", "error", "retry", "discard", "smtp-amavis")
)
"""The services that log attempts."""
ON_THE_SPOT = frozenset(("local", "virtual", "pipe", "lmtp"))
_SUBMISSION = ("/submission/", "/submissions/", "/smtps/")
_MOST_SESSIONS = 500
"""Connections to other servers of which it is known that they are encrypted, and how."""
_MOST_CACHED = 10_000
_LONGEST = 16 * 1024
"""Characters; syslog's lines are of 8 KiB at most, and Postfix's of 2."""

_SESSIONS = "sessions"

SHORT_IDS = (
    "short queue ids, which repeat: set enable_long_queue_ids = yes in Postfix's main.cf, or messages may be taken for "
    "one another"
)


class PostfixReader:
    """Reads Postfix's log; `processors.mta_logs.taking.LogReader`."""

    def __init__(self, settings: LogSettings, facts: Facts) -> None:
        self._settings, self._facts = settings, facts
        self._times, self._rows = LogTimes(settings.zone), PostfixRows(settings, facts)
        self._open = OpenMessages(settings.most_open, settings.longest_open_ms)
        self._programs: dict[tuple[str, str], tuple[str, Callable[..., Outcome]] | None] = {}
        self._relays: dict[str, shape.Relay] = {}
        self._sessions: dict[str, tuple[str, str]] = {}
        self._sessions_changed = False
        self._short_ids = False
        self._taken = Taken()

    def take(self, lines: str, file: FileContext, now: int) -> Taken:
        """See `LogReader.take`."""
        self._taken = Taken()
        told = joined = noted = skipped = 0
        if "\r" in lines:
            lines = lines.replace("\r\n", "\n")
        programs, at, stamp_before = self._programs, file.line_time, ""
        for index, (stamp, host, program, process, identity, rest, other) in enumerate(
            shape.LINES.findall(lines.removesuffix("\n"))
        ):
            if not stamp:
                if other.strip("\0 \t"):
                    found = shape.headed(other) if len(other) <= LONGEST_LINE else None
                    if found is None:
                        if shape.REPEATED(other):
                            noted += 1
                        else:
                            self._taken.damaged.append((index, "no line of syslog"))
                        continue
                    stamp, host, program, process, identity, rest = found
                else:
                    skipped += 1
                    continue
            try:
                known = programs[host, program]
            except KeyError:
                known = self._learn(host, program)
            if known is None:
                skipped += 1
                continue
            if len(rest) > _LONGEST:
                self._taken.damaged.append((index, "longer than a line of Postfix's may be"))
                continue
            if stamp != stamp_before:
                try:
                    at = self._times.read(stamp, file.line_time, now)
                except BadTime as error:
                    self._taken.damaged.append((index, str(error)))
                    continue
                stamp_before, file.line_time = stamp, at
            prefix, handle = known
            try:
                outcome = handle(self, at, prefix + identity if identity else "", identity, rest, process)
            except (_Damaged, shape.Ambiguous) as error:
                self._taken.damaged.append((index, str(error)))
                continue
            if outcome == "told":
                told += 1
            elif outcome == "joined":
                joined += 1
            elif outcome == "noted":
                noted += 1
            else:
                skipped += 1
        self._taken.given_up = self._open.keep_within(at)
        self._taken.counts = {
            "told": told, "joined": joined, "noted": noted, "skipped": skipped, "damaged": len(self._taken.damaged),
        }  # fmt: skip
        return self._taken

    def changes(self) -> Mapping[str, bytes | None]:
        """See `LogReader.changes`."""
        changed = self._open.changes()
        if not self._sessions_changed:
            return changed
        self._sessions_changed = False
        return {**changed, _SESSIONS: json.dumps(self._sessions).encode()}

    def restore(self, chunks: Mapping[str, bytes]) -> None:
        """See `LogReader.restore`."""
        self._open.restore(chunks)
        if _SESSIONS in chunks:
            self._sessions = {
                process: (relay, tls) for process, (relay, tls) in json.loads(chunks[_SESSIONS]).items()
            }

    def forget_recipients(self) -> None:
        """See `LogReader.forget_recipients`."""
        self._facts.forget_recipients()
        self._open.forget_recipients()

    def _learn(self, host: str, program: str) -> tuple[str, Callable[..., Outcome]] | None:
        if len(self._programs) > _MOST_CACHED:
            self._programs.clear()
        known = shape.service_of(program)
        if known is None:
            self._programs[host, program] = None
            return None
        instance, service = known
        handle = _HANDLERS.get(service)
        if handle is None and service in DELIVERING:
            handle = PostfixReader._on_the_spot if service in ON_THE_SPOT else PostfixReader._attempt
            handle = PostfixReader._discarded if service == "discard" else handle
        if service == "smtpd" and any(part in program for part in _SUBMISSION):
            handle = PostfixReader._submitted
        found = f"{host}/{instance or 'postfix'}/", handle or PostfixReader._other
        self._programs[host, program] = found
        return found

    def _other(self, at: int, key: str, identity: str, rest: str, process: str) -> Outcome:
        # Transports may have any name (master.cf): an attempt is known by its words.
        if identity and rest.startswith("to=<") and " status=" in rest:
            return self._attempt(at, key, identity, rest, process)
        return "noted"

    def _client(self, at: int, key: str, identity: str, rest: str, process: str) -> Outcome:
        if rest.startswith("client="):
            if identity == "NOQUEUE":
                return "noted"
            self._open.opened(key, at)
            if not self._short_ids and "z" not in identity:
                self._short_ids = True
                self._taken.warnings.append(SHORT_IDS)
            return "joined"
        if "sasl_username=" in rest:
            return self._submitted(at, key, identity, rest, process)
        return "skipped" if "reject: " in rest else "noted"

    def _submitted(self, at: int, key: str, identity: str, rest: str, process: str) -> Outcome:
        if rest.startswith("client="):
            return self._client(at, key, identity, rest, process)
        return self._rejected(at, key, identity, rest) if "reject: " in rest else "noted"

    def _rejected(self, at: int, key: str, identity: str, rest: str) -> Outcome:
        found = shape.rejected(rest)
        if found is None:
            return "noted"
        why, mail_from, recipient = found
        message = self._open.found.get(key)
        if message is not None and not message.mail_from:
            message.mail_from = self._facts.domain(mail_from)
        if not recipient:
            return "noted"
        hashed, domain = self._facts.recipient(recipient)
        if message is None:
            message = OpenMessage(at)
            message.mail_from = self._facts.domain(mail_from)
        row = self._rows.row(MessageDropped, at, identity, message, hashed, domain, "rejected")
        row["provider"] = provider_of(None, domain)
        row["reason"] = "invalid" if " 5.1." in why else "policy"
        self._taken.events.append((MessageDropped, row))
        return "told"

    def _cleaned(self, at: int, key: str, identity: str, rest: str, process: str) -> Outcome:
        if not identity:
            return "noted"
        if found := shape.MESSAGE_ID(rest):
            message = self._open.opened(key, at)
            if message.message_id is None or rest[0] == "m":
                message.message_id = message_id(found[1])
            return "joined"
        if "header From: " in rest and (header := shape.header_from(rest)) is not None:
            self._open.opened(key, at).from_domain = header_domain(header)
            return "joined"
        if "reject: " in rest or "discard: " in rest:
            outcome = self._rejected(at, key, identity, rest)
            self._open.close(key)
            return outcome
        return "noted"

    def _queued(self, at: int, key: str, identity: str, rest: str, process: str) -> Outcome:
        if not identity:
            return "noted"
        if rest == "removed":
            self._open.close(key)
            return "joined"
        if found := shape.ACTIVE(rest):
            message = self._open.opened(key, at)
            if message.size is None:
                message.mail_from = self._facts.domain(found[1])
                message.size = int(found[2])
            return "joined"
        if found := shape.EXPIRED(rest):
            return self._expired(at, key, identity, self._facts.domain(found[1]))
        if rest.startswith("to=<"):
            return self._attempt(at, key, identity, rest, process)
        if rest.startswith("from=<"):
            raise _Damaged("a message in the queue, of which the line does not say what it should")
        return "noted"

    def _expired(self, at: int, key: str, identity: str, mail_from: str | None) -> Outcome:
        message = self._open.found.get(key)
        if message is None or not message.recipients:
            return "joined"
        message.mail_from = message.mail_from or mail_from
        for hashed, (attempts, domain, mx_host, provider) in message.recipients.items():
            row = self._rows.row(MessageExpired, at, identity, message, hashed or None, domain, "expired")
            row["mx_host"], row["provider"], row["attempts"] = mx_host, provider, attempts
            self._taken.events.append((MessageExpired, row))
        message.recipients = None
        self._open.touched.add(key)
        return "told"

    def _picked_up(self, at: int, key: str, identity: str, rest: str, process: str) -> Outcome:
        if identity and (found := shape.PICKED_UP(rest)):
            self._open.opened(key, at).mail_from = self._facts.domain(found[1])
            return "joined"
        return "noted"

    def _signed(self, at: int, key: str, identity: str, rest: str, process: str) -> Outcome:
        # opendkim names the queue id of the instance that it serves; of several, the usual one is meant.
        found = shape.SIGNED(rest)
        if found is None or not identity:
            return "skipped"
        message = self._open.opened(key, at)
        message.dkim_selector, message.dkim_domain = text(found[1], 256), mail_domain(found[2])
        return "joined"

    def _on_the_spot(self, at: int, key: str, identity: str, rest: str, process: str) -> Outcome:
        return self._attempt(at, key, identity, rest, process, on_the_spot=True)

    def _discarded(self, at: int, key: str, identity: str, rest: str, process: str) -> Outcome:
        found = shape.attempt(identity, rest) if identity else None
        if found is None:
            return "noted"
        message = self._open.opened(key, at)
        hashed, domain = self._facts.recipient(found[1])
        row = self._rows.row(MessageDropped, at, identity, message, hashed, domain, "discarded")
        row["provider"], row["reason"] = provider_of(None, domain), "policy"
        self._taken.events.append((MessageDropped, row))
        return "told"

    def _attempt(
        self, at: int, key: str, identity: str, rest: str, process: str, on_the_spot: bool = False
    ) -> Outcome:
        found = shape.attempt(identity, rest) if identity else None
        if found is None:
            if rest.startswith("to=<") or ("to=<" in rest and "status=" in rest):
                if not identity:
                    raise _Damaged("an attempt under no queue id of Postfix's")
                raise _Damaged("an attempt, of which the line does not say what it should")
            if secured := shape.SECURED(rest):
                self._secured(process, secured[1], secured[2])
                return "joined"
            return "noted"
        recipient, relay, delay, dsn, status, words = found.groups()
        to = self._relays.get(relay)
        if to is None:
            if len(self._relays) > _MOST_CACHED:
                self._relays.clear()
            to = self._relays[relay] = shape.relay_of(relay)
        stays = on_the_spot or (to.on_this_machine and status not in ("bounced", "expired"))
        if stays and not self._settings.with_local:
            return "skipped"
        record = _STATUSES.get(status)
        if record is None:
            if status in ("deliverable", "undeliverable"):
                return "skipped"
            raise _Damaged(f"an attempt with a status that there is not: {status[:40]}")
        message = self._open.opened(key, at)
        hashed, domain = self._facts.recipient(recipient)
        words, by = shape.said(words)
        mx_host = to.host or (mail_domain(by) if by else None)
        provider = provider_of(mx_host, domain)
        seconds = float(delay) if delay.count(".") < 2 and delay != "." else 0.0
        waiting = message.recipients
        before = waiting.get(hashed or "") if waiting else None
        if before is None:
            sent = self._rows.sent(message, at, seconds, identity, hashed, domain)
            sent["mx_host"], sent["provider"] = mx_host, provider
            self._taken.events.append((MessageSent, sent))
        rest = f"{key_part(relay)}/{dsn or ''}"
        row = self._rows.row(record, at, identity, message, hashed, domain, rest)
        row["mx_host"], row["provider"] = mx_host, provider
        attempts = (before[0] if before else 0) + 1
        if record is MessageExpired:
            row["attempts"] = attempts
        else:
            answer = answer_of(words, recipient)
            row["smtp_code"], row["response"] = answer.smtp_code, answer.response
            if record is MessageDelivered:
                row["latency_ms"] = int(seconds * 1000)
                session = self._sessions.get(process)
                if session is not None and relay.startswith(session[0]):
                    row["tls_version"] = session[1]
            else:
                row["enhanced_code"] = enhanced(dsn) or answer.enhanced_code
        if record is MessageDeferred:
            row["attempt"] = attempts
            if waiting is None:
                waiting = message.recipients = {}
            waiting[hashed or ""] = [attempts, domain, mx_host, provider]
        elif before is not None and waiting is not None:
            del waiting[hashed or ""]
        self._taken.events.append((record, row))
        return "told"

    def _secured(self, process: str, relay: str, version: str) -> None:
        self._sessions.pop(process, None)
        if len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[process] = (relay, version)
        self._sessions_changed = True


class _Damaged(ValueError):
    """A line that was meant to be understood, and can't be."""


_STATUSES: dict[str, type[MailEvent]] = {
    "sent": MessageDelivered,
    "deferred": MessageDeferred,
    "SOFTBOUNCE": MessageDeferred,
    "bounced": MessageBounced,
    "expired": MessageExpired,
}
_HANDLERS: dict[str, Callable[..., Outcome]] = {
    "smtpd": PostfixReader._client,
    "cleanup": PostfixReader._cleaned,
    "qmgr": PostfixReader._queued,
    "nqmgr": PostfixReader._queued,
    "pickup": PostfixReader._picked_up,
    "opendkim": PostfixReader._signed,
}
