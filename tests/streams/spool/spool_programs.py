"""Programs with a spool as processes of their own, to be killed or to share one. They say what is acknowledged.

spool_programs.py SPOOL KAFKA emit NAME    # emits of one or three records, numbered, until it is killed
spool_programs.py SPOOL KAFKA drain        # says "drained" each time nothing waits
"""

import sys
from pathlib import Path

from streams.kafka.cluster import KafkaCluster
from streams.log import Record, Topic
from streams.spool.draining import Draining
from streams.spool.spool import Most, Spool
from streams.spool.spooled_log import SpooledLog

TOPICS = (Topic("mail.events", partitions=3), Topic("documents"))


def opened(path: str, kafka: str, together: int = 20) -> SpooledLog:
    how = Draining(look_s=0.05, most=Most(records=together))
    return SpooledLog.open(Spool.open(Path(path), 2**30, kafka), KafkaCluster.of(kafka), TOPICS, how)


def emit_of(name: str, number: int) -> dict[str, list[Record]]:
    """One record, or three in two topics; keys that spread over the partitions."""
    value = f"{name} {number}".encode()
    one = Record(f"key {number % 7}".encode(), value, number)
    return {"mail.events": [one, one], "documents": [one]} if number % 3 == 0 else {"mail.events": [one]}


def emit(log: SpooledLog, name: str) -> None:
    for number in range(100_000):
        log.append_emits([emit_of(name, number)])
        print(number, flush=True)  # noqa: T201


def drain(log: SpooledLog) -> None:
    while True:
        log.drain(1)
        print("drained", flush=True)  # noqa: T201


if __name__ == "__main__":
    spool, kafka, program, *arguments = sys.argv[1:]
    if program == "emit":
        emit(opened(spool, kafka), *arguments)
    else:
        drain(opened(spool, kafka))
