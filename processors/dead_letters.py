"""What becomes of a record that can't be understood: a dead letter that says where it is and why."""

from processors.stage import Emission, Slice, emission
from schemas.codec import Undecodable, schema_id_of
from schemas.documents import DeadLetter

KEPT_BYTES = 64 * 1024
"""How many bytes of its origin a dead letter holds at most."""


def dead_letter(records: Slice, index: int, stage: str, reason: str, recorded_at: int) -> Emission:
    """The dead letter of `records.values[index]`; the same record gives the same letter, whoever reads it.

    `recorded_at` is the time of record to give it, ms: what a neighbouring record that can be read says.
    """
    value = records.values[index] or b""
    offset = records.offsets[index]
    key = DeadLetter.key_of(records.topic, records.partition, offset)
    try:
        schema_id = schema_id_of(value)
    except Undecodable:
        schema_id = None
    return emission(
        "dead.letters",
        key,
        DeadLetter(
            event_id=DeadLetter.id_of("default", key),
            occurred_at=recorded_at,
            recorded_at=recorded_at,
            source="mailwake",
            source_event_id=key,
            origin_topic=records.topic,
            origin_partition=records.partition,
            origin_offset=offset,
            stage=stage,
            reason=reason,
            schema_id=schema_id,
            size=len(value),
            content=value[:KEPT_BYTES],
        ),
    )
