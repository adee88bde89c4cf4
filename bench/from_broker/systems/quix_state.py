"""`python quix_state.py BROKER TOPIC EVENTS SCHEMAS WRITES FOLDER`: quixstreams with state, in one stream.

Keyed as the events are (tenant/domain), so that nothing is repartitioned: each event is decoded with fastavro, and five
entries of its key's state (RocksDB, with its changelog in Kafka) are read, counted up and written; with WRITES 1 only
that of its domain. At least once, checkpoints every five seconds, as it comes. The rate is that from the first event
taken to the end of the last checkpoint.
"""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

from events import decoder, identities
from quixstreams import Application


def main(broker: str, topic: str, events: int, schemas: str, writes: int, folder: str) -> None:
    """Run and tell."""
    decode = decoder(Path(schemas))
    app = Application(
        broker_address=broker,
        consumer_group=f"{topic}.quix-{writes}",
        auto_offset_reset="earliest",
        state_dir=folder,
        loglevel=logging.WARNING,
    )
    begun = 0.0

    def count(value: bytes, state: Any) -> None:
        nonlocal begun
        begun = begun or time.perf_counter()
        for identity in identities(decode(value))[:writes]:
            state.set(identity, state.get(identity, 0) + 1)

    stream = app.dataframe(app.topic(topic, key_deserializer="bytes", value_deserializer="bytes"))
    stream.update(count, stateful=True)
    app.run(stream, count=events)
    print(json.dumps({"events": events, "seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5]), sys.argv[6])
