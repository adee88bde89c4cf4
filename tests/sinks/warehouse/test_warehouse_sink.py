"""The warehouse is a sink like any other, whatever topic is loaded."""

import pytest
import warehouse_samples as samples
from sink_conformance import SinkConformance

from schemas.codec import encode
from sinks.sink import Sink
from sinks.warehouse.loader import WarehouseSink
from sinks.warehouse.warehouse import Warehouse


class WarehouseConformance(SinkConformance):
    @pytest.fixture(autouse=True)
    def _opened(self, warehouse: Warehouse, generation: int) -> None:
        self.warehouse, self.generation = warehouse, generation

    @pytest.fixture
    def sink(self, warehouse: Warehouse, generation: int) -> Sink:
        return warehouse.sink(generation)

    def reopened(self, sink: Sink) -> Sink:
        return self.warehouse.sink(self.generation)

    def contents(self, sink: Sink) -> object:
        return samples.contents(self.warehouse, self.generation)


class TestMailEvents(WarehouseConformance):
    topic = "mail.events"

    def values(self, count: int) -> list[bytes | None]:
        return [encode(samples.mail(number)) for number in range(count)]


class TestSuppressions(WarehouseConformance):
    topic = "suppressions"

    def values(self, count: int) -> list[bytes | None]:
        return [encode(samples.suppression(number // 3, 1 + number % 3)) for number in range(count)]


class TestReputationBuckets(WarehouseConformance):
    topic = "reputation.buckets"

    def values(self, count: int) -> list[bytes | None]:
        return [*samples.flushes(count)]


def test_refuses_a_topic_it_has_no_table_for(sink: WarehouseSink) -> None:
    values = [encode(samples.mail(1))]
    with pytest.raises(ValueError, match=r"no table for topic reputation\.deltas"):
        sink.load(
            samples.cut(values, 0, 1, "reputation.deltas"), samples.mark(values, 1, "reputation.deltas")
        )


def test_refuses_a_mark_of_another_place(sink: WarehouseSink) -> None:
    values = [encode(samples.mail(number)) for number in range(3)]
    with pytest.raises(ValueError, match="not that of the slice's end"):
        sink.load(samples.cut(values, 0, 2, "mail.events"), samples.mark(values, 3, "mail.events"))
