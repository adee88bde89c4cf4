"""What reputation must be, written as simply as can be: dicts, one event at a time; and the view to compare."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from processors.stage import Emission, Flush, Slice, Stage
from schemas.codec import decode, encode
from schemas.mail import (
    AutoReplyReceived,
    ComplaintReceived,
    LinkClicked,
    MailEvent,
    MessageBounced,
    MessageDeferred,
    MessageDelivered,
    MessageDropped,
    MessageExpired,
    MessageOpened,
    MessageSent,
    RecipientResubscribed,
    RecipientUnsubscribed,
)
from schemas.reputation import COUNTS, ReputationBuckets

WIDTHS = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
START = 1_750_000_000_000

Bucket = tuple[str, str, str, str, str, int]
"""tenant, kind, identity, provider, grain, start."""
View = dict[Bucket, dict[str, int]]


def counts_of(event: MailEvent) -> Counter[str]:
    match event:
        case MessageBounced():
            return Counter(bounced=1, bounced_async=int(event.is_async))
        case ComplaintReceived():
            return Counter(
                complained=0
                if event.feedback_type in ("not-spam", "auth-failure", "virus")
                else event.incidents
            )
        case MessageOpened():
            return Counter(opened=1, opened_by_machine=int(event.is_machine or False))
        case LinkClicked():
            return Counter(clicked=1, clicked_by_machine=int(event.is_machine or False))
    words = {
        MessageSent: "sent",
        MessageDelivered: "delivered",
        MessageDeferred: "deferred",
        MessageDropped: "dropped",
        MessageExpired: "expired",
        RecipientUnsubscribed: "unsubscribed",
        RecipientResubscribed: "resubscribed",
        AutoReplyReceived: "auto_replied",
    }
    return Counter({words[type(event)]: 1})


def identities_of(event: MailEvent) -> Iterator[tuple[str, str]]:
    domain = event.from_domain
    if domain:
        yield "domain", domain
        yield "stream", f"{domain}/{event.stream}"
    if event.dkim_domain:
        yield "dkim", event.dkim_domain
    if event.ip:
        yield "ip", event.ip
    if domain and event.campaign:
        yield "campaign", f"{domain}/{event.campaign}"


def minutes_of(events: Iterable[MailEvent]) -> dict[tuple[str, str, str, str, int], Counter[str]]:
    """Counts of distinct events by (tenant, kind, identity, provider, minute)."""
    sums: dict[tuple[str, str, str, str, int], Counter[str]] = defaultdict(Counter)
    for event in {event.event_id: event for event in events}.values():
        effective = min(event.occurred_at, event.recorded_at + 300_000)
        counts = +counts_of(event)
        for kind, identity in identities_of(event) if counts else ():
            sums[event.tenant, kind, identity, event.provider, effective // 60_000 * 60_000] += counts
    return dict(sums)


def expected(events: Iterable[MailEvent]) -> View:
    """What the view must show of these events."""
    view: dict[Bucket, Counter[str]] = defaultdict(Counter)
    for (*names, minute), counts in minutes_of(events).items():
        for grain, width in WIDTHS.items():
            view[*names, grain, minute // width * width] += counts  # type: ignore[index]
    return {bucket: dict(counts) for bucket, counts in view.items()}


def view_of(emissions: Iterable[Emission]) -> View:
    """The latest revision of part 0 plus every addition, as the warehouse's views sum them."""
    absolute: dict[Bucket, tuple[int, Counter[str]]] = {}
    additions: dict[tuple[Bucket, int], Counter[str]] = {}
    for emission in emissions:
        if emission.topic != "reputation.buckets":
            continue
        record = decode(emission.value)
        assert isinstance(record, ReputationBuckets)
        assert len(emission.value) <= 512 * 1024
        for row in record.rows:
            assert row.tenant and row.kind and row.identity and row.provider and row.grain
            assert row.bucket is not None and row.part is not None and row.revision is not None
            bucket = (row.tenant, row.kind, row.identity, row.provider, row.grain, row.bucket)
            counts = Counter({name: getattr(row, name) for name in COUNTS if getattr(row, name)})
            if row.part == 0:
                assert row.revision > absolute.get(bucket, (0,))[0], "a revision counts up"
                absolute[bucket] = (row.revision, counts)
            else:
                assert (bucket, row.part) not in additions, "an addition has a part of its own"
                additions[bucket, row.part] = counts
    view: dict[Bucket, Counter[str]] = defaultdict(Counter)
    for bucket, (_, counts) in absolute.items():
        view[bucket] += counts
    for (bucket, _), counts in additions.items():
        view[bucket] += counts
    return {bucket: dict(counts) for bucket, counts in view.items()}


def slice_of(
    values: Sequence[bytes | None], first: int = 0, topic: str = "mail.events", partition: int = 0
) -> Slice:
    return Slice(topic, partition, first, first + len(values), range(first, first + len(values)), values)


def slices_of(events: Sequence[MailEvent], size: int) -> list[Slice]:
    return [slice_of([encode(e) for e in events[at : at + size]], at) for at in range(0, len(events), size)]


def keep(chunks: dict[bytes, bytes], flush: Flush) -> list[Emission]:
    """Make a flush durable: its chunks into `chunks`, its emissions returned."""
    for key, chunk in flush.chunks.items():
        if chunk is None:
            chunks.pop(key, None)
        else:
            chunks[key] = chunk
    return list(flush.emissions)


def run(stage: Stage, slices: Iterable[Slice]) -> list[Emission]:
    emissions: list[Emission] = []
    for part in slices:
        stage.take(part)
        emissions += stage.flush().emissions
    return emissions
