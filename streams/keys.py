"""The key an event goes to its topic under: what belongs together in order shares a partition."""

from collections.abc import Callable

from schemas.catalog import TOPIC_OF
from schemas.classification import BounceClassified
from schemas.dmarc import ReportEvent
from schemas.documents import DeadLetter, DocumentProcessed, DocumentReceived
from schemas.mail import MailEvent
from schemas.record import Event
from schemas.reputation import ReputationScored
from schemas.suppression import RecipientSuppressed, SuppressionEvidence, SuppressionLifted
from schemas.tail import TailPlace, TailState


def key_of(event: Event) -> bytes:
    """The partition key of an event, by its topic.

    Mail events go by their sending domain; those whose source doesn't name one, by the message's own id.
    """
    return _KEYS[TOPIC_OF[type(event)]](event).encode()


def _mail(event: Event) -> str:
    assert isinstance(event, MailEvent)
    return event.key()


def _classified(event: Event) -> str:
    assert isinstance(event, BounceClassified)
    of_message = event.from_domain or event.message_id or event.provider_message_id
    return f"{event.tenant}/{of_message or event.classified_event_id}"


def _recipient(event: Event) -> str:
    assert isinstance(event, SuppressionEvidence)
    return f"{event.tenant}/{event.recipient_hash}"


def _suppressed(event: Event) -> str:
    assert isinstance(event, RecipientSuppressed | SuppressionLifted)
    return f"{event.tenant}/{event.recipient_hash}/{event.stream}"


def _document(event: Event) -> str:
    assert isinstance(event, DocumentReceived | DocumentProcessed)
    return f"{event.tenant}/{event.receipt_id}"


def _report(event: Event) -> str:
    assert isinstance(event, ReportEvent)
    return f"{event.tenant}/{event.policy_domain}"


def _origin(event: Event) -> str:
    assert isinstance(event, DeadLetter)
    return DeadLetter.key_of(event.origin_topic, event.origin_partition, event.origin_offset)


def _score(event: Event) -> str:
    assert isinstance(event, ReputationScored)
    return f"{event.tenant}/{event.kind}/{event.identity}"


def _tail(event: Event) -> str:
    assert isinstance(event, TailPlace | TailState)
    return f"{event.tenant}/{event.tail}/{event.part}"


_KEYS: dict[str, Callable[[Event], str]] = {
    "mail.events": _mail,
    "mail.classified": _classified,
    "suppressions.evidence": _recipient,
    "suppressions": _suppressed,
    "documents": _document,
    "documents.outcomes": _document,
    "dmarc.records": _report,
    "dead.letters": _origin,
    "reputation.deltas": lambda event: event.event_id,
    "reputation.buckets": lambda event: event.event_id,
    "reputation.scores": _score,
    "tail.places": _tail,
}
