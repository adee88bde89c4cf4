"""One recipient's data, told: events by the hash, and documents that mention the address."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

from mailwake.privacy.clear import BY_HASH
from mailwake.privacy.documents import DOCUMENTS, Place, letter_mentions, mentions, readable
from mailwake.privacy.holdings import Advance, Holdings, all_of, decoded, known, letters_of
from mailwake.privacy.layers import OutOfBudget
from mailwake.privacy.traces import Traces
from schemas.codec import encode
from schemas.documents import DeadLetter, DocumentReceived
from schemas.erased import stand_in
from schemas.record import Event
from streams.log import Log
from streams.topics import plain


def export(
    holdings: Holdings, tenant: str, address: str, *, contents: bool, advance: Advance
) -> Iterator[dict[str, Any]]:
    """Everything that is known of a recipient, in the log's order: events by its hash, documents that mention it."""
    hashed = known(holdings.keyring, tenant, address)
    traces = [Traces.of(address, stand_in(hashed, address))]
    yield {"is": "recipient", "tenant": tenant, "recipient_hash": hashed}
    # A rebuilt generation has copies of its own: what it says as the log does is told once.
    for kind in BY_HASH:
        told: set[bytes] = set()
        for topic in (topic for topic in holdings.log.topics() if plain(topic) == kind):
            for event, place in _events_of(holdings.log, topic, tenant, hashed, advance):
                digest = sha256(encode(event)).digest()
                if digest not in told:
                    told.add(digest)
                    yield {
                        "is": "event",
                        "at": str(place),
                        "type": type(event).__name__,
                        **event.model_dump(),
                    }
    for one in all_of(holdings.log, DOCUMENTS):
        advance("documents", 1)
        document = one.event
        if isinstance(document, DocumentReceived) and document.tenant == tenant:
            yield from _document_told(one.place, document, traces, holdings, contents)
    for one, letter in letters_of(holdings, advance):
        yield from _letter_told(one.place, letter, {tenant: traces}, holdings)


def _events_of(
    log: Log, topic: str, tenant: str, hashed: str, advance: Advance
) -> Iterator[tuple[Event, Place]]:
    needle = hashed.encode()
    for source in log.partitions(topic):
        offset, end = log.begin(source), log.end(source)
        while offset < end and (batch := log.read(source, offset, 10_000)).next > offset:
            advance(topic, len(batch))
            for at, value in zip(batch.offsets, batch.values, strict=True):
                if value is not None and needle in value:
                    event = decoded(value)
                    if event is not None and event.tenant == tenant:
                        yield event, Place(source, at)
            offset = batch.next


def _document_told(
    place: Place, document: DocumentReceived, traces: Sequence[Traces], holdings: Holdings, contents: bool
) -> Iterator[dict[str, Any]]:
    content = readable(document, holdings.blobs, holdings.keyring)
    names = "\n".join(filter(None, (document.name, document.content_type)))
    called = _called("document", partial(mentions, (content or b"") + b"\n" + names.encode(), traces))
    if called is None:
        return
    fields = document.model_dump(exclude={"content"})
    # Of one that could not be looked through nobody knows whether it tells of this recipient or of others.
    if contents and called == "document" and content is not None:
        fields["content"] = base64.b64encode(content).decode()
    yield {"is": called, "at": str(place), **fields}


def _letter_told(
    place: Place, letter: DeadLetter, traces: Mapping[str, Sequence[Traces]], holdings: Holdings
) -> Iterator[dict[str, Any]]:
    looked_through = partial(letter_mentions, letter, traces, holdings.blobs, holdings.keyring)
    if called := _called("dead letter", looked_through):
        yield {"is": called, "at": str(place), **letter.model_dump(exclude={"content"})}


def _called(what: str, mentions_it: Callable[[], bool]) -> str | None:
    """What the export calls a record; None for one that does not mention the recipient and is not told."""
    try:
        return what if mentions_it() else None
    except OutOfBudget:
        return f"{what} that could not be looked through"
