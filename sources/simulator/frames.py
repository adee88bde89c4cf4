"""From codes to events: a polars frame for each kind, whose columns are the record's fields."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from schemas.mail import MAIL_EVENTS, MailEvent
from sources.simulator.draws import Draws, Ints, Numbers, hex_texts, stable_bits, uuid_texts
from sources.simulator.lifecycle import DROP_REASONS, FEEDBACK_TYPES, KINDS, METHODS, USER_AGENTS
from sources.simulator.messages import MAILBOXES, PROVIDER_OF, Messages
from sources.simulator.providers import PROVIDERS
from sources.simulator.responses import REPLIES, texts
from sources.simulator.rhythm import DAY_MS
from sources.simulator.world import Flow

Frames = dict[type[MailEvent], pl.DataFrame]


def with_messages(events: pl.DataFrame, messages: Messages) -> pl.DataFrame:
    """The coded events of `Lifecycle.of` with what they say of their messages, so that these can be let go."""
    rows = events["message"].to_numpy()
    number = messages.number[rows]
    life = (events["kind"] * 16 + events["part"]).to_numpy().astype(np.uint64)
    return events.drop("message").with_columns(
        number=pl.Series(number),
        event=pl.Series(number | (life << np.uint64(56))),
        flow=pl.Series(messages.flow[rows]),
        recipient=pl.Series(messages.recipient[rows]),
        mailbox=pl.Series(messages.mailbox[rows]),
        address=pl.Series(messages.address[rows]),
        selector=pl.Series(messages.selector[rows]),
        campaign=pl.Series(messages.campaign[rows]),
    )


class EventFrames:
    """Turns coded events into frames of typed events, by look-ups in a scenario's tables."""

    def __init__(
        self, draws: Draws, flows: Sequence[Flow], addresses: Sequence[str], tenant: str, name: str
    ) -> None:
        self._draws, self._flows, self._tenant, self._name = draws, tuple(flows), tenant, name
        domains = [flow.domain for flow in flows]
        self._flow_texts = {
            "from_domain": pl.Series([domain.name for domain in domains]),
            "mail_from_domain": pl.Series([domain.mail_from_domain for domain in domains]),
            "dkim_domain": pl.Series([domain.dkim_domain for domain in domains]),
            "pool": pl.Series([domain.pool.name for domain in domains]),
            "region": pl.Series([domain.pool.region for domain in domains]),
            "stream": pl.Series([str(flow.stream) for flow in flows]),
        }
        self._right_sides = pl.Series([f"@{domain.name}>" for domain in domains])
        self._selectors = pl.Series([selector for domain in domains for selector in domain.selectors])
        self._addresses = pl.Series(list(addresses))
        self._aligned = {
            "spf_aligned": pl.Series([domain.spf_aligned for domain in domains]),
            "dkim_aligned": pl.Series([domain.dkim_aligned for domain in domains]),
            "dmarc_expected": pl.Series([domain.spf_aligned or domain.dkim_aligned for domain in domains]),
        }

    def of(self, coded: pl.DataFrame) -> Frames:
        """Frames of the kinds that occur, rows in the order given; all have the column recorded_at."""
        if not coded.height:
            return {}
        events = self._common(coded)
        frames: Frames = {}
        for record in MAIL_EVENTS:
            kind = KINDS.index(record.__name__)
            which = coded["kind"] == kind
            if which.any():
                rows = coded.filter(which)
                frames[record] = events.filter(which).with_columns(**self._particulars(record.__name__, rows))
        return frames

    def _common(self, coded: pl.DataFrame) -> pl.DataFrame:
        event, number, recipient = _bits(coded, "event"), _bits(coded, "number"), _bits(coded, "recipient")
        flow = coded["flow"]
        draws = self._draws
        columns = {
            "event_id": self._ids(event),
            "tenant": pl.Series([self._tenant]).new_from_index(0, coded.height),
            "occurred_at": coded["occurred"],
            "recorded_at": coded["recorded"],
            "source": pl.Series(["simulator"]).new_from_index(0, coded.height),
            "message_id": "<"
            + hex_texts(draws.bits(f"message id {self._name}", number))
            + self._right_sides.gather(flow),
            "recipient_hash": hex_texts(
                draws.bits("address high", recipient), draws.bits("address low", recipient)
            ),
            "recipient_domain": _DOMAINS.gather(coded["mailbox"]),
            "mx_host": _HOSTS.gather(coded["mailbox"]),
            "provider": _PROVIDERS.gather(coded["mailbox"]),
            **{name: table.gather(flow) for name, table in self._flow_texts.items()},
            "dkim_selector": self._selectors.gather(flow * 2 + coded["selector"]),
            "ip": self._addresses.gather(coded["address"]),
            "campaign": self._campaign_table(coded, "name"),
        }
        return pl.DataFrame(columns)

    def _ids(self, event: Numbers) -> pl.Series:
        high, low = (self._draws.bits(f"event id {half} {self._name}", event) for half in ("high", "low"))
        return uuid_texts(high, low)

    def _particulars(self, kind: str, rows: pl.DataFrame) -> Mapping[str, pl.Series | pl.Expr]:
        what, amount = rows["what"], rows["amount"]
        if kind == "MessageSent":
            return {
                "subject_hash": self._campaign_table(rows, "subject"),
                "size": amount,
                "content_fingerprint": self._campaign_table(rows, "content"),
                **{name: table.gather(rows["flow"]) for name, table in self._aligned.items()},
            }
        if kind in ("MessageDelivered", "MessageDeferred", "MessageBounced"):
            said = {
                "smtp_code": _SMTP_CODES.gather(what),
                "response": texts(
                    what.to_numpy(),
                    self._addresses.gather(rows["address"]),
                    self._draws.bits("session", _bits(rows, "event")),
                ),
            }
            if kind == "MessageDelivered":
                old = self._draws.uniform("tls", _bits(rows, "number")) < 0.1
                return {
                    **said,
                    "latency_ms": amount,
                    "tls_version": _TLS.gather(pl.Series(old).cast(pl.UInt32)),
                }
            said["enhanced_code"] = _ENHANCED_CODES.gather(what)
            return (
                {**said, "attempt": amount}
                if kind == "MessageDeferred"
                else {**said, "is_async": amount == 1}
            )
        if kind == "LinkClicked":
            link = rows["campaign"].cast(pl.UInt64) * 8 + (amount // 2).cast(pl.UInt64)
            bits = link.to_numpy()
            return {
                "url_hash": hex_texts(self._draws.bits("url high", bits), self._draws.bits("url low", bits)),
                "user_agent": _AGENTS.gather(what),
                "is_machine": amount % 2 == 1,
            }
        if kind == "MessageOpened":
            return {"user_agent": _AGENTS.gather(what), "is_machine": amount == 1}
        if kind == "ComplaintReceived":
            return {"feedback_type": _FEEDBACK.gather(what), "user_agent": _LOOPS.gather(rows["mailbox"])}
        if kind in ("RecipientUnsubscribed", "RecipientResubscribed"):
            return {"method": _METHODS.gather(what)}
        if kind == "MessageDropped":
            return {"reason": _REASONS.gather(what)}
        return {"attempts": amount} if kind == "MessageExpired" else {}

    def _campaign_table(self, rows: pl.DataFrame, what: str) -> pl.Series:
        codes = rows["campaign"].rank("dense") - 1
        values = [self._campaign(code, what) for code in rows["campaign"].unique().sort().to_list()]
        return pl.Series(values, dtype=pl.String).gather(codes)

    def _campaign(self, code: int, what: str) -> str:
        flow = self._flows[code >> 32]
        day, kind = (code & 0xFFFFFFFF) >> 4, code & 0xF
        if what == "name":
            date = f"{np.datetime64(day * DAY_MS, 'ms').astype('datetime64[D]')}-" if day else ""
            return date + flow.campaigns[kind]
        seed = self._draws.seed
        return f"{stable_bits(seed, what, code, 0):016x}{stable_bits(seed, what, code, 1):016x}"


def _bits(frame: pl.DataFrame, column: str) -> Numbers:
    bits: Numbers = frame[column].to_numpy()
    return bits


def _of_mailboxes(values: Ints | Sequence[str]) -> pl.Series:
    return pl.Series([values[provider] for provider in PROVIDER_OF])


_DOMAINS = pl.Series([mailbox.domain for mailbox in MAILBOXES])
_HOSTS = pl.Series([mailbox.mx_host for mailbox in MAILBOXES])
_PROVIDERS = _of_mailboxes([provider.name for provider in PROVIDERS])
_LOOPS = _of_mailboxes(
    [
        {"yahoo": "Yahoo!-Mail-Feedback/2.0", "microsoft": "JMRP/1.0", "comcast": "ReturnPathFBL/1.0"}.get(
            provider.name, f"FeedbackLoop/1.0 ({provider.name})"
        )
        for provider in PROVIDERS
    ]
)
_SMTP_CODES = pl.Series([reply.smtp_code for reply in REPLIES])
_ENHANCED_CODES = pl.Series([reply.enhanced_code for reply in REPLIES])
_TLS = pl.Series(["TLSv1.3", "TLSv1.2"])
_AGENTS = pl.Series(list(USER_AGENTS))
_FEEDBACK = pl.Series(list(FEEDBACK_TYPES))
_METHODS = pl.Series(list(METHODS))
_REASONS = pl.Series(list(DROP_REASONS))
