"""`python getmany.py BROKER TOPIC EVENTS`: aiokafka's consumer reads so many records, and does nothing with them."""

import asyncio
import json
import sys
import time

from aiokafka import AIOKafkaConsumer, TopicPartition


async def main(broker: str, topic: str, events: int) -> None:
    """Read and tell."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    partitions = [TopicPartition(topic, number) for number in range(8)]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    done, begun = 0, time.perf_counter()
    while done < events:
        batches = await consumer.getmany(timeout_ms=1_000)
        done += sum(map(len, batches.values()))
    print(json.dumps({"events": done, "seconds": time.perf_counter() - begun}))
    await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
