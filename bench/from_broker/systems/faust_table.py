"""`python faust_table.py BROKER TOPIC EVENTS SCHEMAS`: a plain Faust agent with a table, as its manual has it.

One agent, one event at a time: decoded with fastavro, and five entries of a table (in memory, with its changelog in
Kafka) counted up. No transactions. The rate is that from the first event taken to the last.
"""

import json
import os
import sys
import time
from pathlib import Path

import faust
from events import decoder, identities

BROKER, TOPIC, EVENTS = sys.argv[1], sys.argv[2], int(sys.argv[3])
decode = decoder(Path(sys.argv[4]))
sys.argv[1:] = []

app = faust.App(
    f"{TOPIC}.faust-table",
    broker=f"kafka://{BROKER}",
    store="memory://",
    topic_partitions=8,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
source = app.topic(TOPIC, key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw")
counts = app.Table("counts", default=int)


@app.agent(source)
async def count(stream: faust.StreamT[bytes]) -> None:
    """Count each event's identities."""
    done, begun = 0, 0.0
    async for value in stream:
        if done == 0:
            begun = time.perf_counter()
        for identity in identities(decode(value)):
            counts[identity] += 1
        done += 1
        if done == EVENTS:
            told = json.dumps({"events": done, "seconds": time.perf_counter() - begun})
            # Faust has put its log in the place of stdout.
            os.write(1, told.encode())
            # What is sent in the background is not waited for, in its favour.
            os._exit(0)


if __name__ == "__main__":
    app.Worker(loglevel="warning").execute_from_commandline()
