"""What a broker does in its own time, retention and compaction, made to happen now for the topics of the suite."""

import time

from aiokafka.protocol.admin import AlterConfigsRequest, DeleteRecordsRequest
from log_samples import BRIEF, LATEST, TOPICS

from streams.kafka.batches import encode
from streams.kafka.cluster import KafkaPartition
from streams.kafka.connection import REQUEST_MS
from streams.kafka.log import KafkaLog
from streams.kafka.producing import Producer
from streams.kafka.reading import LATEST as END
from streams.kafka.reading import offsets
from streams.kafka.topics import kept
from streams.log import Record

DAY_MS = 86_400_000
AT_ONCE = {
    **kept(next(topic.retention for topic in TOPICS if topic.name == LATEST.topic)),
    "segment.ms": "1",
    "min.cleanable.dirty.ratio": "0.0001",
}


def apply_retention(log: KafkaLog, now_ms: int) -> None:
    """As of `now_ms`: delete what is too old in `brief`, compact `latest`."""
    log._background.run(_delete_old(log, log.place(BRIEF), max(now_ms - 1_000, 0)))
    _compact(log, log.place(LATEST), now_ms)


async def _delete_old(log: KafkaLog, place: KafkaPartition, oldest_ms: int) -> None:
    connection = log._connection
    first = (await offsets(connection, [place], oldest_ms))[place]
    if first < 0:
        first = (await offsets(connection, [place], END))[place]
    request = DeleteRecordsRequest([(place.topic, [(place.partition, first)])], REQUEST_MS)
    answer = await connection.send(await connection.leader(place), request)
    assert all(code == 0 for topic in answer.topics for _, _, code, *_ in topic[1])


def _compact(log: KafkaLog, place: KafkaPartition, now_ms: int) -> None:
    """Close the segment with a transaction that is given up, which leaves a control record; then wait for the cleaner.

    Tombstones go in the run after the one that met them first.
    """
    before = _records(log)
    wanted = _latest(before, now_ms)
    if [offset for offset, *_ in before] == wanted:
        return
    late = now_ms >= DAY_MS
    log._background.run(
        _configure(log, place.topic, {**AT_ONCE, "delete.retention.ms": "0" if late else str(DAY_MS)})
    )
    deadline = time.monotonic() + 60
    while [offset for offset, *_ in _records(log)] != wanted:
        assert time.monotonic() < deadline, f"the broker's cleaner left {_records(log)}, not {wanted}"
        log._background.run(_leave_control_record(log, place))
        time.sleep(0.5)


def _records(log: KafkaLog) -> list[tuple[int, bytes | None, bytes | None, int]]:
    batch = log.read(LATEST, log.begin(LATEST), 1_000)
    return list(zip(batch.offsets, batch.keys, batch.values, batch.timestamps, strict=True))


def _latest(records: list[tuple[int, bytes | None, bytes | None, int]], now_ms: int) -> list[int]:
    last = {key: (offset, value, timestamp) for offset, key, value, timestamp in records}
    return sorted(o for o, value, at in last.values() if value is not None or at >= now_ms - DAY_MS)


async def _configure(log: KafkaLog, topic: str, configuration: dict[str, str]) -> None:
    answer = await log._connection.send_to_any(AlterConfigsRequest([(2, topic, list(configuration.items()))]))
    assert all(code == 0 for code, *_ in answer.resources), answer


async def _leave_control_record(log: KafkaLog, place: KafkaPartition) -> None:
    producer = Producer(log._connection, f"{place.topic}.closing")
    await producer.begin()
    await producer.add_partitions([place])
    await producer.begin()


def left_open(log: KafkaLog, place: KafkaPartition) -> None:
    """A transaction with one record that a producer left open: the broker gives it up in its own time."""

    async def leave() -> None:
        producer = Producer(log._connection, log.cluster.transactional_id("left.open"))
        await producer.begin()
        await producer.add_partitions([place])
        await producer.produce({place: encode([Record(b"key", b"0", 0)], 2**17, True, "")})

    log._background.run(leave())
