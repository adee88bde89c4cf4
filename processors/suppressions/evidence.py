"""What a mail event says for or against a suppression, as the fields of `SuppressionEvidence`.

An event that names no recipient says nothing: a feedback loop that redacts it leaves nobody to suppress.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from processors.suppressions.scopes import COMPLAINT, EVERY_STREAM, UNSUBSCRIBED
from schemas.mail import ComplaintReceived, RecipientResubscribed, RecipientUnsubscribed
from schemas.record import Event
from schemas.suppression import SuppressionEvidence

TOPIC = "suppressions.evidence"

NO_COMPLAINT = frozenset(("not-spam", "auth-failure", "virus"))
"""Feedback types (RFC 5965, 7.3; RFC 6430; RFC 6591) that are no recipient's wish to be left alone."""

OPT_OUT = "opt-out"
"""The feedback type that is an unsubscription (drafts of ARF before RFC 5965, and still sent)."""

SPEAKING: tuple[type[Event], ...] = (ComplaintReceived, RecipientUnsubscribed, RecipientResubscribed)
"""Events that say it by themselves; a bounce does by what it means."""


def of_fatal_bounce(bounce: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Evidence from a bounce, given with the fields of its verdict: the address takes no mail of any kind."""
    if bounce["recipient_hash"] is not None:
        said = {name: bounce[name] for name in ("bounce_class", "leaf", "ruleset", "after")}
        yield from _evidence(bounce, "bounce", EVERY_STREAM, said)


def of_event(record: type[Event], event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Evidence from an event of one of the types in SPEAKING."""
    if event["recipient_hash"] is None:
        return
    feedback = str(event.get("feedback_type", "")).lower()
    if record is RecipientResubscribed:
        yield from _evidence(event, "resubscribe", _of(UNSUBSCRIBED, event))
    elif record is RecipientUnsubscribed or feedback == OPT_OUT:
        yield from _evidence(event, "unsubscribe", _of(UNSUBSCRIBED, event))
    elif feedback not in NO_COMPLAINT:
        yield from _evidence(event, "complaint", _of(COMPLAINT, event))


def key(evidence: Mapping[str, Any]) -> bytes:
    """The key it goes to its topic under: all evidence of a recipient in one partition."""
    return f"{evidence['tenant']}/{evidence['recipient_hash']}".encode()


def _of(scopes: Mapping[str, tuple[str, ...]], event: Mapping[str, Any]) -> tuple[str, ...]:
    """What an event is about; a stream that nobody knows is as good as untold."""
    return scopes.get(event["stream"], scopes["other"])


def _evidence(
    event: Mapping[str, Any], kind: str, streams: tuple[str, ...], said: Mapping[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    for stream in streams:
        fact = f"{event['event_id']}/{kind}/{stream}"
        yield {
            "event_id": SuppressionEvidence.id_of(event["tenant"], fact),
            "tenant": event["tenant"],
            "occurred_at": event["occurred_at"],
            "recorded_at": event["recorded_at"],
            "source": "mailwake",
            "source_event_id": fact,
            "kind": kind,
            "recipient_hash": event["recipient_hash"],
            "recipient_domain": event["recipient_domain"],
            "stream": stream,
            "fact_event_id": event["event_id"],
            "provider": event["provider"],
            "from_domain": event["from_domain"],
            **(said or {}),
        }
