"""Documents and dead letters in a log as an erasure sees them: which mention somebody, and what takes their place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mailwake.privacy.layers import OutOfBudget
from mailwake.privacy.traces import Traces, those_in
from schemas.codec import HEADER, Undecodable, decode, encode
from schemas.documents import DeadLetter, DocumentReceived
from schemas.keyring import TenantKeys
from schemas.sealing import DamagedSeal, Forgotten, blob_place, document_place, is_sealed, keyed_digest
from streams.blobs import Blobs
from streams.keyring.keyring import writing_keys
from streams.keys import key_of
from streams.log import Log, TopicPartition
from streams.sealed_documents import content_of, sealed
from streams.sealed_letters import OpensLetters
from streams.topics import plain

DOCUMENTS, DEAD_LETTERS = "documents", "dead.letters"
STEP = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record is in the log."""

    source: TopicPartition
    offset: int

    def __str__(self) -> str:
        return f"{self.source.topic}/{self.source.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Held:
    """A record as it is in the log; `event` is None for one that can't be understood."""

    place: Place
    key: bytes | None
    value: bytes
    event: DocumentReceived | DeadLetter | None


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A document that somebody was taken out of, as it is kept from now on."""

    document: DocumentReceived
    blob: bytes | None
    """The sealed bytes that take its blob's place."""
    is_emptied: bool
    """Whether all of its content had to go: the address was in there in a way that can't be written otherwise."""


def held(log: Log, topic: str, superseded: bool = True) -> Iterator[Held]:
    """The records of a topic, by partition and in order; tombstones left out.

    Without `superseded` only the last of each key: the others only wait for compaction.
    """
    for source in log.partitions(topic):
        last = {} if superseded else _last(log, source)
        for offset, key, value in _records(log, source):
            if value is None or (key is not None and last.get(key, offset) != offset):
                continue
            yield Held(Place(source, offset), key, value, _event(value))


def letters_topics(topics: Sequence[str]) -> list[str]:
    """Where dead letters are: those of rebuilt generations are in topics of their own."""
    return [topic for topic in topics if plain(topic) == DEAD_LETTERS]


def mentions(content: bytes, traces: Sequence[Traces]) -> bool:
    """Whether any of them is in there. Raises OutOfBudget."""
    return bool(those_in(content, traces))


def readable(document: DocumentReceived, blobs: Blobs, keys: TenantKeys) -> bytes | None:
    """A document's content; None where nobody can read it any more."""
    try:
        return content_of(document, blobs, keys)
    except (Forgotten, DamagedSeal):
        return None


def cleaned(
    document: DocumentReceived, traces: Sequence[Traces], blobs: Blobs, keys: TenantKeys
) -> Cleaned | None:
    """The document without those recipients; None where it mentions none of them. Raises OutOfBudget, LogError, OSError.

    Its digest and size stay those of the bytes as received; of one that was never sealed the digest becomes a keyed one.
    """
    content = readable(document, blobs, keys)
    name, content_type = (_clean_text(text, traces) for text in (document.name, document.content_type))
    in_content = content is not None and mentions(content, traces)
    if not in_content and (name, content_type) == (document.name, document.content_type):
        return None
    without = _clean(content, traces) if content is not None and in_content else content
    update: dict[str, object] = {"name": name, "content_type": content_type, "erased": document.erased + 1}
    blob = None
    if content is not None and in_content:
        hashing, data = writing_keys(keys, document.tenant)
        if document.content is None:
            blob = sealed(data, blob_place(document.tenant, document.sha256), without or b"")
        else:
            place = document_place(document.tenant, document.receipt_id)
            update["content"] = sealed(data, place, without or b"")
            if not is_sealed(document.content):
                update["sha256"] = keyed_digest(hashing, content)
    return Cleaned(document.model_copy(update=update), blob, in_content and without is None)


def emptied(document: DocumentReceived) -> DocumentReceived:
    """A document of a tenant that was forgotten, which was not sealed: nothing of it but its receipt."""
    nothing = {"content": b"", "name": None, "content_type": None, "size": 0, "sha256": "0" * 64}
    return document.model_copy(update={**nothing, "erased": document.erased + 1})


def is_clear(document: DocumentReceived, blobs: Blobs) -> bool:
    """Whether a document holds something that was never sealed."""
    content = document.content
    if content is None:
        content = blobs.get(document.tenant, document.sha256) or b""
    return bool(content and not is_sealed(content)) or document.name is not None


def masked(value: bytes) -> bytes:
    """As many bytes that say nothing: the head stays, by which it was not understood, or by which schema not.

    What follows is no Avro of any schema, so a replay does not understand it either.
    """
    return value[:HEADER] + b"\xff" * (len(value) - HEADER)


def letter_without(letter: DeadLetter, traces: Sequence[Traces]) -> DeadLetter:
    """A dead letter of a record that was masked; why it was not understood stays where it mentions nobody."""
    reason = (
        letter.reason if not mentions(letter.reason.encode(), traces) else "what it said of it was erased"
    )
    return letter.model_copy(update={"content": masked(letter.content), "reason": reason})


def opened_letter(letter: DeadLetter, opens: OpensLetters) -> DeadLetter:
    """A dead letter with its bytes unsealed; without them where nobody can read them any more."""
    if not is_sealed(letter.content):
        return letter
    try:
        content = opens.content(letter)
    except (Forgotten, DamagedSeal):
        content = b""
    return letter.model_copy(update={"content": content})


def letter_mentions(
    letter: DeadLetter, traces: Mapping[str, Sequence[Traces]], blobs: Blobs, keys: TenantKeys
) -> bool:
    """Whether a dead letter, or the document in it, mentions any of a tenant's recipients. Raises OutOfBudget."""
    everyone = [trace for some in traces.values() for trace in some]
    if mentions(letter.content + b"\n" + letter.reason.encode(), everyone):
        return True
    document = _event(letter.content)
    if not isinstance(document, DocumentReceived) or document.tenant not in traces:
        return False
    content = readable(document, blobs, keys)
    return content is not None and mentions(content, traces[document.tenant])


def as_value(event: DocumentReceived | DeadLetter) -> tuple[bytes, bytes]:
    """Its key and its framed record."""
    return key_of(event), encode(event)


def _clean_text(text: str | None, traces: Sequence[Traces]) -> str | None:
    if text is None:
        return None
    raw = text.encode("utf-8", "surrogatepass")
    if not mentions(raw, traces):
        return text
    without = _clean(raw, traces)
    return None if without is None else without.decode("utf-8", "replace")


def _clean(content: bytes, traces: Sequence[Traces]) -> bytes | None:
    for trace in those_in(content, traces):
        try:
            without = trace.taken_out_of(content)
        except OutOfBudget:
            without = None
        if without is None:
            return None
        content = without
    return content


def _last(log: Log, source: TopicPartition) -> dict[bytes, int]:
    return {key: offset for offset, key, _ in _records(log, source) if key is not None}


def _records(log: Log, source: TopicPartition) -> Iterator[tuple[int, bytes | None, bytes | None]]:
    offset, end = log.begin(source), log.end(source)
    while offset < end and (batch := log.read(source, offset, STEP)).next > offset:
        yield from zip(batch.offsets, batch.keys, batch.values, strict=True)
        offset = batch.next


def _event(value: bytes) -> DocumentReceived | DeadLetter | None:
    try:
        event = decode(value)
    except Undecodable:
        return None
    return event if isinstance(event, DocumentReceived | DeadLetter) else None
