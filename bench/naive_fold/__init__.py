"""The fold that comes to mind: fastavro and dicts, one event at a time, by minutes, hours and days; nothing emitted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.codec import decode_fields
from schemas.reputation import IDENTITY_KINDS

WIDTHS_MS = (60_000, 3_600_000, 86_400_000)


@dataclass(slots=True)
class NaiveFold:
    """What was seen, and counts by (tenant, kind, identity, provider, width, period, record)."""

    seen: set[str] = field(default_factory=set)
    counts: Counter[tuple[object, ...]] = field(default_factory=Counter)

    def take(self, values: Iterable[bytes | None]) -> None:
        """Count these framed events; those seen before are not counted again."""
        seen, counts = self.seen, self.counts
        for value in values:
            known, event = decode_fields(value or b"")
            if event["event_id"] in seen:
                continue
            seen.add(event["event_id"])
            moment = min(event["occurred_at"], event["recorded_at"] + 300_000)
            domain = event["from_domain"]
            identities = (
                domain,
                event["dkim_domain"],
                event["ip"],
                domain and f"{domain}/{event['stream']}",
                domain and event["campaign"] and f"{domain}/{event['campaign']}",
            )
            for kind, identity in zip(IDENTITY_KINDS, identities, strict=True):
                if identity:
                    for width in WIDTHS_MS:
                        key = (event["tenant"], kind, identity, event["provider"], width, moment // width)
                        counts[*key, known.record.__name__] += 1
