"""An owner that stands still within a transaction, with everything sent, until it is killed: CLUSTER PARTITIONS."""

import sys
import threading

from streams.kafka.cluster import KafkaCluster
from streams.kafka.log import KafkaLog
from streams.log import Record, TopicPartition
from streams.topics import declared


def stand_still(place: str) -> None:
    if place == "positioned":
        sys.stdout.write("sent\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    log = KafkaLog.open(KafkaCluster.of(sys.argv[1]), declared(int(sys.argv[2])))
    source = TopicPartition("mail.events")
    ownership = log.own("count", source, at=stand_still)
    ownership.take_over()
    ownership.recover()
    with ownership.transaction() as transaction:
        transaction.append("reputation.deltas", [Record(b"k", b"lost", 1)], 2)
        transaction.put_state("count", {b"a": b"lost"})
        transaction.commit("count", source, 20)
