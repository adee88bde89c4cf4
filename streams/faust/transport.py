"""Faust's way to Kafka, as transactions that Faust does not know of need it.

Everything is read as committed; recovery ends at the last record that can be seen, not at the control marker behind
it; and positions are committed in the owners' transactions, so Faust commits none.
"""

import logging
from typing import Any, Protocol

import faust
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.kafka.cluster import KafkaCluster, KafkaPartition

quiet = logging.getLogger("faust.mailwake")
"""For Faust's services: they tell what they do, and we what comes of it."""


class Places(Protocol):
    """What Faust is told of places in partitions."""

    def visible_end(self, place: KafkaPartition) -> int:
        """The offset after the last record that a committed reader sees."""

    def positions(self) -> dict[TP, int]:
        """Where delivery goes on, for each partition whose owner is here."""


class _Thread(driver.AIOKafkaConsumerThread):
    logger = quiet

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        return consumer


class _Consumer(driver.Consumer):
    logger = quiet
    transport: "Transport"

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        """Where recovery ends."""
        ask, loop = self.transport.places.visible_end, self.loop
        return {
            tp: await loop.run_in_executor(None, ask, KafkaPartition(tp.topic, tp.partition))
            for tp in partitions
        }

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Nothing: an older position could be put over a transaction's."""
        return False

    async def perform_seek(self) -> None:
        """Go on where the state says. Faust would ask its group, and stay where it is if that knows nothing yet."""
        positions = self.transport.places.positions()
        if positions:
            await self.seek_wait(positions)


class Transport(driver.Transport):
    """Made with the application that it serves, and what tells it of places."""

    Consumer = _Consumer

    def __init__(self, *args: Any, places: Places, **options: Any) -> None:
        super().__init__(*args, **options)
        self.places = places


def credentials(cluster: KafkaCluster) -> faust.types.auth.CredentialsT | None:
    """How the cluster lets us in, as Faust takes it. Raises LogError."""
    options = cluster.security.options()
    context = options.get("ssl_context")
    if "sasl_mechanism" in options:
        return faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None
