"""What follows from evidence as it is emitted: who is suppressed, and who may be mailed again."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import polars as pl

from processors.stage import Emission
from processors.suppressions.standing import Outcome
from schemas.codec import encode_rows
from schemas.framing import framed_rows
from schemas.record import Event
from schemas.suppression import RecipientSuppressed, SuppressionLifted

TOPIC = "suppressions"

_FEW = 32
"""So many records are encoded one by one sooner than a column at a time."""


class Following(NamedTuple):
    """What follows for a recipient and a stream."""

    tenant: str
    recipient_hash: str
    stream: str
    domain: str | None
    outcome: Outcome
    revision: int


def emissions(follows: Sequence[Following]) -> Iterator[Emission]:
    """A record of each, in their order."""
    suppressed = [one for one in follows if one.outcome.reasons]
    lifted = [one for one in follows if not one.outcome.reasons]
    values = {
        True: iter(_encoded(RecipientSuppressed, suppressed)),
        False: iter(_encoded(SuppressionLifted, lifted)),
    }
    for one in follows:
        tenant, recipient_hash, stream, _, outcome, _ = one
        key = f"{tenant}/{recipient_hash}/{stream}".encode()
        yield Emission(TOPIC, key, next(values[bool(outcome.reasons)]), outcome.recorded_at)


def _encoded(record: type[Event], follows: Sequence[Following]) -> Iterable[bytes]:
    rows = map(_suppressed if record is RecipientSuppressed else _lifted, follows)
    if len(follows) <= _FEW:
        return encode_rows(record, (dict(zip(_COLUMNS[record], row, strict=True)) for row in rows))
    columns = zip(_COLUMNS[record], zip(*rows, strict=True), strict=True)
    return framed_rows(record, pl.DataFrame([_column(name, values) for name, values in columns])).to_list()


def _column(name: str, values: Sequence[Any]) -> pl.Series:
    if name not in _LISTS:
        return pl.Series(name, values, pl.Int64 if name in _NUMBERS else pl.String)
    # polars makes a Series of every list it is given, which takes longer than all else
    numbers = [number for number, items in enumerate(values) for _ in items]
    flat = pl.DataFrame({"row": numbers, name: list(chain.from_iterable(values))})
    return flat.group_by("row", maintain_order=True).agg(name).get_column(name)


_NUMBERS = frozenset(("occurred_at", "recorded_at", "since", "revision"))
_LISTS = frozenset(("evidence", "reasons"))
"""None of which is ever empty."""
_ANY = (
    "event_id", "tenant", "occurred_at", "recorded_at", "source", "source_event_id", "recipient_hash",
    "recipient_domain", "stream", "by", "note", "evidence", "revision", "reason",
)  # fmt: skip
_COLUMNS: dict[type[Event], tuple[str, ...]] = {
    RecipientSuppressed: (*_ANY, "reasons", "bounce_class", "leaf", "since"),
    SuppressionLifted: _ANY,
}


def _suppressed(one: Following) -> tuple[Any, ...]:
    outcome = one.outcome
    reasons = list(outcome.reasons)
    return (
        *_any(RecipientSuppressed, one, reasons[0]),
        reasons,
        outcome.bounce_class,
        outcome.leaf,
        outcome.since,
    )


def _lifted(one: Following) -> tuple[Any, ...]:
    return _any(SuppressionLifted, one, "resubscribed" if one.outcome.resubscribed else "lifted")


def _any(record: type[Event], one: Following, reason: str) -> tuple[Any, ...]:
    tenant, recipient_hash, stream, domain, outcome, revision = one
    key = f"{recipient_hash}/{stream}/{outcome.digest}"
    return (
        record.id_of(tenant, key), tenant, outcome.occurred_at, outcome.recorded_at, "mailwake", key, recipient_hash,
        domain, stream, outcome.by, outcome.note, [_uuid(one) for one in outcome.evidence], revision, reason,
    )  # fmt: skip


def _uuid(raw: bytes) -> str:
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
