"""The one request that aiokafka does not speak in the version that is needed: InitProducerId from version 3 on.

A producer that names the id and epoch it has gets the next epoch only while nobody has taken its transactional
id over (KIP-360); without that, a runtime that was overtaken would fence the one that overtook it.
"""

from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactString, Int16, Int32, Int64, Schema, TaggedFields


class InitProducerIdResponse(Response):  # type: ignore[misc]
    """Version 3: the id and epoch to go on with."""

    API_KEY = 22
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("tags", TaggedFields),
    )


class InitProducerIdStruct(RequestStruct):  # type: ignore[misc]
    """Version 3, as it goes over the wire."""

    FLEXIBLE_VERSION = True
    API_KEY = 22
    API_VERSION = 3
    RESPONSE_TYPE = InitProducerIdResponse
    SCHEMA = Schema(
        ("transactional_id", CompactString("utf-8")),
        ("transaction_timeout_ms", Int32),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("tags", TaggedFields),
    )


class InitProducerId(Request[InitProducerIdStruct]):  # type: ignore[misc]
    """Ask for a producer's identity: a new one (-1, -1), or the next epoch of the one that it has."""

    API_KEY = 22

    def __init__(self, transactional_id: str | None, timeout_ms: int, producer_id: int, epoch: int) -> None:
        self._fields: tuple[Any, ...] = (transactional_id, timeout_ms, producer_id, epoch, {})

    def build(self, request_struct_class: type[InitProducerIdStruct]) -> InitProducerIdStruct:
        """The request in the version agreed on."""
        return request_struct_class(*self._fields)
